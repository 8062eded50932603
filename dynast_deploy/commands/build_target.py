"""What plans are built for: the library, the GPU, and the compute capabilities that they run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Precision

if TYPE_CHECKING:
    from dynast_deploy.formats.manifest import PlanKind
    from dynast_deploy.runtime.cuda.driver import GpuDevice

RTX_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
"""What TensorRT-RTX builds for unless told otherwise; its plans run on later ones too."""

HARDWARE_COMPATIBLE_FROM = (8, 0)
"""The first compute capability that plans built with --hardware-compatible run on."""


@dataclass(frozen=True)
class BuildTarget:
    """What the plans are for: the library, and the GPU, where one is needed."""

    library: Any
    device: GpuDevice | None


def find_target(kind: PlanKind) -> BuildTarget:
    """The library, and for TensorRT the GPU and the attention plugin, registered.

    Raises:
        DynastError: Where the library, the GPU or the compiler of the plugin's kernels is missing.
    """
    from dynast_deploy.export.tensorrt_build import builder_library
    from dynast_deploy.formats.manifest import PlanKind
    from dynast_deploy.plugins import gpu_kernels
    from dynast_deploy.plugins.tensorrt_plugin import register_plugins
    from dynast_deploy.runtime.cuda.driver import first_device

    library = builder_library(kind)
    if kind is PlanKind.TENSORRT_RTX:
        return BuildTarget(library, None)
    device = first_device()
    if device is None:
        raise DynastError(
            "no NVIDIA GPU that can be used: TensorRT builds on the GPU that a plan is for; build there, or with "
            "--rtx, which needs none"
        )
    # A missing compiler is told here in one line, and not from within TensorRT.
    gpu_kernels.compile_ptx(gpu_kernels.kernel_name("inter", "half", max(gpu_kernels.TEAMS)))
    register_plugins()
    return BuildTarget(library, device)


def timing_cache_file(path: Path | None, target: BuildTarget) -> Path | None:
    """The timing cache that TensorRT reads and writes: `path`, else one for this GPU; None without a GPU."""
    from dynast_deploy.export.timing_cache import default_path

    if target.device is None:
        return None
    device = target.device
    return path or default_path(device.name, device.compute_capability, target.library.__version__)


def chosen_capabilities(text: str | None, target: BuildTarget) -> tuple[str, ...]:
    """The compute capabilities that `--compute-capabilities` names, such as `"7.5,8.9"`; empty without it.

    Raises:
        DynastError: Where the library does not build for one of them.
    """
    if text is None:
        return ()
    known = {
        f"{name[2:-1]}.{name[-1]}"
        for name in dir(target.library.ComputeCapability)
        if name.startswith("SM") and name[2:].isdigit()
    }
    chosen = tuple(text.split(","))
    if unknown := [one for one in chosen if one not in known]:
        raise DynastError(
            f"--compute-capabilities {unknown[0]}: TensorRT-RTX {target.library.__version__} builds for "
            f"{', '.join(sorted(known, key=float))}"
        )
    return chosen


def rtx_capabilities(precision: Precision) -> tuple[str, ...]:
    """Where plans for TensorRT-RTX run that were built for no GPU in particular; on later ones too."""
    return tuple(one for one in RTX_CAPABILITIES if _numbers(one) >= precision.first_capability)


def check_capability(
    precision: Precision, chosen: tuple[str, ...], device: GpuDevice | None, hardware_compatible: bool
) -> None:
    """Check that every GPU that is built for has the numbers of a precision.

    Raises:
        DynastError: Where one does not have them.
    """
    first = ".".join(map(str, precision.first_capability))
    if hardware_compatible and precision.first_capability > HARDWARE_COMPATIBLE_FROM:
        raise DynastError(
            f"--{precision}: --hardware-compatible plans are for 8.0 and later, and {precision.upper()} needs {first}; "
            "leave one out"
        )
    asked = chosen or ((device.compute_capability,) if device is not None else ())
    if lacking := [one for one in asked if _numbers(one) < precision.first_capability]:
        raise DynastError(
            f"--{precision}: compute capability {', '.join(lacking)} has no eight-bit floats, which begin with "
            f"{first}; build with --int8 or --fp16 for it"
        )


def _numbers(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))
