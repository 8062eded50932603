"""Which frame of a video each frame of a recording belongs to, by its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from dance_poses import DANCE, SIZE, folder_of, write

from dynast_deploy.keypoints import read_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.pose_file import PoseFile
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.keypoints.timeline import timeline


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

    def test_tools_that_write_nothing_for_empty_frames_may_end_early(self, tmp_path: Path) -> None:
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
