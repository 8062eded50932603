"""Whose poses a file holds, in which pixels: each frame and picture gets its own, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dance_poses import DANCE, SIZE, document, folder_of, write
from typer.testing import CliRunner
from video_clips import write_clip

from dynast_deploy.cli import app
from dynast_deploy.condition_options import RenderOptions
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import find_parts_beside, write_parts
from dynast_deploy.face_parts import sources as part_sources
from dynast_deploy.keypoints import Poses, find_sidecar, sources, write_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.pose_file import PoseFile
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.runtime.pipeline.condition_sources import ConditionDrawers
from dynast_deploy.size import Size


@pytest.fixture(autouse=True)
def no_estimators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_models", lambda _: None)
    monkeypatch.setattr(part_sources, "find_models", lambda _: None)


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
    def test_poses_of_one_name_belong_to_neither(self, tmp_path: Path, names: tuple[str, ...]) -> None:
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
        sidecar, video = tmp_path / name, tmp_path / "walk.mp4"
        if name.endswith("NPZ"):
            write_poses(tmp_path / "other.npz", Poses(DANCE[:2]))
            (tmp_path / "other.npz").rename(sidecar)
        elif name.endswith("Json"):
            write(sidecar, [document(pose) for pose in DANCE[:2]])
        else:
            folder_of(sidecar, {f"walk_{number}": DANCE[number] for number in range(2)})
        assert find_sidecar(video) == sidecar
        assert find_sidecar(tmp_path / "Walk.mp4") is None  # another video where names of both may be
        source = sources.resolve_poses(video)
        np.testing.assert_allclose(source.pose(1, np.zeros((256, 256, 3), np.uint8)), DANCE[1], atol=1e-3)

    def test_of_several_next_to_the_video_the_first_kind_and_the_very_case_come_first(
        self, tmp_path: Path
    ) -> None:
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
