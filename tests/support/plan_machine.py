"""A machine with TensorRT and a GPU, both stand-ins, and a plan on it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cuda_modules
import numpy as np
import tensorrt_stand_in
from cuda_world import World
from tensorrt_stand_in import Failures

from dynast_deploy.formats.manifest import BatchSizes, Manifest, PlanKind, TensorSpec
from dynast_deploy.formats.plan import write_plan_file
from dynast_deploy.formats.precision import Precision
from dynast_deploy.runtime.cuda import device as gpu

SIZE, CHANNELS = 32, 20
CUTS = (TensorSpec("block0.key", "float16", (1, 24, 16)), TensorSpec("block0.value", "float32", (1, 24, 8)))
MANIFEST = Manifest(
    kind=PlanKind.TENSORRT,
    library_version="10.9.0.34",
    gpu="Stand-in GPU",
    compute_capabilities=("8.9",),
    precision=Precision.FP16,
    task="pose",
    channels=CHANNELS,
    height=SIZE,
    width=SIZE,
    batch=BatchSizes(1, 2, 4),
    version_compatible=False,
    hardware_compatible=False,
    encoder_inputs=(
        TensorSpec("exemplar", "uint8", (1, 3, SIZE, SIZE)),
        TensorSpec("exemplar_condition", "uint8", (1, CHANNELS, SIZE, SIZE)),
    ),
    encoder_outputs=CUTS,
    renderer_inputs=(TensorSpec("condition", "uint8", (-1, CHANNELS, SIZE, SIZE)), *CUTS),
    renderer_outputs=(TensorSpec("image", "uint8", (-1, 3, SIZE, SIZE)),),
    cut_tensors=("block0.key", "block0.value"),
    source="model.onnx",
    source_sha256="0" * 64,
    plugin_version="1",
    producer_version="0.1.0",
)


@dataclasses.dataclass
class Machine:
    """path: of the plan; world, failures: of its stand-ins."""

    path: Path
    world: World
    failures: Failures
    manifest: Manifest


@contextmanager
def plan_machine(folder: Path, world: World | None = None, **changes: Any) -> Iterator[Machine]:
    """The plan lies in `folder`, its manifest is MANIFEST with `changes`, and the modules are this process's.

    On leaving, everything is released as at exit, and nothing may be left or have gone wrong.
    """
    world, failures = world or World(), Failures()
    manifest = dataclasses.replace(MANIFEST, **changes)
    path = folder / "model.plan"
    write_plan_file(path, manifest, *tensorrt_stand_in.plans_of(manifest))
    modules = cuda_modules.modules(world)
    for name in ("tensorrt", "tensorrt_rtx"):
        modules[name] = tensorrt_stand_in.module(world, failures, MANIFEST.library_version, name)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield Machine(path, world, failures, manifest)
        gpu.close_gpus()
        world.check_clean()
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
        gpu._gpus.clear()


def levels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def expected(
    manifest: Manifest, exemplar: np.ndarray, of_exemplar: np.ndarray, conditions: np.ndarray
) -> np.ndarray:
    """Images of the network that the stand-in computes, from an exemplar and conditions in 0..255."""
    cuts = {spec.name: np.empty(spec.shape, spec.dtype) for spec in manifest.cut_tensors and CUTS}
    tensorrt_stand_in.network({"exemplar": exemplar, "exemplar_condition": of_exemplar}, cuts)
    image = np.empty((len(conditions), 3, SIZE, SIZE), np.uint8)
    tensorrt_stand_in.network({"condition": conditions, **cuts}, {"image": image})
    return image
