"""Poses in files: every format that is read, people who are followed, and what a damaged file answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_frames import body, flat, frame, write_json

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, find_sidecar, read_poses, write_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.pose_file import PoseFile
from dynast_deploy.keypoints.skeletons import to_openpose18
from dynast_deploy.keypoints.sources import FilePoses
from dynast_deploy.size import Size


class TestSkeletons:
    def test_openposes_own_18_stay_as_they_are(self) -> None:
        np.testing.assert_array_equal(to_openpose18(body(18)), body(18))

    def test_body_25_loses_middle_hip_and_feet(self) -> None:
        points = body(25)
        np.testing.assert_array_equal(to_openpose18(points), points[[*range(8), *range(9, 19)]])

    @pytest.mark.parametrize("count", [17, 133])
    def test_coco_gets_a_neck_between_the_shoulders(self, count: int) -> None:
        points = body(count)
        pose = to_openpose18(points)
        np.testing.assert_allclose(pose[1, :2], points[[5, 6], :2].mean(axis=0))
        assert pose[1, 2] == points[[5, 6], 2].min()
        names = {0: 0, 2: 6, 4: 10, 5: 5, 8: 12, 10: 16, 13: 15, 14: 2, 15: 1, 16: 4, 17: 3}
        for openpose, coco in names.items():
            np.testing.assert_array_equal(pose[openpose], points[coco])

    def test_a_shoulder_that_was_not_seen_takes_the_neck_away(self) -> None:
        points = body(17)
        points[6, 2] = 0
        assert not to_openpose18(points)[1].any()

    def test_the_neck_is_as_doubtful_as_the_less_sure_shoulder(self) -> None:
        points = body(17)
        points[5:7, 2] = 0.2, 0.1
        assert to_openpose18(points)[1, 2] == points[6, 2]

    def test_another_number_is_refused(self) -> None:
        with pytest.raises(DynastError, match="21 keypoints are not a known skeleton"):
            to_openpose18(body(21))


class TestJson:
    def test_a_folder_is_read_in_natural_order(self, tmp_path: Path) -> None:
        for number in (10, 9, 2):
            write_json(tmp_path / f"walk{number}_keypoints.json", frame(body(at=number)))
        (tmp_path / "notes.txt").write_text("not a frame")
        (tmp_path / ".walk3.json").write_text("a file manager's own")
        poses = read_poses(tmp_path)
        expected = [body(at=number) for number in (2, 9, 10)]
        np.testing.assert_array_equal(poses.keypoints, expected)

    @pytest.mark.parametrize("count", [18, 25, 17, 133])
    def test_every_skeleton_is_read(self, tmp_path: Path, count: int) -> None:
        poses = read_poses(write_json(tmp_path / "one.json", frame(body(count))))
        np.testing.assert_allclose(poses.keypoints[0], to_openpose18(body(count)), rtol=1e-6)

    def test_one_file_may_hold_a_list_of_frames_or_a_frame_a_line(self, tmp_path: Path) -> None:
        frames = [frame(body(at=at)) for at in (50, 60, 70)]
        listed = read_poses(write_json(tmp_path / "all.json", frames))
        lines = tmp_path / "all.jsonl"
        lines.write_text("\n".join(json.dumps(each) for each in frames) + "\n\n")
        np.testing.assert_array_equal(listed.keypoints, read_poses(lines).keypoints)
        assert len(listed) == 3

    def test_the_older_key_is_read(self, tmp_path: Path) -> None:
        old = {"version": 1.0, "people": [{"pose_keypoints": flat(body())}]}
        assert (read_poses(write_json(tmp_path / "old.json", old)).keypoints == body()).all()

    def test_missing_keypoints_are_nan_and_doubtful_ones_stay(self, tmp_path: Path) -> None:
        points = body()
        points[3] = 0
        points[4, 2] = 0.01
        pose = read_poses(write_json(tmp_path / "one.json", frame(points))).keypoints[0]
        np.testing.assert_array_equal(pose[3], [np.nan, np.nan, 0])
        np.testing.assert_array_equal(pose[4], points[4])

    @pytest.mark.parametrize(
        "people", [[], None, [{"pose_keypoints_2d": None}], [{"pose_keypoints_2d": []}], [{}]]
    )
    def test_a_frame_without_a_person_is_all_missing(self, tmp_path: Path, people: Any) -> None:
        document = [frame(body()), {"people": people}, frame(body())]
        poses = read_poses(write_json(tmp_path / "gap.json", document))
        assert np.isnan(poses.keypoints[1, :, :2]).all()
        assert not poses.keypoints[1, :, 2].any()
        np.testing.assert_array_equal(poses.keypoints[2], body())

    def test_fractions_become_pixels_of_the_stated_canvas(self, tmp_path: Path) -> None:
        points = body(at=0.1, spread=0.8)
        points[5] = (1.1, 0.5, 1)  # an estimator may place a hidden wrist outside
        document = frame(points, canvas_width=640, canvas_height=360)
        poses = read_poses(write_json(tmp_path / "dw.json", document))
        assert poses.picture_size == Size(360, 640)
        np.testing.assert_allclose(poses.keypoints[0], points * [640, 360, 1], rtol=1e-6)

    def test_fractions_without_a_canvas_scale_to_any_picture(self, tmp_path: Path) -> None:
        points = body(at=0.1, spread=0.8)
        poses = read_poses(write_json(tmp_path / "dw.json", frame(points)))
        assert poses.picture_size == Size(1, 1)
        scaled = poses.scaled_to(Size(100, 200))
        np.testing.assert_allclose(scaled.keypoints[0], points * [200, 100, 1], rtol=1e-6)
        assert scaled.picture_size == Size(100, 200)

    def test_pixels_stay_pixels_where_a_canvas_is_stated(self, tmp_path: Path) -> None:
        document = frame(body(), canvas_width=640, canvas_height=360)
        poses = read_poses(write_json(tmp_path / "dw.json", document))
        np.testing.assert_array_equal(poses.keypoints[0], body())
        np.testing.assert_allclose(poses.scaled_to(Size(180, 320)).keypoints[0, :, :2], body()[:, :2] / 2)

    def test_coco_annotations_are_frames_in_the_order_of_their_ids(self, tmp_path: Path) -> None:
        document = {
            "images": [{"id": 7, "width": 640, "height": 480}, {"id": 3, "width": 640, "height": 480}],
            "annotations": [
                {"image_id": 7, "keypoints": flat(body(17, at=70))},
                {"image_id": 3, "keypoints": flat(body(17, at=30))},
                {"image_id": 3, "bbox": [0, 0, 5, 5]},
            ],
        }
        poses = read_poses(write_json(tmp_path / "coco.json", document))
        assert poses.picture_size == Size(480, 640)
        np.testing.assert_allclose(poses.keypoints[:, 0], [body(17, at=30)[0], body(17, at=70)[0]])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"people": [{"pose_keypo', "not whole JSON"),
            ("", "not whole JSON"),
            ("\x00\xff", "not whole JSON"),
            ("[" * 100_000, "not whole JSON"),
            ('{"people": [{"pose_keypoints_2d": [NaN]}]}', "person 0: 1 numbers; keypoints have 3 each"),
            ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "person 0: 3 numbers; keypoints have 3 each"),
            ('{"people": [{"pose_keypoints_2d": ["one", 2, 3]}]}', "not a flat list of numbers"),
            ('{"people": [{"pose_keypoints_2d": [true, 2, 3]}]}', "not a flat list of numbers"),
            ('{"people": [{"pose_keypoints_2d": [[1, 2], 3]}]}', "not a flat list of numbers"),
            ('{"people": [{"pose_keypoints_2d": [1e999' + ", 1" * 53 + "]}]}", "infinite"),
            ('{"people": 3}', '"people" is not a list'),
            ('{"people": [3]}', '"people" is not a list'),
            ('{"persons": []}', 'no list "people"'),
            ("[[1, 2, 3]]", 'frame 0: no list "people"'),
            ("7", 'no list "people"'),
            ("[]", "no frame of poses"),
            ('{"people": [], "canvas_width": 0, "canvas_height": 3}', "canvas of 0 x 3"),
            ('{"images": [{}], "annotations": []}', "not COCO"),
            (
                '{"images": [], "annotations": [{"image_id": 1, "keypoints": ['
                + ", ".join("1" * 51)
                + "]}]}",
                "not COCO",
            ),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "damaged.json"
        path.write_text(text, encoding="latin-1")
        with pytest.raises(DynastError) as error:
            read_poses(path)
        assert str(path) in str(error.value)
        assert message in str(error.value)

    def test_the_damaged_frame_is_named(self, tmp_path: Path) -> None:
        lines = tmp_path / "walk.jsonl"
        lines.write_text(json.dumps(frame(body())) + '\n{"people"\n')
        with pytest.raises(DynastError, match="line 2: not whole JSON"):
            read_poses(lines)
        with pytest.raises(DynastError, match="frame 1, person 0"):
            read_poses(write_json(tmp_path / "walk.json", [frame(body()), frame([1.0, 2.0])]))
        folder = tmp_path / "walk_keypoints"
        folder.mkdir()
        write_json(folder / "a.json", [frame(body()), frame(body())])
        with pytest.raises(DynastError, match=r"a\.json: 2 frames"):
            read_poses(folder)

    def test_frames_of_different_sizes_are_refused(self, tmp_path: Path) -> None:
        frames = [frame(body(), canvas_width=width, canvas_height=90) for width in (160, 90)]
        with pytest.raises(DynastError, match="90x90 and 160x90"):
            read_poses(write_json(tmp_path / "mixed.json", frames))


class TestPeople:
    def test_the_largest_is_taken_first_and_then_the_nearest(self, tmp_path: Path) -> None:
        leader = [body(at=at, spread=40) for at in (100, 110, 120, 130)]
        other = [body(at=at, spread=size) for at, size in ((400, 30), (390, 90), (380, 90), (370, 90))]
        frames = [frame(b, a) for a, b in zip(leader, other, strict=True)]
        poses = read_poses(write_json(tmp_path / "two.json", frames))
        np.testing.assert_array_equal(poses.keypoints, leader)

    def test_the_same_person_is_found_again_after_a_gap(self, tmp_path: Path) -> None:
        frames = [frame(), frame(body(at=100)), frame(), frame(body(at=400, spread=90), body(at=105))]
        poses = read_poses(write_json(tmp_path / "gap.json", frames))
        np.testing.assert_array_equal(poses.keypoints[3], body(at=105))

    def test_people_who_share_no_keypoint_are_compared_by_their_centres(self, tmp_path: Path) -> None:
        top, legs, stranger = body(), body(at=110), body(at=300)
        top[8:14], legs[:8], legs[14:], stranger[:8], stranger[14:] = 0, 0, 0, 0, 0
        poses = read_poses(write_json(tmp_path / "legs.json", [frame(top), frame(stranger, legs)]))
        np.testing.assert_array_equal(poses.keypoints[1, 8:14], legs[8:14])


def test_missing_and_unknown_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="no such file"):
        read_poses(tmp_path / "walk.npz")
    (tmp_path / "walk.csv").write_text("x,y")
    with pytest.raises(DynastError, match=r"poses come as \.npz"):
        read_poses(tmp_path / "walk.csv")
    with pytest.raises(DynastError, match="no frame of poses"):
        read_poses(tmp_path)


def test_a_sidecar_is_found_by_the_name_of_the_video(tmp_path: Path) -> None:
    video = tmp_path / "walk.2.mp4"
    assert find_sidecar(video) is None
    (tmp_path / "walk.2_keypoints").mkdir()
    assert find_sidecar(video) == tmp_path / "walk.2_keypoints"
    for ending in ("_keypoints.json", ".poses.jsonl", ".poses.json", ".poses.npz"):
        (tmp_path / f"walk.2{ending}").touch()
        assert find_sidecar(video) == tmp_path / f"walk.2{ending}"


def test_the_number_of_frames_must_agree(tmp_path: Path) -> None:
    write_poses(tmp_path / "walk.npz", Poses(body()[None]))
    poses = FilePoses(PoseFile(read_recording(tmp_path / "walk.npz")))
    poses.check_frames(1)
    with pytest.raises(DynastError, match=r"walk\.npz holds 1 poses for 2 frames"):
        poses.check_frames(2)


def test_poses_of_another_shape_are_refused() -> None:
    with pytest.raises(DynastError, match=r"\[18, 3\]"):
        Poses(body())
