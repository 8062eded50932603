"""The loop over a video knows sources and sinks by what they do: any class that does it will serve."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest
from checkout import ROOT
from tiny_engine import write_tiny_engine
from video_clips import write_clip

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.media.frame_source import Frame, Policy, SoundSource, SourceEnd
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.engine import Engine
from dynast_deploy.runtime.pipeline.compose import Composer
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.runtime.pipeline.render_video import render_video
from dynast_deploy.runtime.pipeline.report import Report
from dynast_deploy.size import Size

SIZE = Size(24, 40)


class Noise:
    """A source that is not a file: pictures of noise from memory, and an error after them if one is given."""

    name = origin = "noise"
    path = None
    size = SIZE
    frame_count = None
    counts_frames = False
    rate = Fraction(25)
    time_base = Fraction(1, 90_000)
    left_out: list[str] = []  # noqa: RUF012
    damaged = 0
    warning = None

    def __init__(self, count: int, policy: Policy = Policy.WAIT, fault: str | None = None) -> None:
        self.count, self.policy, self.fault = count, policy, fault
        self.metadata = self.stream_metadata = dict[str, str]()
        self.end: SourceEnd | None = None

    def open_sound(self) -> list[SoundSource]:
        return []

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            picture = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8)
            yield Frame(picture, Fraction(index, 25), Fraction(1, 25), index, captured=100.0 + index)
        if self.fault is not None:
            self.end = SourceEnd.LOST
            raise DynastError(self.fault)
        self.end = SourceEnd.COMPLETE

    def close(self) -> None: ...

    def __enter__(self) -> Noise:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Seen:
    """A sink that is not a file: what was written stays in memory."""

    outputs = ()
    note = None

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []
        self.stamps: list[tuple[Fraction | None, Fraction | None, float | None]] = []
        self.ended: list[str] = []

    @property
    def frames(self) -> int:
        return len(self.pictures)

    @property
    def is_open(self) -> bool:
        return not self.ended

    def write(
        self,
        picture: np.ndarray,
        time: Fraction | None = None,
        duration: Fraction | None = None,
        captured: float | None = None,
    ) -> None:
        self.pictures.append(picture)
        self.stamps.append((time, duration, captured))

    def finish(self, *, cut_sound: bool = False) -> None:
        if self.is_open:
            self.ended.append("cut" if cut_sound else "whole")

    def abort(self) -> None:
        if self.is_open:
            self.ended.append("aborted")

    def __enter__(self) -> Seen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return load_engine(write_tiny_engine(tmp_path_factory.mktemp("engine"), 3), "cpu")


def render(engine: Engine, source: Noise, sink: Seen) -> Report:
    drawer = ConditionDrawer(Task.STYLE, engine.info.size)
    exemplar = np.random.default_rng(9).integers(0, 256, (32, 32, 3), np.uint8)
    encoded = engine.encode_exemplar(*drawer.exemplar(exemplar, "noise"))

    def open_sink(size: Size) -> Seen:
        assert size == Size(19, 32)
        return sink

    return render_video(engine, encoded, drawer, Composer(drawer, None), source, open_sink, batch=2)


def test_every_frame_arrives_with_its_times_and_nothing_is_a_file(engine: Engine) -> None:
    sink = Seen()
    report = render(engine, Noise(7), sink)
    assert (report.frames, report.whole, report.outputs, report.failures) == (7, True, (), ())
    assert sink.stamps == [(Fraction(i, 25), Fraction(1, 25), 100.0 + i) for i in range(7)]
    assert {picture.shape for picture in sink.pictures} == {(19, 32, 3)}
    assert sink.ended == ["whole"]


def test_a_source_that_is_lost_keeps_the_frames_before_and_is_a_failure(engine: Engine) -> None:
    sink = Seen()
    report = render(engine, Noise(4, fault="noise: gone for good"), sink)
    assert (report.frames, report.whole, report.failures) == (4, False, ("noise: gone for good",))
    assert sink.ended == ["cut"]


def test_a_source_that_is_lost_before_its_first_frame_leaves_nothing(engine: Engine) -> None:
    sink = Seen()
    with pytest.raises(DynastError, match="gone for good"):
        render(engine, Noise(0, fault="noise: gone for good"), sink)
    assert sink.ended == ["aborted"]


def test_of_a_live_source_every_frame_is_shown_or_counted_as_dropped(engine: Engine) -> None:
    sink = Seen()
    report = render(engine, Noise(200, Policy.NEWEST), sink)
    dropped = sum(int(note.split(" ", 1)[0]) for note in report.notes)
    assert report.frames + dropped == 200
    captured = [stamp[2] for stamp in sink.stamps]
    assert captured == sorted(captured)
    assert captured[-1] == 299.0, "the newest frame is never the one that is dropped"


@pytest.mark.parametrize(("cut", "end"), [(0, SourceEnd.COMPLETE), (9000, SourceEnd.INCOMPLETE)])
def test_a_video_file_says_why_it_ended(tmp_path: Path, cut: int, end: SourceEnd) -> None:
    path = tmp_path / "a.mkv"
    write_clip(path, times=[3003 * number for number in range(20)])
    path.write_bytes(path.read_bytes()[: -cut or None])
    with VideoReader(path) as reader:
        assert reader.end is None
        assert list(reader)
        assert reader.end is end


def test_the_loops_name_no_reader_and_no_writer() -> None:
    concrete = {"video_reader", "video_writer", "picture_files", "picture_set", "sound_file"}
    for module in ("render_video", "render_pictures", "frame_loop", "absence", "compose"):
        tree = ast.parse((ROOT / "runtime" / "pipeline" / f"{module}.py").read_text())
        named = {node.module.split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not named & concrete, module
