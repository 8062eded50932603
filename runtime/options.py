"""Choices that command lines offer, apart from what they lead to, so that `--help` imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum

from dynast_deploy.runtime import device_names
from dynast_deploy.runtime.onnxrt.provider import DEVICES


class Device(StrEnum):
    """Where an engine runs. There is one more for every device in the table of providers."""

    AUTO = device_names.AUTO
    vars().update({name.upper(): name for name in sorted(DEVICES)})
