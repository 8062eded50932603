"""NVIDIA's driver, asked through a stand-in for its library."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from dynast_deploy.runtime.cuda import driver

ATTRIBUTES = {75: 8, 76: 9}
"""CUdevice_attribute: major and minor number of the compute capability, as cuda.h numbers them."""


class Library:
    """A machine with `devices` GPUs, the first of which is an L40S."""

    def __init__(self, devices: int) -> None:
        self._devices = devices

    def cuInit(self, flags: int) -> int:
        return 0 if self._devices else 100  # CUDA_ERROR_NO_DEVICE

    def cuDeviceGet(self, device: Any, number: int) -> int:
        device._obj.value = 7
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: ctypes.c_int) -> int:
        assert device.value == 7
        name.value = b"NVIDIA L40S"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: ctypes.c_int) -> int:
        assert device.value == 7
        value._obj.value = ATTRIBUTES[attribute]
        return 0


def test_the_first_gpu_is_told_by_name_and_compute_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library(1))
    assert driver.driver_answers()
    assert driver.first_device() == driver.GpuDevice("NVIDIA L40S", "8.9")


def test_a_driver_that_finds_no_gpu_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library(0))
    assert not driver.driver_answers()
    assert driver.first_device() is None


def test_a_machine_without_a_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not driver.driver_answers()
    assert driver.first_device() is None
