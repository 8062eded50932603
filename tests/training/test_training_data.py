"""Samples of the shipped sources: what they hold, that a number determines them, and how they are dealt out."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from checkout import TESTS

torch = pytest.importorskip("torch")

from dynast_deploy.conditions import tensor_picture  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.data import (  # noqa: E402
    Sample,
    SampleStream,
    drawn_faces,
    marionette_poses,
    stream_batches,
)
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.tasks.training_data import SHIPPED, training_data  # noqa: E402
from dynast_deploy.training.contact_sheet import warp_by_correspondence  # noqa: E402

SIZE = 48


@pytest.fixture(scope="module", autouse=True)
def _small_canvas() -> Iterator[None]:
    """Pictures are drawn with an eighth of the pixels."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (drawn_faces, marionette_poses):
            patch.setattr(module, "CANVAS", 96)
        yield


@pytest.fixture(scope="module")
def streams() -> dict[Task, SampleStream]:
    return {task: training_data(task, None, SIZE, seed=4) for task in Task}


def same(one: Sample, other: Sample) -> bool:
    assert one.keys() == other.keys()
    return all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]  # type: ignore[literal-required]
        for name, value in one.items()
    )


@pytest.mark.parametrize("task", list(Task))
def test_a_sample_is_what_the_generator_takes(task: Task, streams: dict[Task, SampleStream]) -> None:
    for sample in (streams[task][0], streams[task][7]):
        for name in ("condition", "exemplar_condition"):
            condition = sample[name]  # type: ignore[literal-required]
            assert condition.shape == (task.semantic_nc, SIZE, SIZE)
            assert 0 <= condition.min() < condition.max() <= 1
        for name in ("target", "exemplar"):
            picture = sample[name]  # type: ignore[literal-required]
            assert picture.shape == (3, SIZE, SIZE)
            assert -1 <= picture.min() < picture.max() <= 1
        assert sample["correspondence"].shape == (3, SIZE, SIZE)
        assert all(value.dtype == torch.float32 for name, value in sample.items() if name.endswith("t"))
        assert sample["same_identity"].dtype == torch.bool
        assert bool(sample["same_identity"]) == (task is not Task.STYLE)
        assert not torch.equal(sample["exemplar"], sample["target"])
        assert sample["name"]
        assert sample["skipped"] == ""


@pytest.mark.parametrize("task", list(Task))
def test_the_number_alone_determines_a_sample(task: Task, streams: dict[Task, SampleStream]) -> None:
    stream = streams[task]
    stream[0]
    later = stream[7]
    assert same(training_data(task, SHIPPED[task], SIZE, seed=4)[7], later)
    assert same(pickle.loads(pickle.dumps(stream))[7], later)
    assert not same(stream[0], later)
    assert training_data(task, None, SIZE, seed=5)[7]["name"] != later["name"]


@pytest.mark.parametrize("task", [Task.POSE, Task.FACE])
def test_the_true_correspondence_takes_the_exemplar_to_the_target(
    task: Task,
) -> None:
    size = 96
    stream = training_data(task, None, size, seed=4)
    for sample in (stream[0], stream[7]):
        correspondence = sample["correspondence"].numpy()
        visible = correspondence[2] > 0
        assert visible.mean() > 0.05
        exemplar, target = (tensor_picture(sample[name].numpy()) for name in ("exemplar", "target"))  # type: ignore[literal-required]
        matched = warp_by_correspondence(exemplar, correspondence)
        error = np.abs(matched.astype(float) - target)[visible].mean()
        unmoved = np.abs(exemplar.astype(float) - target)[visible].mean()
        assert error < 20
        assert error < 0.5 * unmoved
        # The same surface point is seen at both ends, but for what lies between pixels.
        column, row = ((correspondence[k][visible] * size).astype(int) for k in (0, 1))
        there = sample["exemplar_surface"].numpy()[:, row, column]
        here = sample["target_surface"].numpy()[:, visible]
        assert (there[:6] == here[:6]).all(axis=0).mean() > 0.9
        assert np.median(np.abs(there[6:8] - here[6:8])) < 0.05


def test_held_out_identities_are_never_trained_on() -> None:
    for task in Task:
        for held_out in (False, True):
            stream = training_data(task, None, SIZE, seed=1, held_out=held_out)
            numbers = [
                int(word.strip(",")) for word in stream[3]["name"].split() if word.strip(",").isdecimal()
            ]
            seeds = [number for number in numbers if number > 9]
            assert seeds
            assert all((seed >= 1_000_000) == held_out for seed in seeds)


class Numbers(SampleStream):
    """Samples that only say their number."""

    def __getitem__(self, index: int) -> Sample:
        return {"target": torch.tensor([index]), "name": str(index)}  # type: ignore[typeddict-item]


class Threads(SampleStream):
    """Samples that say with how many threads they are drawn."""

    def __getitem__(self, index: int) -> Sample:
        # Work that OpenCV divides among its threads, if it has any.
        cv2.GaussianBlur(np.zeros((512, 512, 3), np.uint8), (31, 31), 0)
        return {"target": torch.tensor(cv2.getNumThreads())}  # type: ignore[typeddict-item]


def test_workers_draw_with_one_thread_where_opencv_used_several_before() -> None:
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((512, 512, 3), np.uint8), (31, 31), 0)
    batch = next(iter(stream_batches(Threads(), batch=2, workers=1)))
    assert batch["target"].tolist() == [1, 1]


class Processes(SampleStream):
    """Samples that say which process drew them."""

    def __getitem__(self, index: int) -> Sample:
        return {"target": torch.tensor(os.getpid())}  # type: ignore[typeddict-item]


def test_workers_outlive_the_signals_of_others_and_end_when_their_owner_does() -> None:
    code = """
import os, signal, subprocess, sys
sys.path[:0] = sys.argv[1:]
from test_training_data import Processes
from dynast_deploy.data import stream_batches
batches = iter(stream_batches(Processes(), batch=1, workers=1))
worker = next(batches)["target"].item()
for name in ("TERM", "INT"):
    subprocess.run(["kill", f"-{name}", str(worker)], check=True)
assert [next(batches)["target"].item() for _ in range(20)] == [worker] * 20
sys.kept = batches  # as a traceback keeps what a failing step had
print(worker, flush=True)
"""
    here = [str(TESTS / "training"), str(TESTS / "support")]
    done = subprocess.run(
        [sys.executable, "-c", code, *here], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def numbers(**how: int) -> list[list[int]]:
    batches = islice(stream_batches(Numbers(), **how), 3)  # type: ignore[arg-type]
    return [batch["target"].flatten().tolist() for batch in batches]


def test_batches_go_on_from_any_step() -> None:
    assert numbers(batch=2) == [[0, 1], [2, 3], [4, 5]]
    assert numbers(batch=2, first=2) == [[4, 5], [6, 7], [8, 9]]
    assert numbers(batch=2, first=2, workers=2) == numbers(batch=2, first=2)


def test_processes_together_see_what_one_would() -> None:
    whole = numbers(batch=4, first=1)
    shares = [numbers(batch=2, first=1, rank=rank, world=2) for rank in (0, 1)]
    assert [left + right for left, right in zip(*shares, strict=True)] == whole


def test_a_source_that_is_neither_shipped_nor_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=r"nowhere: no such folder; give one, or marionette"):
        training_data(Task.POSE, tmp_path / "nowhere", 64, 0)
    with pytest.raises(DynastError, match=r"drawn-faces shows no conditions of pose; .* marionette"):
        training_data(Task.POSE, "drawn-faces", 64, 0)
