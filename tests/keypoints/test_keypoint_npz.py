"""Poses as `.npz`: written and read, other arrays refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_frames import body

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, read_poses, write_poses
from dynast_deploy.size import Size


class TestNpz:
    def test_poses_survive_the_way_there_and_back(self, tmp_path: Path) -> None:
        keypoints = np.stack([body(at=at) for at in (50, 60)])
        keypoints[1, 4] = 0
        for size in (None, Size(480, 640)):
            poses = Poses(keypoints, size)
            write_poses(tmp_path / "walk.npz", poses)
            again = read_poses(tmp_path / "walk.npz")
            np.testing.assert_array_equal(again.keypoints, poses.keypoints)
            assert again.keypoints.dtype == np.float32
            assert again.picture_size == size
        assert [path.name for path in tmp_path.iterdir()] == ["walk.npz"]

    def test_several_people_are_followed(self, tmp_path: Path) -> None:
        small, large = body(at=300, spread=10), body(at=50, spread=60)
        np.savez(tmp_path / "two.npz", keypoints=np.stack([[small, large], [large, small]]))
        np.testing.assert_array_equal(read_poses(tmp_path / "two.npz").keypoints, [large, large])

    def test_other_skeletons_and_missing_scores_are_read(self, tmp_path: Path) -> None:
        points = body(17)[None, :, :2].copy()
        points[0, 9] = np.nan
        np.savez(tmp_path / "coco.npz", keypoints=points)
        pose = read_poses(tmp_path / "coco.npz").keypoints[0]
        assert np.isnan(pose[7, 0])
        assert (np.delete(pose, 7, axis=0)[:, 2] == 1).all()

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"poses": np.zeros((2, 18, 3))}, "no array `keypoints`"),
            ({"keypoints": np.zeros((2, 54))}, "[2, 54]"),
            ({"keypoints": np.zeros((2, 18, 4))}, "[2, 18, 4]"),
            ({"keypoints": np.zeros((2, 21, 3))}, "21 keypoints are not a known skeleton"),
            ({"keypoints": np.zeros((0, 18, 3))}, "no frame"),
            ({"keypoints": np.array([[["a"] * 3] * 18])}, "numbers"),
            ({"keypoints": np.array([[[1.0, np.inf, 1.0]] * 18])}, "frame 0: a keypoint is infinite"),
            ({"keypoints": np.array([None, {}], dtype=object)}, "Python objects"),
            ({"keypoints": np.ones((1, 18, 3)), "picture_size": np.array([3.5, 2])}, "picture_size"),
            ({"keypoints": np.ones((1, 18, 3)), "picture_size": np.array([0, 2])}, "picture_size"),
        ],
    )
    def test_unfit_arrays_are_named(self, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
        path = tmp_path / "unfit.npz"
        np.savez(path, **arrays)
        with pytest.raises(DynastError) as error:
            read_poses(path)
        assert str(path) in str(error.value)
        assert message in str(error.value)

    def test_text_and_cut_files_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "text.npz"
        path.write_text('{"people": []}')
        with pytest.raises(DynastError, match=r"not an \.npz file"):
            read_poses(path)
        write_poses(path, Poses(body()[None]))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DynastError, match=r"not an \.npz file, or cut short"):
            read_poses(path)
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes(40) + whole[middle + 40 :])
        with pytest.raises(DynastError, match="damaged"):
            read_poses(path)

    def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DynastError, match="cannot be written"):
            write_poses(tmp_path / "missing" / "walk.npz", Poses(body()[None]))
        with pytest.raises(DynastError, match="give the file that ending"):
            write_poses(tmp_path / "walk.json", Poses(body()[None]))
        (tmp_path / "walk.npz").mkdir()
        with pytest.raises(DynastError, match="cannot be written"):
            write_poses(tmp_path / "walk.npz", Poses(body()[None]))
        assert [path.name for path in tmp_path.iterdir()] == ["walk.npz"]
