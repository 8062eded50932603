"""What TensorRT engines and their exemplars hold on a GPU, and when it is released; on stand-ins (`plan_machine`)."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plan_machine import CHANNELS, SIZE, Machine, expected, levels, plan_machine

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.cuda import device as gpu
from dynast_deploy.runtime.trt.engine import TensorRTEngine

PICTURE, MAPS = levels(1, 3, SIZE, SIZE, seed=1), levels(1, CHANNELS, SIZE, SIZE, seed=2)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with plan_machine(tmp_path) as made:
        yield made


def test_several_engines_share_a_process_and_end_in_any_order(machine: Machine) -> None:
    engines = [TensorRTEngine(machine.path) for _ in range(3)]
    encoded = [engine.encode_exemplar(PICTURE, MAPS) for engine in engines]
    pending = [engine.submit(exemplar, MAPS) for engine, exemplar in zip(engines, encoded, strict=True)]
    engines[1].close()
    del encoded[0]
    engines[0].close()
    engines[0].close()
    wanted = expected(machine.manifest, PICTURE, MAPS, MAPS)
    for each in pending:
        np.testing.assert_array_equal(each.result(), wanted)
    with pytest.raises(DynastError, match=r"model\.plan: this engine was closed; load it again"):
        engines[1].render(encoded[0], MAPS)
    np.testing.assert_array_equal(engines[2].submit(encoded[1], MAPS).result(), wanted)


def test_a_forgotten_engine_and_its_exemplars_are_released_at_once(machine: Machine) -> None:
    engine = TensorRTEngine(machine.path)
    encoded = engine.encode_exemplar(PICTURE, MAPS)
    engine.render(encoded, MAPS)
    del engine
    assert machine.world.living
    del encoded
    assert {kind for kind, _ in machine.world.living} == {"context"}


def test_a_forgotten_exemplar_lives_until_its_frames_are_done(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        before = len(machine.world.allocations)
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        pending = engine.submit(encoded, MAPS)
        slots = len(machine.world.allocations) - before - 2
        del encoded
        np.testing.assert_array_equal(pending.result(), expected(machine.manifest, PICTURE, MAPS, MAPS))
        assert len(machine.world.allocations) == before + slots
        assert not machine.world.graphs


def test_what_the_collector_finds_during_a_capture_is_released_after_it(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        encoded, other = (engine.encode_exemplar(PICTURE, MAPS) for _ in range(2))
        engine.render(encoded, MAPS)
        lane = next(iter(engine._parts._lanes.values()))[1]
        enqueue, cycle = lane._context.enqueue, [other]
        cycle.append(cycle)  # type: ignore[arg-type]
        del other

        def collecting(*arguments: object) -> None:
            cycle_of_garbage.clear()
            gc.collect()
            enqueue(*arguments)  # type: ignore[arg-type]

        cycle_of_garbage = [cycle]
        del cycle
        lane._context.enqueue = collecting  # type: ignore[method-assign, assignment]
        before = len(machine.world.allocations)
        engine.render(encoded, MAPS)
        assert len(machine.world.allocations) == before - 2
        assert machine.world.calls.count("cuGraphLaunch") == 1
        lane._context.enqueue = enqueue  # type: ignore[method-assign]


def test_exit_releases_what_was_left_open(machine: Machine) -> None:
    engine = TensorRTEngine(machine.path)
    encoded = engine.encode_exemplar(PICTURE, MAPS)
    pending = engine.submit(encoded, MAPS)
    gpu.close_gpus()
    machine.world.check_clean()
    del engine, encoded, pending


def test_an_engine_that_a_thread_loaded_and_left_is_released_in_another(machine: Machine) -> None:
    loaded: list[TensorRTEngine] = []
    thread = threading.Thread(target=lambda: loaded.append(TensorRTEngine(machine.path)))
    thread.start()
    thread.join()
    with loaded[0] as engine:
        image = engine.submit(engine.encode_exemplar(PICTURE, MAPS), MAPS).result()
    np.testing.assert_array_equal(image, expected(machine.manifest, PICTURE, MAPS, MAPS))
