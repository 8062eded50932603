"""Plans from graphs, by TensorRT 10.9 to 11 and by TensorRT-RTX alike.

Networks are strongly typed: types are those of the graph, which is all that TensorRT 11 knows, and no precision flag is
ever set. TF32 is off, so that what is float32 in the graph is float32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import onnx

from dynast_deploy.errors import DynastError
from dynast_deploy.export import timing_cache
from dynast_deploy.export.build_progress import BuildProgress, as_monitor
from dynast_deploy.formats.manifest import BatchSizes, PlanKind
from dynast_deploy.tensorrt_library import Messages, import_library, messages_of

GIB = 2**30
OLDEST = (10, 9)
"""The first TensorRT whose plugins are compiled into the plan ahead of time."""


@dataclass(frozen=True)
class BuildSettings:
    """How plans are built.

    batch: of the renderer; workspace: GPU memory in bytes that a kernel may use, None for all; optimization_level: 0 to
    5, None for TensorRT's own; timing_cache: None where none is used; compute_capabilities: of RTX plans, empty for
    TensorRT-RTX's own choice.
    """

    kind: PlanKind
    batch: BatchSizes
    workspace: int | None = None
    optimization_level: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    compute_capabilities: tuple[str, ...] = ()


def builder_library(kind: PlanKind) -> Any:
    """The module that builds plans of this kind.

    Raises:
        DynastError: With the command that installs it, where it is missing, does not load or is too old.
    """
    try:
        library = import_library(kind, "building a plan")
    except DynastError as error:
        if kind is PlanKind.TENSORRT:
            raise DynastError(f"{error}; or build for RTX cards with --rtx, which needs no GPU") from None
        raise
    version = tuple(int(number) for number in re.findall(r"\d+", library.__version__)[:2])
    if kind is PlanKind.TENSORRT and version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DynastError(
            f"TensorRT {library.__version__} is installed, and {oldest} or later is needed: "
            f"pip install -U 'tensorrt>={oldest}'"
        )
    return library


def build_plan(library: Any, model: onnx.ModelProto, what: str, settings: BuildSettings) -> Any:
    """The serialised plan of `model`, a buffer; `what` names it to people.

    Plugins are used where they are registered.

    Raises:
        DynastError: With the node and the reason, where the parser or the builder fails.
    """
    messages = messages_of(library)
    messages.forget()
    builder = library.Builder(messages.logger)
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, messages.logger)
    # The network's weights lie in what was parsed, which has to stay until the plan is built.
    serialized = model.SerializeToString()
    if not parser.parse(serialized):
        _refuse(parser, messages, f"{settings.kind.library} does not take the {what}")
    config = builder.create_builder_config()
    _configure(library, builder, network, config, settings)
    if settings.timing_cache is not None:
        timing_cache.attach(config, settings.timing_cache)
    with BuildProgress(what) as progress:
        # The configuration does not keep its monitor alive.
        monitor = as_monitor(library, progress)
        config.progress_monitor = monitor
        plan = progress.run(builder.build_serialized_network, network, config)
        if plan is None and not progress.is_stopped:
            raise messages.failure(f"{settings.kind.library} cannot build the {what}")
    if settings.timing_cache is not None:
        timing_cache.keep(config, settings.timing_cache)
    return plan


def _configure(library: Any, builder: Any, network: Any, config: Any, settings: BuildSettings) -> None:
    config.clear_flag(library.BuilderFlag.TF32)
    if settings.workspace is not None:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, settings.workspace)
    if settings.optimization_level is not None:
        config.builder_optimization_level = settings.optimization_level
    if settings.version_compatible:
        config.set_flag(library.BuilderFlag.VERSION_COMPATIBLE)
    if settings.hardware_compatible:
        config.hardware_compatibility_level = library.HardwareCompatibilityLevel.AMPERE_PLUS
    if settings.compute_capabilities:
        config.num_compute_capabilities = len(settings.compute_capabilities)
        for index, capability in enumerate(settings.compute_capabilities):
            chosen = getattr(library.ComputeCapability, f"SM{capability.replace('.', '')}")
            config.set_compute_capability(chosen, index)
    sizes = (settings.batch.min, settings.batch.opt, settings.batch.max)
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        sides = tuple(tensor.shape)
        if -1 in sides:
            shapes[tensor.name] = [tuple(count if side == -1 else side for side in sides) for count in sizes]
    if shapes:
        profile = builder.create_optimization_profile()
        for name, extent in shapes.items():
            profile.set_shape(name, *extent)
        config.add_optimization_profile(profile)


def _refuse(parser: Any, messages: Messages, what: str) -> NoReturn:
    """Raise the parser's errors, each with its node and the reason.

    Raises:
        DynastError: In every case.
    """
    found = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        where = f"node {error.node_name()} ({error.node_operator()}): " if error.node_name() else ""
        found.append(f"{where}{' '.join(error.desc().split())}")
    if not found:
        raise messages.failure(what)
    raise DynastError(f"{what}: {'; '.join(dict.fromkeys(found))}")
