"""What runs which kind of file: one entry for each backend in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of
from dynast_deploy.runtime.device_names import check_device
from dynast_deploy.runtime.onnxrt.provider import DEVICES

if TYPE_CHECKING:
    from dynast_deploy.runtime.engine import Engine


@dataclass(frozen=True)
class Backend:
    """How files of some kinds become engines.

    Attributes:
        kinds: The kinds of files that it runs.
        can_run: Why it cannot run a file on a device here, or None where it can; cheap, and loads no model.
        load: Makes the engine of a file, for a device and a number of CPU threads (None for all).
    """

    kinds: frozenset[FileKind]
    can_run: Callable[[Path, str], str | None]
    load: Callable[[Path, str, int | None], Engine]


def load(path: Path, device: str, threads: int | None) -> Engine:
    """The engine of a file on the first backend that can run it; see `runtime.load_engine`.

    Raises:
        DynastError: Where the file is missing, damaged or of no kind that is run here, where there is no such device,
            or where no backend can run the file on it; then with the reason of each.
    """
    kind = kind_of(path)
    check_device(device, DEVICES)
    candidates = [each for each in BACKENDS if kind in each.kinds]
    if not candidates:
        raise DynastError(
            f"{path}: a zip archive, but not an engine this version runs; it takes ONNX files (from "
            "dynast export), plans (from dynast build-engine) and checkpoints"
        )
    reasons = []
    for backend in candidates:
        reason = backend.can_run(path, device)
        if reason is None:
            return backend.load(path, device, threads)
        reasons.append(reason)
    raise DynastError("; ".join(reasons))


def _onnxruntime_can_run(_: Path, device: str) -> str | None:
    from dynast_deploy.onnxruntime_session import import_onnxruntime
    from dynast_deploy.runtime.onnxrt.provider import choose_provider

    try:
        choose_provider(import_onnxruntime(), device)
    except DynastError as error:
        return str(error)
    return None


def _load_on_onnxruntime(path: Path, device: str, threads: int | None) -> Engine:
    from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path, device, threads)


def _tensorrt_can_run(path: Path, device: str) -> str | None:
    if device not in ("auto", "cuda"):
        return f"{path}: a plan runs on an NVIDIA GPU alone; use the .onnx engine with --device {device}"
    return None


def _load_on_tensorrt(path: Path, _: str, __: int | None) -> Engine:
    from dynast_deploy.runtime.trt.engine import TensorRTEngine

    return TensorRTEngine(path)


def _torch_can_run(path: Path, device: str) -> str | None:
    from dynast_deploy.runtime.pyt.device import choose_device

    try:
        choose_device(device, str(path))
    except DynastError as error:
        return str(error)
    return None


def _load_on_torch(path: Path, device: str, threads: int | None) -> Engine:
    from dynast_deploy.runtime.pyt.engine import TorchEngine

    return TorchEngine(path, device, threads)


TENSORRT = Backend(frozenset({FileKind.PLAN}), _tensorrt_can_run, _load_on_tensorrt)
ONNXRUNTIME = Backend(frozenset({FileKind.ONNX}), _onnxruntime_can_run, _load_on_onnxruntime)
TORCH = Backend(frozenset({FileKind.CHECKPOINT, FileKind.SAFETENSORS}), _torch_can_run, _load_on_torch)
BACKENDS = (TENSORRT, ONNXRUNTIME, TORCH)
"""In the order in which they are asked."""
