"""Poses from MediaPipe (the extra `[pose]`): one person, followed from frame to frame."""

from __future__ import annotations

import importlib.util
from types import TracebackType
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.poses import canonical, no_person

MIN_VISIBILITY = 0.5
LANDMARKS = (0, 11, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""MediaPipe's landmark for each of OpenPose's keypoints; the neck's entry is replaced."""
NECK, SHOULDERS = 1, (11, 12)


class MediaPipePose:
    """MediaPipe's tracker; a context manager that frees it. Made for frames in their order: it follows the
    person.

    Its confidence is called visibility here as there; keypoints below 0.5, and those that it guesses outside
    the picture, count as not seen.
    """

    def __init__(self) -> None:
        """Load the model; a DynastError where MediaPipe is not installed, or is a release without its
        models."""
        # Complexity 1 is the only one whose model comes with the wheel; the others are downloaded.
        self._tracker = mediapipe_solutions().pose.Pose(model_complexity=1)

    def __enter__(self) -> MediaPipePose:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the tracker; no call may follow. Closing twice is allowed."""
        if self._tracker is not None:
            self._tracker.close()
            self._tracker = None

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The pose in the next frame: uint8 [H, W, 3] in RGB to float32 [18, 3] in pixels."""
        found = self._tracker.process(np.ascontiguousarray(picture)).pose_landmarks
        if found is None:
            return no_person()
        height, width = picture.shape[:2]
        points = np.array([(each.x * width, each.y * height, each.visibility) for each in found.landmark])
        return openpose18_of_landmarks(points, (width, height))


def openpose18_of_landmarks(points: np.ndarray, picture_size: tuple[int, int]) -> np.ndarray:
    """MediaPipe's 33 landmarks, float [33, 3] (x, y in pixels, visibility), as float32 [18, 3].

    The neck lies between the shoulders and is as visible as the less visible one.
    """
    pose = points[list(LANDMARKS)].astype(np.float64)
    shoulders = points[list(SHOULDERS)]
    pose[NECK] = (*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min())
    inside = ((pose[:, :2] >= 0) & (pose[:, :2] < picture_size)).all(axis=1)
    pose[(pose[:, 2] < MIN_VISIBILITY) | ~inside] = 0
    return canonical(pose)


def mediapipe_is_installed() -> bool:
    """Whether MediaPipe can be imported; does not import it."""
    return importlib.util.find_spec("mediapipe") is not None


def mediapipe_solutions() -> Any:
    """The module `mediapipe.solutions`; a DynastError that names the release to install where it is not
    there."""
    try:
        import mediapipe
    except ImportError as error:
        raise DynastError(
            f"MediaPipe cannot be imported ({error}): pip install 'dynast-deploy[pose]', or where libGL is "
            "missing, install mediapipe==0.10.14 with --no-deps beside opencv-python-headless"
        ) from None
    if not hasattr(mediapipe, "solutions"):
        raise DynastError(
            f"MediaPipe {mediapipe.__version__} comes without its models: pip install mediapipe==0.10.14"
        )
    return mediapipe.solutions
