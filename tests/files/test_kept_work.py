"""What `dynast-run` keeps where it is stopped, or where something is wrong in mid-run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_command import dynast_run, files, frames_of, job, only_error
from tiny_engine import write_tiny_engine

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, read_poses, write_poses
from dynast_deploy.media import picture_set
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine
from dynast_deploy.size import Size
from dynast_deploy.stop_request import SIGNALS

FRAMES = 12


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an engine that draws from poses, a clip, an exemplar and a pose for each."""
    folder = tmp_path_factory.mktemp("kept")
    write_tiny_engine(folder)
    rng = np.random.default_rng(0)
    with VideoWriter(folder / "drive.mp4", Size(64, 64), 25) as writer:
        for _ in range(FRAMES):
            writer.write(rng.integers(0, 256, (64, 64, 3), np.uint8))
    write_picture(folder / "ref.png", rng.integers(0, 256, (64, 64, 3), np.uint8))
    points = np.concatenate([rng.uniform(8, 56, (FRAMES, 18, 2)), np.ones((FRAMES, 18, 1))], axis=2)
    write_poses(folder / "drive.poses.npz", Poses(points.astype(np.float32)))
    write_poses(folder / "ref.poses.npz", Poses(points[:1].astype(np.float32)))
    return folder


@pytest.fixture
def work(media: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(media, tmp_path / "work"))


