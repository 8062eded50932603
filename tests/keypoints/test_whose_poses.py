"""Whose poses a file holds, in which pixels: each frame and picture gets its own, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import EXAMPLES
from typer.testing import CliRunner
from video_clips import write_clip

from dynast_deploy.cli import app
from dynast_deploy.condition_options import RenderOptions
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import find_parts_beside, write_parts
from dynast_deploy.face_parts import sources as part_sources
from dynast_deploy.keypoints import Poses, find_sidecar, read_poses, sources, write_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.pose_file import PoseFile
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.keypoints.timeline import timeline
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.runtime.pipeline.condition_sources import ConditionDrawers
from dynast_deploy.size import Size

DANCE = read_poses(EXAMPLES / "dance.poses.npz").keypoints
SIZE = Size(256, 256)


@pytest.fixture(autouse=True)
def no_estimators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_models", lambda _: None)
    monkeypatch.setattr(part_sources, "find_models", lambda _: None)


def document(pose: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"people": [{"pose_keypoints_2d": np.nan_to_num(pose).astype(float).ravel().tolist()}], **more}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def folder_of(folder: Path, poses: dict[str, np.ndarray]) -> Path:
    for name, pose in poses.items():
        write(folder / f"{name}.json", document(pose))
    return folder


def pictures(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        write_picture(folder / name, np.full((256, 256, 3), 90, np.uint8))
    return [folder / name for name in names]


def taken(path: Path, wanted: list[Path]) -> list[int]:
    """For each picture the frame of the dance whose pose it takes."""
    file = PoseFile(read_recording(path), wanted)
    poses = [file.pose(index, SIZE) for index in range(len(wanted))]
    return [
        int(np.argmin([np.abs(np.nan_to_num(pose - each)).sum() for each in DANCE[:100:10]]))
        for pose in poses
    ]


POSES = dict(zip("abcd", DANCE[:40:10], strict=True))


class TestPictures:
    def test_a_folder_goes_by_names_in_any_order(self, tmp_path: Path) -> None:
        poses = folder_of(tmp_path / "poses", {f"{name}_keypoints": POSES[name] for name in "abcd"})
        assert taken(poses, [tmp_path / name for name in ("d.png", "b.jpg", "a.png")]) == [3, 1, 0]

    def test_a_name_that_has_no_pose_is_refused(self, tmp_path: Path) -> None:
        poses = folder_of(tmp_path / "poses", {f"{name}_keypoints": POSES[name] for name in "acd"})
        for names in ("abd", "xyz", "b"):
            with pytest.raises(
                DynastError,
                match=rf"poses: no pose of {names.strip('ad')[0]}\.png; it holds those of a, c, d",
            ):
                taken(poses, [tmp_path / f"{name}.png" for name in names])

    @pytest.mark.parametrize(("file", "picture"), [("a.jpg", "a.jpg"), ("caf\u00e9", "cafe\u0301.jpg")])
    def test_names_compare_with_their_endings_and_however_accents_are_written(
        self, tmp_path: Path, file: str, picture: str
    ) -> None:
        folder = folder_of(tmp_path / "poses", {"b": DANCE[0], file: DANCE[10]})
        assert taken(folder, [tmp_path / picture]) == [1]

    @pytest.mark.parametrize("names", [("a.png",), ("b.png", "a.png"), ("c.png", "b.png")])
    def test_poses_of_one_name_are_nobodys(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        results = {
            "images": [{"id": index, "file_name": f"{index}/a.png"} for index in range(2)],
            "annotations": [
                {"image_id": index, "keypoints": DANCE[10 * index].astype(float).ravel().tolist()}
                for index in range(2)
            ],
        }
        path = write(tmp_path / "poses.json", results)
        with pytest.raises(DynastError, match=r"no pose of c\.png|several poses of a\.png"):
            taken(path, [tmp_path / name for name in names])
        assert taken(path, [tmp_path / "0" / "a.png", tmp_path / "1" / "a.png"]) == [0, 1]

    def test_names_that_only_count_go_by_place_and_number_of_pictures(self, tmp_path: Path) -> None:
        names = [f"video_{number:012d}_keypoints" for number in range(3)]
        poses = folder_of(tmp_path / "poses", dict(zip(names, DANCE[:30:10], strict=True)))
        assert taken(poses, [tmp_path / name for name in ("x.png", "y.png", "z.png")]) == [0, 1, 2]
        with pytest.raises(
            DynastError, match="holds 3 poses for 2 pictures: give one for each, in their order or by"
        ):
            taken(poses, [tmp_path / "x.png", tmp_path / "y.png"])

    @pytest.mark.parametrize("names", [("b.jpg", "c.jpg", "a.jpg"), (None, None, None)])
    def test_coco_goes_by_file_names_and_ids(self, tmp_path: Path, names: tuple[str | None, ...]) -> None:
        order = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
        images = [{"id": 5 + number, "width": 256, "height": 256} for number in range(3)]
        images = [
            {**image, **({"file_name": f"train/{name}"} if name else {})}
            for image, name in zip(images, names, strict=True)
        ]
        annotations = [
            {"id": number, "image_id": 5 + number, "keypoints": pose[order].astype(float).ravel().tolist()}
            for number, pose in enumerate(DANCE[:30:10])
        ]
        path = write(tmp_path / "coco.json", {"images": images[::-1], "annotations": annotations})
        wanted = ("a.png", "b.png", "c.png") if names[0] else ("7.png", "5.png", "000006.png")
        assert taken(path, [tmp_path / name for name in wanted]) == [2, 0, 1]

    def test_results_by_image_id_go_by_it(self, tmp_path: Path) -> None:
        order = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
        results = [
            {"image_id": image, "keypoints": DANCE[10 * number][order].astype(float).ravel().tolist()}
            for number, image in enumerate(("397133.jpg", "37777.jpg", "a.jpg"))
        ]
        path = write(tmp_path / "alphapose-results.json", results)
        assert taken(path, [tmp_path / "a.png", tmp_path / "000000037777.png"]) == [2, 1]

    def test_each_picture_may_have_a_canvas_of_its_own(self, tmp_path: Path) -> None:
        frames = [
            document(DANCE[0], canvas_width=256, canvas_height=256),
            document(DANCE[10] * [2, 1, 1], canvas_width=512, canvas_height=256),
        ]
        file = PoseFile(read_recording(write(tmp_path / "two.json", frames)), [Path("a.png"), Path("b.png")])
        np.testing.assert_allclose(file.pose(0, Size(512, 512)), DANCE[0] * [2, 2, 1], rtol=1e-6)
        np.testing.assert_allclose(file.pose(1, Size(128, 256))[:, 0], DANCE[10][:, 0], rtol=1e-6)
        with pytest.raises(DynastError, match=r"b\.png states a canvas of 512x256, and the picture is"):
            file.pose(1, SIZE)

    def test_one_picture_does_not_take_a_frame_of_a_video(self, tmp_path: Path) -> None:
        [picture] = pictures(tmp_path, "ref.png")
        write_poses(tmp_path / "other.npz", Poses(DANCE[:4]))
        other = tmp_path / "other.npz"
        with ConditionDrawers(
            Task.POSE, Size(64, 64), RenderOptions(poses=other, exemplar_poses=other)
        ) as drawers:
            for make in (drawers.of_exemplar, drawers.of_picture):
                with pytest.raises(
                    DynastError, match=r"other\.npz holds 4 poses, and ref\.png is one picture"
                ):
                    make(picture)
        result = CliRunner().invoke(app, ["condition", str(picture), "--poses", str(tmp_path / "other.npz")])
        assert isinstance(result.exception, DynastError)


def test_one_limit_of_scores_holds_for_files_and_exemplars(tmp_path: Path) -> None:
    [picture] = pictures(tmp_path, "ref.png")
    pose = DANCE[0].copy()
    pose[:, 2] = np.linspace(0.05, 0.95, 18)
    write_poses(tmp_path / "ref.poses.npz", Poses(pose[None]))
    for limit, seen in ((None, 18), (0.0, 18), (0.3, 13), (0.9, 1)):
        for given in (None, tmp_path / "ref.poses.npz"):
            options = RenderOptions(exemplar_poses=given, pose_score=limit)
            with ConditionDrawers(Task.POSE, Size(64, 64), options) as drawers:
                drawn = drawers.of_exemplar(picture).draw(np.zeros((256, 256, 3), np.uint8), 0)
                assert is_seen(drawn.keypoints).sum() == seen


class TestBeside:
    """A picture, a video and one file of the same name."""

    @pytest.fixture
    def walk(self, tmp_path: Path) -> Path:
        pictures(tmp_path, "walk.png")
        write_clip(
            tmp_path / "walk.mp4",
            times=[3003 * number for number in range(4)],
            sound=None,
            height=256,
            width=256,
        )
        return tmp_path

    def test_poses_of_a_video_are_not_the_pictures(self, walk: Path) -> None:
        write_poses(walk / "walk.poses.npz", Poses(DANCE[:4]))
        with ConditionDrawers(Task.POSE, Size(64, 64)) as drawers:
            assert drawers.of_video(walk / "walk.mp4").source is not None
            with pytest.raises(DynastError, match=r"walk\.png \(.*walk\.poses\.npz is of another picture or"):
                drawers.of_exemplar(walk / "walk.png")
            with pytest.raises(DynastError, match="is of another picture or video of that name"):
                drawers.of_pictures([walk / "walk.png"])(walk / "walk.png")

    def test_a_pose_of_the_picture_is_not_the_videos(self, walk: Path) -> None:
        write_poses(walk / "walk.poses.npz", Poses(DANCE[:1]))
        with ConditionDrawers(Task.POSE, Size(64, 64)) as drawers:
            assert drawers.of_exemplar(walk / "walk.png").source is not None
            with pytest.raises(DynastError, match="is of another picture or video of that name"):
                drawers.of_video(walk / "walk.mp4")
            (walk / "walk.png").unlink()
            assert drawers.of_video(walk / "walk.mp4").source is not None

    def test_parts_go_the_same_way(self, walk: Path) -> None:
        mask = {"skin": np.ones((8, 8), bool)}
        with ConditionDrawers(Task.FACE, Size(64, 64)) as drawers:
            write_parts(walk / "walk.parts.npz", [mask] * 4)
            assert drawers.of_video(walk / "walk.mp4").source is not None
            with pytest.raises(DynastError, match=r"walk\.png \(.*walk\.parts\.npz is of another picture or"):
                drawers.of_exemplar(walk / "walk.png")
            named = ConditionDrawers(Task.FACE, Size(64, 64), RenderOptions(parts=walk / "walk.parts.npz"))
            with pytest.raises(DynastError, match="holds 4 masks of each part, and walk.png is one picture"):
                named.of_picture(walk / "walk.png")
            with pytest.raises(DynastError, match="holds 4 masks of each part, and there are 2 pictures"):
                named.of_pictures([walk / "walk.png", walk / "b.png"])
            write_parts(walk / "walk.parts.npz", [mask])
            assert drawers.of_exemplar(walk / "walk.png").source is not None
            with pytest.raises(DynastError, match="is of another picture or video of that name"):
                drawers.of_video(walk / "walk.mp4")

    @pytest.mark.parametrize("name", ["walk.POSES.NPZ", "walk_Keypoints", "walk.poses.Json"])
    def test_the_endings_of_names_may_be_in_any_case(self, tmp_path: Path, name: str) -> None:
        beside, video = tmp_path / name, tmp_path / "walk.mp4"
        if name.endswith("NPZ"):
            write_poses(tmp_path / "other.npz", Poses(DANCE[:2]))
            (tmp_path / "other.npz").rename(beside)
        elif name.endswith("Json"):
            write(beside, [document(pose) for pose in DANCE[:2]])
        else:
            folder_of(beside, {f"walk_{number}": DANCE[number] for number in range(2)})
        assert find_sidecar(video) == beside
        assert find_sidecar(tmp_path / "Walk.mp4") is None  # another video where names of both may be
        source = sources.resolve_poses(video)
        np.testing.assert_allclose(source.pose(1, np.zeros((256, 256, 3), np.uint8)), DANCE[1], atol=1e-3)

    def test_of_several_beside_the_first_kind_and_the_very_case_come_first(self, tmp_path: Path) -> None:
        for name in ("walk.poses.json", "walk.POSES.NPZ", "walk.PARTS.npz"):
            (tmp_path / name).touch()
        assert find_sidecar(tmp_path / "walk.mp4") == tmp_path / "walk.POSES.NPZ"
        assert find_parts_beside(tmp_path / "walk.mp4") == tmp_path / "walk.PARTS.npz"
        (tmp_path / "walk.poses.npz").touch()
        assert find_sidecar(tmp_path / "walk.mp4") == tmp_path / "walk.poses.npz"

    def test_a_videos_missing_files_are_frames_without_a_person(self, walk: Path) -> None:
        names = {f"walk_{number:012d}_keypoints": DANCE[number] for number in (0, 3)}
        poses = folder_of(walk / "poses", names)
        result = CliRunner().invoke(
            app, ["condition", str(walk / "walk.mp4"), "--poses", str(poses), "--size", "64"]
        )
        assert result.exit_code == 0, result.output
        assert f"note: {poses} leaves out frames 1, 2: no person in them" in result.output
        assert "no person detected in 2 of 4 frames" in result.output


class TestTimeline:
    """Numbers of files, for videos of some frames: which belongs to which; -1 where there is none."""

    @pytest.mark.parametrize(
        ("numbers", "frames", "expected"),
        [
            ([0, 1, 4, 5], None, [0, 1, -1, -1, 2, 3]),
            ([0, 1, 4, 5], 6, [0, 1, -1, -1, 2, 3]),
            ([0, 1, 4, 5], 4, [0, 1, 2, 3]),
            ([2, 3, 5], 6, [-1, -1, 0, 1, -1, 2]),
            ([2, 3, 5], 5, [-1, 0, 1, -1, 2]),
            ([2, 3, 5], 4, [0, 1, -1, 2]),
            ([1, 2, 4], None, [0, 1, -1, 2]),
            ([0, 1, 4, 5], 7, None),
            ([0, 1, 4, 5], 5, None),
            ([100, 101, 103], 4, [0, 1, -1, 2]),
        ],
    )
    def test_padded_numbers_count_frames(
        self, tmp_path: Path, numbers: list[int], frames: int | None, expected: list[int] | None
    ) -> None:
        poses = folder_of(tmp_path / "p", {f"v_{number:06d}_keypoints": DANCE[number] for number in numbers})
        found = timeline(read_recording(poses), frames)
        assert (found is None and expected is None) or found.tolist() == expected  # type: ignore[union-attr]

    def test_numbers_of_any_width_decide_where_the_count_does_not_fit(self, tmp_path: Path) -> None:
        poses = folder_of(tmp_path / "p", {f"v{number}": DANCE[number] for number in (8, 9, 11)})
        assert len(read_poses(poses)) == 3
        assert timeline(read_recording(poses), 4).tolist() == [0, 1, -1, 2]  # type: ignore[union-attr]

    def test_tools_that_write_nothing_for_nobody_may_end_early(self, tmp_path: Path) -> None:
        results = [{"image_id": f"{number}.jpg", "keypoints": [1.0, 2.0, 0.5] * 17} for number in (2, 4)]
        recording = read_recording(write(tmp_path / "results.json", results))
        assert timeline(recording, 7).tolist() == [-1, -1, 0, -1, 1, -1, -1]  # type: ignore[union-attr]
        assert timeline(recording, 1) is None
        file = PoseFile(recording)
        shown = [bool(is_seen(file.pose(index, SIZE)).any()) for index in range(7)]
        assert shown == [False, False, True, False, True, False, False]
        assert file.fits(7)
        assert file.note == f"{recording.origin} leaves out frames 0, 1, 3, 5, 6: no person in them"

    def test_what_was_shown_stays(self, tmp_path: Path) -> None:
        poses = folder_of(tmp_path / "p", {f"v_{number:06d}": DANCE[number] for number in (0, 1, 4)})
        file = PoseFile(read_recording(poses))
        assert [bool(is_seen(file.pose(index, SIZE)).any()) for index in range(4)] == [
            True,
            True,
            False,
            False,
        ]
        assert file.fits(5)
        assert not file.fits(3)


def _scaled(x: float, y: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pose: pose * [x, y, 1]


class TestPixels:
    @pytest.mark.parametrize(
        ("change", "size", "message"),
        [
            (
                lambda pose: (pose / [128, 128, 1]) - [1, 1, 0],
                SIZE,
                "coordinates from -1 to 1; pixels or fractions",
            ),
            (
                _scaled(1080 / 256, 1080 / 256),
                SIZE,
                "100% of the keypoints lie outside the picture of 256x256",
            ),
            (_scaled(2, 2), SIZE, "of the keypoints lie outside the picture of 256x256 .* in another size"),
            (_scaled(1920 / 256, 1080 / 256), Size(1920, 1080), "1080x1920 .* turned, or in another size"),
            (lambda pose: pose - [400, 0, 0], SIZE, "100% of the keypoints lie outside"),
        ],
        ids=["-1..1", "1080p", "twice", "turned", "negative"],
    )
    def test_keypoints_of_other_pixels_are_refused(
        self, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], size: Size, message: str
    ) -> None:
        frames = [document(change(pose)) for pose in DANCE[:12]]
        path = write(tmp_path / "other.json", frames)
        with pytest.raises(DynastError, match=message):
            PoseFile(read_recording(path)).pose(0, size)
        write(path, frames[:1])
        with pytest.raises(DynastError, match=message):
            PoseFile(read_recording(path), [Path("a.png")]).pose(0, size)

    def test_a_person_who_walks_in_is_not_refused(self, tmp_path: Path) -> None:
        walk = np.stack(
            [pose + np.float32([12 * index - 180, 0, 0]) for index, pose in enumerate(DANCE[:30])]
        )
        write_poses(tmp_path / "walk.npz", Poses(walk))
        file = PoseFile(read_recording(tmp_path / "walk.npz"))
        assert (file.pose(0, SIZE)[:, 0] < 0).mean() > 0.9
        np.testing.assert_allclose(file.pose(29, SIZE), walk[29])

    def test_a_portrait_whose_legs_are_guessed_beyond_its_border_is_not_refused(self, tmp_path: Path) -> None:
        pose = DANCE[0].copy()
        below = [3, 4, 6, 7, *range(8, 14)]
        pose[below] = pose[below] * [1, 0, 0] + [0, 300, 0.2]
        path = write(tmp_path / "portrait.json", document(pose))
        np.testing.assert_allclose(
            PoseFile(read_recording(path), [Path("a.png")]).pose(0, SIZE), pose, rtol=1e-6
        )

    @pytest.mark.parametrize(
        ("canvas", "size", "fits"),
        [
            (Size(128, 128), SIZE, True),
            (Size(1080, 1920), Size(480, 854), True),
            (
                Size(896, 512),
                Size(1920, 1080),
                True,
            ),  # ControlNet: the sides of a multiple of 64 nearest to the picture's
            (Size(1920, 1080), Size(1080, 1920), False),
            (Size(480, 640), Size(360, 640), False),
            (Size(512, 512), Size(1920, 1080), False),
        ],
    )
    def test_a_stated_canvas_must_have_the_pictures_proportions(
        self, tmp_path: Path, canvas: Size, size: Size, fits: bool
    ) -> None:
        pose = DANCE[0] * np.float32([canvas.width / 256, canvas.height / 256, 1])
        for frames in ([document(pose)], [document(pose / np.float32([canvas.width, canvas.height, 1]))]):
            frames[0] |= {"canvas_width": canvas.width, "canvas_height": canvas.height}
            recording = read_recording(write(tmp_path / "stated.json", frames))
            for file in (PoseFile(recording), PoseFile(recording, [Path("a.png")])):
                if fits:
                    expected = DANCE[0] * np.float32([size.width / 256, size.height / 256, 1])
                    np.testing.assert_allclose(file.pose(0, size), expected, rtol=1e-5)
                else:
                    with pytest.raises(
                        DynastError, match=f"canvas of {canvas.width}x{canvas.height}, and the picture is"
                    ):
                        file.pose(0, size)
