"""Which pixels keypoints are in: those of another picture are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dance_poses import DANCE, SIZE, document, write

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, write_poses
from dynast_deploy.keypoints.files import read_recording
from dynast_deploy.keypoints.pose_file import PoseFile
from dynast_deploy.size import Size


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
