"""What pose tools write, each as its public code and documentation say, and how its numbers come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dancer import dancer

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import json_stream, read_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.keypoints.recording import MOST_FRAMES
from dynast_deploy.size import Size

OF_COCO = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
"""OpenPose's index of each of COCO's 17 keypoints."""


DANCER = dancer()
FLAT = DANCER.ravel().tolist()
COCO = DANCER[OF_COCO]
HALPE = np.vstack([COCO, DANCER[[0, 1]], np.full((7, 3), 0.5)])
PERSON = {"pose_keypoints_2d": FLAT}
ALPHAPOSE = {"category_id": 1, "keypoints": COCO.ravel().tolist(), "score": 2.9, "box": [1, 2, 3, 4]}
INSTANCE = {
    "keypoints": COCO[:, :2].tolist(),
    "keypoint_scores": COCO[:, 2].tolist(),
    "bbox": [[1, 2, 3, 4]],
    "bbox_score": 0.9,
}
ULTRALYTICS = {
    "name": "person",
    "class": 0,
    "confidence": 0.9,
    "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0},
    "keypoints": {"x": COCO[:, 0].tolist(), "y": COCO[:, 1].tolist(), "visible": COCO[:, 2].tolist()},
}

ONE_FRAME = {
    "OpenPose": {"version": 1.3, "people": [PERSON], "part_candidates": [{"0": [1, 2, 0.5]}]},
    "OpenPose before 1.4": {"people": [{"pose_keypoints": FLAT}]},
    "DWPose and controlnet_aux": {
        "people": [PERSON | {"face_keypoints_2d": None, "hand_left_keypoints_2d": None}],
        "animals": [],
        "canvas_width": 256,
        "canvas_height": 256,
    },
    "ComfyUI's list": [{"people": [PERSON], "canvas_width": 256, "canvas_height": 256}],
    "Halpe-26 in OpenPose's form": {"people": [{"pose_keypoints_2d": HALPE.ravel().tolist()}]},
    "people by their ids": {"people": {"0": PERSON, "7": {"pose_keypoints_2d": None}}},
    "people as lists": {"people": [FLAT]},
    "numbers as text": {"people": [{"pose_keypoints_2d": [str(value) for value in FLAT]}]},
    "canvas as text": {"people": [PERSON], "canvas_width": "256", "canvas_height": "256.0"},
    "one list a keypoint": {"people": [{"pose_keypoints_2d": DANCER.tolist()}]},
    "AlphaPose, one picture": [ALPHAPOSE | {"image_id": "a.jpg"}],
    "AlphaPose, --format open": {"a.jpg": {"version": "AlphaPose v0.3", "people": [PERSON]}},
    "AlphaPose, --format cmu": {"a.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": FLAT}]}},
    "PoseFlow's tracks": {"a.jpg": [{"keypoints": COCO.ravel().tolist(), "scores": 2.9, "idx": 1}]},
    "MMPose, a picture": [INSTANCE],
    "MMPose, a video": [{"frame_id": 0, "instances": [INSTANCE]}],
    "MMPose's demo, a video": {
        "meta_info": {"keypoint_id2name": {"0": "nose"}},
        "instance_info": [{"frame_id": 1, "instances": [INSTANCE]}],
    },
    "MMPose's demo, a picture": {"meta_info": {"flip_indices": [0, 2]}, "instance_info": [INSTANCE]},
    "MMPose's predictions": {"predictions": [[INSTANCE]]},
    "a list of MMPose's predictions": [[INSTANCE]],
    "Ultralytics' to_json": [ULTRALYTICS],
    "a list of Ultralytics' to_json": [[ULTRALYTICS]],
}


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("chunk", [1 << 20, 100], ids=["at once", "in pieces"])
@pytest.mark.parametrize("name", ONE_FRAME)
def test_one_frame_of_every_tool(
    tmp_path: Path, name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    poses = read_poses(write(tmp_path / "one.json", ONE_FRAME[name]))
    np.testing.assert_allclose(poses.keypoints, DANCER[None], rtol=1e-6)
    assert poses.picture_size in (None, Size(256, 256))


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ({"width": 320, "height": 240, "keypoints": [DANCER[:, :2].tolist()]}, Size(240, 320)),
        (
            {"width": 320, "height": 240, "keypoints": DANCER[:, :2].tolist(), "hands_keypoints": []},
            Size(240, 320),
        ),
        ({"people": [{"pose_keypoints_2d": DANCER[:, :2].ravel().tolist()}]}, None),
    ],
    ids=["openpose-editor, by people", "openpose-editor", "36 numbers"],
)
def test_keypoints_without_scores_are_seen(tmp_path: Path, document: Any, size: Any) -> None:
    poses = read_poses(write(tmp_path / "one.json", document))
    np.testing.assert_allclose(poses.keypoints[0, :, :2], DANCER[:, :2], rtol=1e-6)
    assert (poses.keypoints[..., 2] == 1).all()
    assert poses.picture_size == size


@pytest.mark.parametrize(
    "missing", ["NaN, NaN, NaN", "null, null, null", "-1, -1, 0", "-1, -1, 1", "0, 0, 0.3", "0, 0, 0"]
)
def test_what_tools_write_for_a_keypoint_that_was_not_found(tmp_path: Path, missing: str) -> None:
    numbers = ", ".join(missing if index == 4 else f"{x}, {y}, {s}" for index, (x, y, s) in enumerate(DANCER))
    path = tmp_path / "one.json"
    path.write_text(f'{{"people": [{{"pose_keypoints_2d": [{numbers}]}}]}}')
    pose = read_poses(path).keypoints[0]
    np.testing.assert_array_equal(pose[4], [np.nan, np.nan, 0])
    assert (pose[:, 2] > 0).sum() == 17


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("editor", [False, True])
def test_a_keypoint_may_be_null_as_a_whole(tmp_path: Path, width: int, editor: bool) -> None:
    points: list[Any] = DANCER[:, :width].tolist()
    points[4] = None
    document = {"people": [{"keypoints": points}]}
    if editor and width == 2:
        document = {"width": 320, "height": 240, "keypoints": points}
    poses = read_poses(write(tmp_path / "one.json", document))
    np.testing.assert_array_equal(poses.keypoints[0, 4], [np.nan, np.nan, 0])
    assert is_seen(poses.keypoints).sum() == 17
    assert poses.picture_size == (Size(240, 320) if editor and width == 2 else None)


def test_arrays_say_the_same_of_keypoints_that_were_not_found(tmp_path: Path) -> None:
    points = np.stack([dancer()] * 3)[..., :2]
    points[1, 4], points[2, 4] = 0, -1
    np.savez(tmp_path / "points.npz", keypoints=points)
    assert is_seen(read_poses(tmp_path / "points.npz").keypoints).sum(axis=1).tolist() == [18, 17, 17]


def test_people_of_openpose_editor_come_one_after_the_other(tmp_path: Path) -> None:
    points = np.concatenate([DANCER[:, :2], dancer(300)[:, :2]])
    document = {"width": 512, "height": 512, "keypoints": points.tolist()}
    [frame] = read_recording(write(tmp_path / "pose.json", document)).frames
    np.testing.assert_allclose(frame.people[..., :2], points.reshape(2, 18, 2), rtol=1e-6)
    assert frame.canvas == (512, 512)


def test_results_by_picture_are_frames_by_number_with_no_person_where_one_is_missing(tmp_path: Path) -> None:
    for images, before in ((["10.jpg", "8.jpg", "8.jpg"], 8), (["v_10.jpg", "v_8.jpg"], 7), ([10, 8, 8], 7)):
        results = [ALPHAPOSE | {"image_id": image} for image in images]
        poses = read_poses(write(tmp_path / "alphapose-results.json", results))
        assert (poses.keypoints[..., 2] > 0).any(axis=1).tolist() == [False] * before + [True, False, True]
    names = {"frame_000001.png": {"people": [PERSON]}, "frame_000002.png": {"people": []}}
    poses = read_poses(write(tmp_path / "named.json", names))
    assert (poses.keypoints[..., 2] > 0).any(axis=1).tolist() == [True, False]


def test_named_frames_may_all_be_without_a_person(tmp_path: Path) -> None:
    names = {f"{number}.png": {"version": "AlphaPose v0.3", "people": []} for number in range(3)}
    assert not (read_poses(write(tmp_path / "empty.json", names)).keypoints[..., 2] > 0).any()


def test_frames_of_mmpose_are_put_where_their_numbers_say(tmp_path: Path) -> None:
    frames = [{"frame_id": number, "instances": [INSTANCE]} for number in (1, 2, 4)]
    poses = read_poses(write(tmp_path / "results.json", {"meta_info": {}, "instance_info": frames}))
    assert (poses.keypoints[..., 2] > 0).any(axis=1).tolist() == [True, True, False, True]


def test_frames_of_mmpose_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames = [
        {"frame_id": number, "instances": [{"keypoints": dancer(10 * number).tolist()}]}
        for number in (3, 1, 2)
    ]
    poses = read_poses(write(tmp_path / "results.json", frames)).keypoints
    np.testing.assert_allclose(poses[:, 0, 0] - poses[0, 0, 0], [0, 10, 20])


def test_results_of_a_batch_are_frames(tmp_path: Path) -> None:
    document = {"predictions": [[INSTANCE], [], [INSTANCE]], "visualization": []}
    poses = read_poses(write(tmp_path / "results.json", document)).keypoints
    assert is_seen(poses).any(axis=1).tolist() == [True, False, True]


def test_coco_goes_by_the_names_of_its_pictures(tmp_path: Path) -> None:
    names = {7: "b2.jpg", 3: "b10.jpg", 5: "b1.jpg"}
    document = {
        "categories": [{"id": 1, "keypoints": ["nose", "left_eye"]}],
        "annotations": [
            {"image_id": number, "keypoints": dancer(10 * number)[OF_COCO].ravel().tolist()}
            for number in names
        ],
        "images": [{"id": number, "file_name": f"train/{name}"} for number, name in names.items()],
    }
    recording = read_recording(write(tmp_path / "coco.json", document))
    assert [frame.name for frame in recording.frames] == ["b1", "b2", "b10"]
    assert [round(frame.people[0, 0, 0] - dancer(0)[0, 0]) for frame in recording.frames] == [50, 70, 30]


def test_labels_of_ultralytics_are_fractions_of_the_picture(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    x, y, visible = (COCO * [1 / 256, 1 / 256, 1]).T
    scored = " ".join(f"{a:.6f} {b:.6f} {c:.4f}" for a, b, c in zip(x, y, visible, strict=True))
    bare = " ".join(f"{a:.6f} {b:.6f}" for a, b in zip(x, y, strict=True))
    lines = [f"0 0.5 0.5 0.2 0.4 {scored}", f"0 0.5 0.5 0.2 0.4 {scored} 0.9 3", f"0 .5 .5 .2 .4 {bare}\n"]
    for number, line in zip((1, 2, 10), lines, strict=True):
        (folder / f"walk_{number}.txt").write_text(line)
    poses = read_poses(folder).scaled_to(Size(256, 256)).keypoints
    assert len(poses) == 10
    for frame in (0, 1, 9):
        np.testing.assert_allclose(poses[frame, :, :2], DANCER[:, :2], atol=0.01)
    assert np.isnan(poses[2:9, :, 0]).all()
    (folder / "walk_11.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(DynastError, match=r"walk_11\.txt, line 1: 3 numbers; a label is a class, a box and"):
        read_poses(folder)


def test_what_is_no_frame_of_a_folder_is_named_with_what_mends_it(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"clip_{number:06d}.json", {"people": [PERSON]})
    write(tmp_path / "package.json", {"name": "clip", "version": "1.0"})
    with pytest.raises(
        DynastError, match=r'package\.json: no list "people".*; if it is not a frame of poses, take it out'
    ):
        read_poses(tmp_path)


def test_the_names_of_classes_next_to_labels_are_not_a_frame(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"clip_{number}.txt").touch()
    (tmp_path / "classes.txt").write_text("person\n")
    assert len(read_poses(tmp_path)) == 2
    (tmp_path / "notes.txt").write_text("nothing of poses\n")
    with pytest.raises(
        DynastError, match=r"notes\.txt, line 1: 3 numbers; .*; if it is not a frame of poses, take it out"
    ):
        read_poses(tmp_path)


def test_endings_are_read_in_any_case(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"clip_{number:012d}_keypoints.JSON", {"people": [PERSON]})
    assert len(read_poses(tmp_path)) == 2
    lines = tmp_path / "clip.JSONL"
    lines.write_text(json.dumps([ULTRALYTICS]) + "\r\n" + json.dumps({"people": [PERSON]}) + "\n\n")
    np.testing.assert_allclose(read_poses(lines).keypoints, [DANCER, DANCER], rtol=1e-6)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"people": [PERSON]}, INSTANCE], "frames and people without a frame in one list"),
        ([INSTANCE | {"keypoint_scores": [1.0]}], "person 0: 1 scores of 17 keypoints"),
        ([{"keypoints": {"x": [1], "y": [2]}}], "1 keypoints are not a known skeleton"),
        ({"people": [{"pose_keypoints_2d": [10**400] * 54}]}, "a keypoint is infinite"),
        (
            {"people": [{"pose_keypoints_2d": [1e308] * 54}]},
            "a keypoint is infinite, or farther away than any",
        ),
        ({"people": [{"pose_keypoints_2d": ["much"] * 54}]}, "not a flat list of numbers"),
        ({"info": [], "licenses": []}, 'no list "people"'),
        (
            [ALPHAPOSE | {"image_id": number} for number in (0, MOST_FRAMES + 5)],
            "frames 0 to 500005; at most 500000 are read",
        ),
    ],
)
def test_what_fits_no_format_is_named(tmp_path: Path, document: Any, message: str) -> None:
    path = write(tmp_path / "odd.json", document)
    with pytest.raises(DynastError) as error:
        read_poses(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
