"""`dynast-run` from the command line to the written file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from checkout import DATA
from run_command import FRAMES, dynast_run, files, frames_of, job, without_people
from tiny_engine import write_tiny_checkpoint, write_tiny_engine
from video_clips import AUDIO_RATE, jittered_times, sound_packets, sound_samples, write_clip

from dynast_deploy.commands import run
from dynast_deploy.condition_options import Fit
from dynast_deploy.conditions.canvas import Canvas
from dynast_deploy.keypoints import Poses, read_poses, write_poses
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine
from dynast_deploy.runtime.pipeline.job_files import default_video_output
from dynast_deploy.size import Size


def test_the_video_is_rendered_next_to_the_input(work: Path, monkeypatch, capsys) -> None:
    before = files(work)
    assert dynast_run(monkeypatch, *job(work)) == 0
    assert files(work) - before == {"drive.dynast.mp4"}
    assert capsys.readouterr().out == f"{work / 'drive.dynast.mp4'} ({FRAMES} frames)\n"
    with VideoReader(work / "drive.dynast.mp4") as out, VideoReader(work / "drive.mp4") as source:
        assert out.size == Size(32, 32)
        assert [frame.time for frame in out] == [frame.time for frame in source]


def test_the_frames_are_what_the_engine_renders(work: Path, monkeypatch) -> None:
    dynast_run(monkeypatch, *job(work, output=work / "out.mkv"))
    from dynast_deploy.conditions import picture_tensor, pose_condition, tensor_picture

    engine = load_engine(work / "tiny20.onnx")
    poses = [read_poses(work / name).keypoints for name in ("drive.poses.npz", "ref.poses.npz")]
    conditions = [pose_condition(pose, (64, 64), 32) for pose in (*poses[0], *poses[1])]
    exemplar = engine.encode_exemplar(
        picture_tensor(read_picture(work / "ref.png"), 32)[None], conditions[-1][None]
    )
    expected = [tensor_picture(image) for image in engine.render(exemplar, np.stack(conditions[:-1]))]
    found = frames_of(work / "out.mkv")
    assert len(found) == FRAMES
    for frame, picture in zip(found, expected, strict=True):
        # H.264 halves the resolution of colour, which random weights give without mercy.
        assert np.abs(frame.mean((0, 1)) - picture.mean((0, 1))).max() < 4
        luma = np.array([0.2126, 0.7152, 0.0722])
        assert np.abs(frame @ luma - picture @ luma).mean() < 8


@pytest.mark.parametrize("batch", [2, 3, 100])
def test_batches_give_the_same_video(work: Path, monkeypatch, batch: int) -> None:
    dynast_run(monkeypatch, *job(work, output=work / "one.mkv"))
    dynast_run(monkeypatch, *job(work, output=work / "many.mkv", batch=batch))
    for one, many in zip(frames_of(work / "one.mkv"), frames_of(work / "many.mkv"), strict=True):
        assert np.abs(one.astype(int) - many).max() <= 4


def test_a_checkpoint_runs_as_the_reference(work: Path, monkeypatch) -> None:
    assert dynast_run(monkeypatch, *job(work, engine=write_tiny_checkpoint(work / "tiny.pth"))) == 0
    assert len(frames_of(work / "drive.dynast.mp4")) == FRAMES


def test_side_by_side_shows_exemplar_driver_and_result(work: Path, monkeypatch) -> None:
    assert dynast_run(monkeypatch, *job(work), "--side-by-side") == 0
    assert frames_of(work / "drive.dynast.mp4")[0].shape == (32, 96, 3)


def test_saved_poses_can_be_used_again(work: Path, monkeypatch) -> None:
    assert dynast_run(monkeypatch, *job(work, save_poses=work / "used.npz")) == 0
    used, given = read_poses(work / "used.npz"), read_poses(work / "drive.poses.npz")
    np.testing.assert_allclose(used.keypoints, given.keypoints)
    assert used.picture_size == Size(64, 64)
    assert dynast_run(monkeypatch, *job(work, poses=work / "used.npz")) == 0


def test_pictures_are_rendered_next_to_their_folder(work: Path, monkeypatch) -> None:
    (work / "photos").mkdir()
    for name in ("ref.png", "ref.poses.npz"):
        shutil.copy(work / name, work / "photos" / name)
    arguments = job(work, video=None, images=work / "photos")
    assert dynast_run(monkeypatch, *arguments) == 0
    assert files(work / "photos.dynast") == {"ref.png"}
    assert read_picture(work / "photos.dynast" / "ref.png").shape == (32, 32, 3)
    assert (
        dynast_run(monkeypatch, *job(work, video=None), "--images", work / "ref.png", "-o", work / "one.png")
        == 0
    )
    assert np.array_equal(read_picture(work / "one.png"), read_picture(work / "photos.dynast" / "ref.png"))


def test_several_pictures_may_follow_images(work: Path, monkeypatch) -> None:
    for name in ("a", "b"):
        shutil.copy(work / "ref.png", work / f"{name}.png")
    write_poses(work / "both.npz", Poses(np.repeat(read_poses(work / "ref.poses.npz").keypoints, 2, 0)))
    images = ["--images", work / "a.png", work / "b.png", "--poses", work / "both.npz"]
    assert dynast_run(monkeypatch, *job(work, video=None), *images) == 0
    assert {"a.dynast.png", "b.dynast.png"} <= files(work)


def test_a_tall_video_comes_back_tall(work: Path, monkeypatch) -> None:
    with VideoWriter(work / "tall.mp4", Size(64, 36), 25) as writer:
        writer.write(np.zeros((64, 36, 3), np.uint8))
    write_poses(work / "tall.poses.npz", Poses(read_poses(work / "ref.poses.npz").keypoints / [2, 1, 1]))
    assert dynast_run(monkeypatch, *job(work, video=work / "tall.mp4")) == 0
    height, width = Canvas.around(Size(64, 36), Size(32, 32), Fit.PAD).result_size(Size(32, 32))
    assert frames_of(work / "tall.dynast.mp4")[0].shape[:2] == (height, width) == (32, 18)


def test_frames_without_a_person_keep_the_pose_before(work: Path, monkeypatch, capsys) -> None:
    without_people(work / "drive.poses.npz", 3, 4)
    assert dynast_run(monkeypatch, *job(work)) == 0
    assert "no person detected in 2 frames: 2 kept the pose before" in capsys.readouterr().err
    found = frames_of(work / "drive.dynast.mp4")
    assert np.abs(found[2].astype(int) - found[4]).mean() < np.abs(found[2].astype(int) - found[5]).mean()


def test_a_cut_video_renders_what_is_there(work: Path, monkeypatch, capsys) -> None:
    with (
        VideoReader(work / "drive.mp4") as reader,
        VideoWriter(work / "long.mkv", Size(64, 64), reader) as writer,
    ):
        for repeat in range(12):
            for picture in frames_of(work / "drive.mp4"):
                time = Fraction(writer.frames, 25)
                writer.write(np.roll(picture, repeat * 3, 1), time, Fraction(1, 25))
    whole = (work / "long.mkv").read_bytes()
    (work / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    poses = Poses(np.tile(read_poses(work / "drive.poses.npz").keypoints, (12, 1, 1)))
    write_poses(work / "cut.poses.npz", poses)
    assert dynast_run(monkeypatch, *job(work, video=work / "cut.mkv")) == 0
    assert "before its stated length" in capsys.readouterr().err
    assert 0 < len(frames_of(work / "cut.dynast.mkv")) < 12 * FRAMES


def test_keypoints_of_a_trimmed_video_are_those_of_the_frames_it_shows(work: Path, monkeypatch) -> None:
    video = Path(shutil.copy(DATA / "videos" / "trim.mp4", work))
    poses = np.tile(read_poses(work / "drive.poses.npz").keypoints, (37, 1, 1))[:37]
    write_poses(work / "trim.poses.npz", Poses(poses))
    assert dynast_run(monkeypatch, *job(work, video=video)) == 0
    assert len(frames_of(work / "trim.dynast.mp4")) == 37


@pytest.mark.parametrize(
    ("name", "sound", "codec", "rotation"),
    [
        ("phone.mp4", "aac", "libx264", 90),
        ("clip.webm", "libopus", "libvpx-vp9", 0),
        ("clip.mkv", "pcm_s16le", "libx264", 0),
        ("clip.ts", "aac", "libx264", 0),
    ],
)
def test_every_container_keeps_times_sound_and_the_way_up(
    work: Path,
    monkeypatch,
    name: str,
    sound: str,
    codec: str,
    rotation: int,
) -> None:
    clip = work / name
    seconds = 10 if rotation else 2
    start = Fraction(7, 5) if name.endswith(".ts") else Fraction(0)
    times = jittered_times(round(seconds * 29.97))
    stated = write_clip(clip, times=times, sound=sound, codec=codec, rotation=rotation, start=start)
    engine = write_tiny_engine(work, 3)
    assert dynast_run(monkeypatch, *job(work, engine=engine, video=clip, batch=8), "--side-by-side") == 0

    output = default_video_output(clip)
    with VideoReader(output) as reader:
        frames = list(reader)
    assert len(frames) == len(stated)
    late = [
        frame.time - frames[0].time - (time - stated[0]) for frame, time in zip(frames, stated, strict=True)
    ]
    assert max(map(abs, late)) <= Fraction(1, 1000)
    picture = frames[0].picture
    height = picture.shape[0]
    # The exemplar is square, so it takes as many columns as rows.
    driver = picture[:, height : height + round(height * (48 / 64 if rotation else 64 / 48))]
    corners = {(2, 3): 1, (-3, 3): 0, (-3, -4): 2} if rotation else {(2, 3): 0, (2, -4): 1, (-3, 3): 2}
    for (y, x), strongest in corners.items():
        assert driver[y, x].argmax() == strongest
    heard, spoken = sound_samples(output)[1], sound_samples(clip)[1]
    assert abs(heard.shape[-1] - spoken.shape[-1]) <= AUDIO_RATE // 20
    if name == "phone.mp4":
        assert sound_packets(output) == sound_packets(clip)


def test_an_interrupt_leaves_a_playable_file_of_what_was_done(work: Path, monkeypatch, capsys) -> None:
    rendered = OnnxRuntimeEngine.render_bytes

    def interrupted(self: OnnxRuntimeEngine, *arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return rendered(self, *arguments)  # type: ignore[arg-type]

    calls: list[int] = []
    monkeypatch.setattr(OnnxRuntimeEngine, "render_bytes", interrupted)
    assert dynast_run(monkeypatch, *job(work)) == 130
    # What was still waiting to be encoded may be dropped.
    assert 0 < len(frames_of(work / "drive.dynast.mp4")) <= 3
    assert "stopped early" in capsys.readouterr().err


def test_an_error_in_the_engine_leaves_no_output_and_does_not_hang(work: Path, monkeypatch) -> None:
    def broken(self: OnnxRuntimeEngine, *arguments: object) -> np.ndarray:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(OnnxRuntimeEngine, "render_bytes", broken)
    (work / "drive.dynast.mp4").write_bytes(b"an earlier result")
    before = files(work)
    monkeypatch.setattr(sys, "argv", ["dynast-run", *map(str, job(work))])
    with pytest.raises(RuntimeError, match="out of memory"):
        run.main()
    assert files(work) == before
    assert (work / "drive.dynast.mp4").read_bytes() == b"an earlier result"


def test_a_style_engine_needs_no_keypoints(work: Path, monkeypatch) -> None:
    for name in ("drive.poses.npz", "ref.poses.npz"):
        (work / name).unlink()
    assert dynast_run(monkeypatch, *job(work, engine=write_tiny_engine(work, 3))) == 0
    assert len(frames_of(work / "drive.dynast.mp4")) == FRAMES


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['dynast-run', '--help']\n"
        "from dynast_deploy.commands import run\n"
        "try: run.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'cv2', 'av', 'onnx', 'onnxruntime', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--exemplar" in done.stdout
