"""Failures of TensorRT and of the GPU, as engines report them; on stand-ins (`plan_machine`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plan_machine import CHANNELS, SIZE, Machine, expected, levels, plan_machine
from tensorrt_stand_in import plan_bytes, plans_of

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.plan import write_plan_file
from dynast_deploy.runtime.trt.engine import TensorRTEngine

PICTURE, MAPS = levels(1, 3, SIZE, SIZE, seed=1), levels(1, CHANNELS, SIZE, SIZE, seed=2)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with plan_machine(tmp_path) as made:
        yield made


def conditions(count: int, seed: int) -> np.ndarray:
    return levels(count, CHANNELS, SIZE, SIZE, seed=seed + 100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Runtime", "TensorRT does not start here, see `dynast doctor`: magic tag does not match"),
        ("deserialize_cuda_engine", "TensorRT does not accept the plan: magic tag does not match"),
        ("create_execution_context", "no room on the GPU .*: magic tag does not match"),
        ("execute_async_v3", "encoder: TensorRT does not run it: magic tag does not match"),
    ],
)
def test_what_tensorrt_says_goes_with_its_failure(machine: Machine, call: str, message: str) -> None:
    machine.failures.messages[call] = ["magic tag does not match"]
    with pytest.raises(DynastError, match=message), TensorRTEngine(machine.path) as engine:
        engine.encode_exemplar(PICTURE, MAPS)


def test_a_profile_that_is_narrower_than_the_manifest_says_is_named(machine: Machine) -> None:
    renderer = plan_bytes(machine.manifest.renderer_inputs, machine.manifest.renderer_outputs, most=1)
    write_plan_file(machine.path, machine.manifest, plans_of(machine.manifest)[0], renderer)
    with TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        before = list(machine.world.living)
        with pytest.raises(
            DynastError, match=r"takes no condition of \[2, 20, 32, 32\]: .*outside the profile"
        ):
            engine.render(encoded, conditions(2, 0))
        assert machine.world.living == before


def test_frames_after_a_failed_one_are_right(machine: Machine) -> None:
    with TensorRTEngine(machine.path, cuda_graphs=False) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        pending = engine.submit(encoded, conditions(1, 0))
        machine.failures.messages["execute_async_v3"] = ["not now"]
        with pytest.raises(DynastError, match="not now"):
            engine.submit(encoded, conditions(1, 1))
        machine.failures.messages.clear()
        for each, seed in ((pending, 0), (engine.submit(encoded, conditions(1, 2)), 2)):
            wanted = expected(machine.manifest, PICTURE, MAPS, conditions(1, seed))
            np.testing.assert_array_equal(each.result(), wanted)


def test_an_exemplar_that_fails_leaves_nothing(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        before = list(machine.world.living)
        machine.failures.messages["execute_async_v3"] = ["not now"]
        with pytest.raises(DynastError, match="not now"):
            engine.encode_exemplar(PICTURE, MAPS)
        assert machine.world.living == before


def test_a_full_gpu_is_named_and_nothing_is_left_of_the_attempt(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        machine.world.memory = sum(each.data.size for each in machine.world.allocations.values()) + 30_000
        before = list(machine.world.living)
        with pytest.raises(
            DynastError, match=r"the GPU has no room for .* MB more \(.* are free\); render fewer"
        ):
            engine.render(encoded, conditions(4, 0))
        assert machine.world.living == before


def test_plans_that_are_not_those_of_the_manifest_are_refused(tmp_path: Path) -> None:
    with plan_machine(tmp_path) as machine:
        encoder, _ = plans_of(machine.manifest)
        write_plan_file(machine.path, machine.manifest, encoder, encoder)
        with pytest.raises(DynastError, match=r"its plans are not those of its manifest \(.*condition"):
            TensorRTEngine(machine.path)
