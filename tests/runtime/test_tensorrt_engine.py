"""The TensorRT engine, driven on stand-ins that check what TensorRT and CUDA require (`plan_machine`)."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cuda_world import World
from plan_machine import CHANNELS, CUTS, SIZE, Machine, expected, levels, plan_machine

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import BatchSizes, PlanKind, TensorSpec
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.trt.engine import TensorRTEngine

SCHEDULES = ["late", "early", *range(6)]
PICTURE, MAPS = levels(1, 3, SIZE, SIZE, seed=1), levels(1, CHANNELS, SIZE, SIZE, seed=2)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with plan_machine(tmp_path) as made:
        yield made


def conditions(count: int, seed: int) -> np.ndarray:
    return levels(count, CHANNELS, SIZE, SIZE, seed=seed + 100)


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_frames_in_flight_are_those_that_were_submitted(
    tmp_path: Path, schedule: str | int, graphs: bool
) -> None:
    with (
        plan_machine(tmp_path, World(schedule)) as machine,
        TensorRTEngine(machine.path, cuda_graphs=graphs) as engine,
    ):
        exemplars = [(PICTURE, MAPS), (255 - PICTURE, MAPS)]
        encoded = [engine.encode_exemplar(*exemplar) for exemplar in exemplars]
        waiting = []
        for turn in range(9):
            given = conditions(2, turn)
            wanted = expected(machine.manifest, *exemplars[turn // 3 % 2], given)
            waiting.append((engine.submit(encoded[turn // 3 % 2], given), wanted))
            given[:] = 0
            if len(waiting) > 2:
                pending, wanted = waiting.pop(0)
                np.testing.assert_array_equal(pending.result(), wanted)
        for pending, wanted in reversed(waiting):
            np.testing.assert_array_equal(pending.result(), wanted)
            np.testing.assert_array_equal(pending.result(), wanted)
        assert ("cuGraphLaunch" in machine.world.calls) is graphs


def test_copies_of_neighbouring_frames_are_given_to_streams_of_their_own(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        engine.render(encoded, conditions(1, 0))
        machine.world.calls.clear()
        pending = [engine.submit(encoded, conditions(1, turn)) for turn in range(2)]
        busy = [stream for stream in machine.world.streams.values() if stream.queue]
        assert len(busy) == 3
        assert not {"event.synchronize", "stream.synchronize"} & set(machine.world.calls)
        for each in pending:
            each.result()


def test_a_graph_is_captured_once_for_each_slot_and_exemplar_and_then_launched(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        encoded = [engine.encode_exemplar(PICTURE, MAPS) for _ in range(2)]
        for turn in range(12):
            engine.render(encoded[turn % 2], conditions(1, turn))
        calls = machine.world.calls
        # Two encodings, the frame that sets the context up, and the captures.
        assert calls.count("cuStreamBeginCapture") <= 4
        assert calls.count("execute_async_v3") == 3 + calls.count("cuStreamBeginCapture")
        assert calls.count("cuGraphLaunch") == 11


@pytest.mark.parametrize("refusal", ["plan", "cuda", "bindings"])
def test_refused_capture_is_said_once_and_frames_are_rendered_all_the_same(
    machine: Machine, refusal: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refusal == "plan":
        machine.failures.in_capture = "this layer cannot be captured"
    elif refusal == "cuda":
        machine.world.refuse_capture = True
    else:
        monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with TensorRTEngine(machine.path) as engine, caplog.at_level(logging.WARNING):
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        for turn in range(6):
            given = conditions(1 + turn % 2, turn)
            np.testing.assert_array_equal(
                engine.submit(encoded, given).result(), expected(machine.manifest, PICTURE, MAPS, given)
            )
    (said,) = [record.getMessage() for record in caplog.records if "CUDA graphs" in record.getMessage()]
    reason = {"plan": "this layer cannot", "cuda": "INVALIDATED", "bindings": "pip install cuda-bindings"}[
        refusal
    ]
    assert reason in said
    assert machine.world.calls.count("cuGraphLaunch") == 0


def test_images_are_float_unless_they_are_taken_as_the_plan_makes_them(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE / np.float32(127.5) - 1, MAPS / np.float32(255))
        given = conditions(3, 0)
        whole = expected(machine.manifest, PICTURE, MAPS, given)
        image = engine.render(encoded, given / np.float32(255))
        assert image.dtype == np.float32
        np.testing.assert_allclose((image + 1) * 127.5, whole, atol=1e-4)


def test_a_plan_of_floats_gets_floats(tmp_path: Path) -> None:
    inputs = (
        TensorSpec("exemplar", "float32", (1, 3, SIZE, SIZE)),
        TensorSpec("exemplar_condition", "float32", (1, CHANNELS, SIZE, SIZE)),
    )
    with (
        plan_machine(
            tmp_path,
            encoder_inputs=inputs,
            renderer_inputs=(TensorSpec("condition", "float32", (-1, CHANNELS, SIZE, SIZE)), *CUTS),
            renderer_outputs=(TensorSpec("image", "float32", (-1, 3, SIZE, SIZE)),),
        ) as machine,
        TensorRTEngine(machine.path) as engine,
    ):
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        first, second = (engine.render(encoded, conditions(1, 0) // scale) for scale in (1, 2))
        assert first.dtype == np.float32
        assert not np.array_equal(first, second)


def test_each_condition_may_have_its_own_exemplar(machine: Machine) -> None:
    pictures, maps, given = levels(6, 3, SIZE, SIZE), levels(6, CHANNELS, SIZE, SIZE), conditions(6, 0)
    with TensorRTEngine(machine.path) as engine:
        images = engine.submit(engine.encode_exemplar(pictures, maps), given).result()
        for index in range(6):
            part = slice(index, index + 1)
            wanted = expected(machine.manifest, pictures[part], maps[part], given[part])
            np.testing.assert_array_equal(images[part], wanted)


def test_fewer_frames_than_the_plan_takes_are_filled_up(tmp_path: Path) -> None:
    with plan_machine(tmp_path, batch=BatchSizes(3, 3, 4)) as machine, TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        for count in (1, 3, 2, 4):
            given = conditions(count, count)
            images = engine.submit(encoded, given).result()
            np.testing.assert_array_equal(images, expected(machine.manifest, PICTURE, MAPS, given))
        with pytest.raises(DynastError, match=r"renders 4 frames at once, and 5 were given.*--batch 3,3,5"):
            engine.render(encoded, conditions(5, 0))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_threads_render_at_once_and_leave_their_contexts_to_the_next(
    tmp_path: Path, schedule: str | int
) -> None:
    failed: list[BaseException] = []
    with plan_machine(tmp_path, World(schedule)) as machine, TensorRTEngine(machine.path) as engine:
        encoded = engine.encode_exemplar(PICTURE, MAPS)
        together = threading.Barrier(3)

        def work(seed: int) -> None:
            try:
                together.wait(20)
                own = engine.encode_exemplar(PICTURE // (seed + 2), MAPS)
                for turn in range(3):
                    given = conditions(1, seed * 10 + turn)
                    for exemplar, picture in ((encoded, PICTURE), (own, PICTURE // (seed + 2))):
                        images = engine.submit(exemplar, given).result()
                        np.testing.assert_array_equal(
                            images, expected(machine.manifest, picture, MAPS, given)
                        )
                together.wait(20)
            except BaseException as error:
                failed.append(error)

        for _ in range(2):
            threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not failed
        contexts = [kind for kind, _ in machine.world.living if kind == "execution context"]
        assert len(contexts) == 1 + 3  # the encoder's, and one for each thread that was there at once
        assert len(engine._parts._lanes) == 3


def test_a_result_may_be_taken_in_another_thread(machine: Machine) -> None:
    with TensorRTEngine(machine.path) as engine:
        pending = engine.submit(engine.encode_exemplar(PICTURE, MAPS), conditions(1, 0))
        taken: list[np.ndarray] = []
        thread = threading.Thread(target=lambda: taken.append(pending.result()))
        thread.start()
        thread.join()
        np.testing.assert_array_equal(taken[0], expected(machine.manifest, PICTURE, MAPS, conditions(1, 0)))


def test_rtx_plans_run_on_their_own_library(tmp_path: Path) -> None:
    with (
        plan_machine(tmp_path, kind=PlanKind.TENSORRT_RTX, compute_capabilities=("8.6", "8.9")) as machine,
        TensorRTEngine(machine.path) as engine,
    ):
        assert engine.info.backend == "tensorrt-rtx"
        image = engine.submit(engine.encode_exemplar(PICTURE, MAPS), MAPS).result()
        np.testing.assert_array_equal(image, expected(machine.manifest, PICTURE, MAPS, MAPS))


def test_load_engine_takes_plans(machine: Machine) -> None:
    engine = load_engine(machine.path)
    assert (engine.info.backend, engine.info.device, engine.info.channels) == ("tensorrt", "cuda", CHANNELS)
    del engine
    with pytest.raises(DynastError, match=r"a plan runs on an NVIDIA GPU alone; use the \.onnx engine"):
        load_engine(machine.path, "cpu")