def during_frame(monkeypatch: pytest.MonkeyPatch, frame: int, happens: Callable[[], object]) -> None:
    """Have something happen while the engine renders that frame."""
    render = OnnxRuntimeEngine.render_bytes
    calls: list[int] = []

    def rendering(self: OnnxRuntimeEngine, *arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == frame:
            happens()
        return render(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxRuntimeEngine, "render_bytes", rendering)


@pytest.fixture
def heard() -> object:
    """Signals are heard even where whoever started the tests ignores them."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_keeps_the_frames_that_were_done(
    work: Path, monkeypatch, capsys, heard, number: signal.Signals
) -> None:
    # A terminal that closes sends it twice.
    during_frame(monkeypatch, 5, lambda: [os.kill(os.getpid(), number) for _ in range(2)])
    assert dynast_run(monkeypatch, *job(work, save_poses=work / "used.npz")) == 128 + number
    assert len(frames_of(work / "drive.dynast.mp4")) == 5
    assert len(read_poses(work / "used.npz")) == 5
    assert "stopped early; what was done is kept in" in capsys.readouterr().err
    assert not [name for name in files(work) if name.startswith(".")]


def test_an_earlier_video_is_not_replaced_by_a_part(work: Path, monkeypatch, capsys, heard) -> None:
    (work / "drive.dynast.mp4").write_bytes(b"an earlier result")
    shutil.copy(work / "ref.poses.npz", work / "used.npz")
    for name in ("drive.dynast.partial.mp4", "drive.dynast.partial-2.mp4"):
        during_frame(monkeypatch, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert dynast_run(monkeypatch, *job(work, save_poses=work / "used.npz")) == 130
        assert len(frames_of(work / name)) >= 1
        printed = capsys.readouterr()
        assert f"{work / name} (" in printed.out
        assert f"{work / 'drive.dynast.mp4'} stays as it was" in printed.err
        monkeypatch.undo()
    assert (work / "drive.dynast.mp4").read_bytes() == b"an earlier result"
    assert len(read_poses(work / "used.npz")) == 1
    assert len(read_poses(work / "used.partial.npz")) >= 1


def test_a_folder_that_is_removed_or_renamed_loses_no_frame(work: Path, monkeypatch, capsys) -> None:
    for change in (shutil.rmtree, lambda folder: folder.rename(work / "moved")):
        out = work / "out"
        out.mkdir()
        during_frame(monkeypatch, 3, lambda change=change, out=out: change(out))
        assert dynast_run(monkeypatch, *job(work, output=out / "o.mp4")) == 0
        printed = Path(capsys.readouterr().out.rsplit(" (", 1)[0])
        assert len(frames_of(printed)) == FRAMES
        monkeypatch.undo()
        shutil.rmtree(out, ignore_errors=True)


def without_a_count(path: Path) -> Path:
    """The same frames in a file that tells neither their number nor its length: a recording that was streamed."""
    import av

    with VideoReader(path) as reader:
        frames = list(reader)
    target = path.with_suffix(".mkv")
    with av.open(str(target), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.picture, format="rgb24")))
        container.mux(stream.encode(None))
    return target


@pytest.mark.parametrize(("poses", "frames"), [(FRAMES - 1, FRAMES - 1), (FRAMES + 1, FRAMES)])
def test_poses_that_turn_out_too_few_or_too_many_leave_the_rendering(
    work: Path, monkeypatch, capsys, poses: int, frames: int
) -> None:
    keypoints = read_poses(work / "drive.poses.npz").keypoints
    write_poses(work / "drive.poses.npz", Poses(np.concatenate([keypoints, keypoints])[:poses]))
    # As for a file that does not tell how many frames it holds.
    monkeypatch.setattr(
        "dynast_deploy.runtime.pipeline.absence.check_count_early", lambda drawer, source: None
    )
    assert dynast_run(monkeypatch, *job(work, video=without_a_count(work / "drive.mp4"))) == 1
    assert len(frames_of(work / "drive.dynast.mkv")) == frames
    assert f"holds {poses} poses" in only_error(capsys.readouterr().err)


@pytest.fixture
def photos(work: Path) -> Path:
    """A folder of five pictures, the third cut short and the fourth without a person."""
    folder = work / "photos"
    folder.mkdir()
    for number in range(5):
        shutil.copy(work / "ref.png", folder / f"{number}.png")
        shutil.copy(work / "ref.poses.npz", folder / f"{number}.poses.npz")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:3000])
    write_poses(folder / "3.poses.npz", Poses(np.zeros((1, 18, 3), np.float32)))
    return folder


def test_a_bad_picture_does_not_end_the_others(work: Path, photos: Path, monkeypatch, capsys) -> None:
    arguments = job(work, video=None, images=photos, save_poses=work / "used.npz", batch=2)
    assert dynast_run(monkeypatch, *arguments) == 1
    assert files(work / "photos.dynast") == {"0.png", "1.png", "4.png"}
    printed = capsys.readouterr()
    assert printed.out.startswith("3 pictures: in ")
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "2.png" in errors[0]
    assert "3.png: no person detected" in errors[1]
    # One row a picture, so that they can be given back with --poses.
    assert np.isnan(read_poses(work / "used.npz").keypoints[:, 0, 0]).tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_disk_that_fills_up_keeps_the_pictures_before(
    work: Path, photos: Path, monkeypatch, capsys
) -> None:
    real = picture_set.write_picture

    def write(path: Path, picture: np.ndarray) -> None:
        if path.name == "4.png":
            raise DynastError(f"{path} cannot be written: the disk is full")
        real(path, picture)

    monkeypatch.setattr(picture_set, "write_picture", write)
    arguments = job(work, video=None, images=photos, save_poses=work / "used.npz")
    assert dynast_run(monkeypatch, *arguments) == 1
    assert files(work / "photos.dynast") == {"0.png", "1.png"}
    printed = capsys.readouterr()
    assert printed.out.startswith("2 pictures: in ")
    assert "error: " + str(work / "photos.dynast" / "4.png") + " cannot be written" in printed.err
    assert len(read_poses(work / "used.npz").keypoints) == 4  # with those of the two bad ones


def test_strict_ends_at_the_first_bad_picture_and_keeps_those_before(
    work: Path, photos: Path, monkeypatch
) -> None:
    assert dynast_run(monkeypatch, *job(work, video=None, images=photos, batch=4), "--strict") == 1
    assert files(work / "photos.dynast") == {"0.png", "1.png"}


def test_pictures_none_of_which_can_be_rendered_are_a_mistake(
    work: Path, photos: Path, monkeypatch, capsys
) -> None:
    for name in ("0.png", "1.png", "4.png"):
        (photos / name).unlink()
    before = files(work)
    assert dynast_run(monkeypatch, *job(work, video=None, images=photos)) == 2
    assert "and 1 more pictures cannot be rendered" in only_error(capsys.readouterr().err)
    assert files(work) == before


def test_pictures_are_not_rendered_onto_themselves(work: Path, photos: Path, monkeypatch, capsys) -> None:
    before = {path: path.read_bytes() for path in photos.iterdir()}
    (work / "link").symlink_to(photos)
    for arguments in (
        job(work, video=None, images=photos, output=photos),
        job(work, video=None, images=photos, output=work / "link"),
        job(work, video=None, images=photos / "0.png", output=work / "link" / "0.png"),
        job(work, video=None, images=photos / "0.png", output=work / "ref.png"),
        job(work, save_poses=work / "drive.poses.npz"),
        job(work, save_poses=work / "ref.poses.npz"),
        job(work, save_poses=work / "no" / "used.npz"),
    ):
        assert dynast_run(monkeypatch, *arguments) == 2
        only_error(capsys.readouterr().err)
    assert {path: path.read_bytes() for path in photos.iterdir()} == before


def test_a_name_as_long_as_a_name_can_be(work: Path, monkeypatch, capsys) -> None:
    long = "é" * 125
    shutil.move(work / "drive.mp4", work / f"{long}.mp4")
    shutil.copy(work / "ref.png", work / f"{long}.png")
    poses = {"poses": work / "drive.poses.npz"}
    assert dynast_run(monkeypatch, *job(work, video=work / f"{long}.mp4", **poses)) == 0
    assert len(frames_of(Path(capsys.readouterr().out.rsplit(" (", 1)[0]))) == FRAMES
    arguments = job(work, video=None, images=work / f"{long}.png", poses=work / "ref.poses.npz")
    assert dynast_run(monkeypatch, *arguments) == 0
    assert read_picture(Path(capsys.readouterr().out.strip().split(": ")[1])).shape == (32, 32, 3)
    assert dynast_run(monkeypatch, *job(work, video=work / f"{long * 2}.mp4")) == 2
    only_error(capsys.readouterr().err)
