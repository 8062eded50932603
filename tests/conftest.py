"""GPU tests skip with a reason where there is no GPU; native kernels are built where tests use them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("nvidia-smi"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU on this machine"))


@pytest.fixture(scope="session")
def built_kernels() -> None:
    from dynast_deploy.plugins import build, native

    if not native.available():
        build.build_all(None)
        native.library.load_cpu.cache_clear()


@pytest.fixture
def set_variant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the native layers computed by the kernels of one instruction set, for one test; skips where it cannot run."""
    from dynast_deploy.plugins import native, native_layers

    def change(variant: str) -> None:
        if native.variant(variant) is None:
            pytest.skip(f"this processor does not run {variant}")
        monkeypatch.setattr(native_layers, "run", functools.partial(native_layers.run, variant=variant))

    return change


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Changes the number of PyTorch's threads for one test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
