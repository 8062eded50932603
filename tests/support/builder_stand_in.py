"""A stand-in for the module `tensorrt` that records how an engine is built. It knows TensorRT 11's names alone.

Setting or calling anything else raises AttributeError, as the real module does.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

import onnx

VERSION = "11.0.0.114"


class Flag(enum.IntEnum):
    TF32 = 7
    VERSION_COMPATIBLE = 15


class Logger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Monitor:
    pass


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content + b"+"


class Config:
    __slots__ = (
        "builder_optimization_level", "cache", "flags", "hardware_compatibility_level", "pools", "profiles",
        "progress_monitor",
    )  # fmt: skip

    def __init__(self) -> None:
        self.flags, self.pools, self.profiles = {Flag.TF32}, dict[str, int](), list[Profile]()
        self.cache: TimingCache | None = None

    def set_flag(self, flag: Flag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: Flag) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.pools[pool] = size

    def add_optimization_profile(self, profile: Profile) -> None:
        self.profiles.append(profile)

    def create_timing_cache(self, content: bytes) -> TimingCache:
        return TimingCache(content)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if ignore_mismatch or cache.content.startswith(b"foreign"):
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self.cache


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.shapes[name] = shapes


class Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.inputs: list[SimpleNamespace] = []
        self.model = onnx.ModelProto()

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> SimpleNamespace:
        return self.inputs[index]


class Parser:
    def __init__(self, network: Network, log: Any) -> None:
        self.network = network

    def parse(self, content: bytes) -> bool:
        model = self.network.model = onnx.ModelProto.FromString(content)
        for value in model.graph.input:
            dims = value.type.tensor_type.shape.dim
            shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
            self.network.inputs.append(SimpleNamespace(name=value.name, shape=shape))
        return True


class Module:
    """A module is hashable, which a SimpleNamespace is not."""

    def __init__(self, **names: Any) -> None:
        vars(self).update(names)


class Recorder:
    """`module` is what stands in for `tensorrt`; `builds` are the networks and configurations that it was given."""

    def __init__(self, plans: list[bytes | None]) -> None:
        self.builds: list[tuple[Network, Config]] = []
        self._plans = list(plans)
        self.errors: list[str] = []
        self.module = Module(
            __version__=VERSION,
            Builder=self._builder,
            BuilderFlag=Flag,
            HardwareCompatibilityLevel=SimpleNamespace(AMPERE_PLUS="ampere+"),
            ILogger=Logger,
            IProgressMonitor=Monitor,
            MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
            OnnxParser=Parser,
        )

    def _builder(self, log: Any) -> SimpleNamespace:
        return SimpleNamespace(
            create_network=Network,
            create_builder_config=Config,
            create_optimization_profile=Profile,
            build_serialized_network=lambda network, config: self._build(log, network, config),
        )

    def _build(self, log: Any, network: Network, config: Config) -> bytes | None:
        """Goes through two phases, as long as the monitor does not stop it."""
        self.builds.append((network, config))
        monitor: Any = config.progress_monitor
        monitor.phase_start("Building engine", None, 1)
        monitor.phase_start("Tactics", "Building engine", 2)
        goes_on = all(monitor.step_complete("Tactics", step) for step in range(2))
        monitor.phase_finish("Tactics")
        monitor.phase_finish("Building engine")
        for error in self.errors:
            log.log(Logger.Severity.ERROR, error)
        return self._plans.pop(0) if goes_on else None
