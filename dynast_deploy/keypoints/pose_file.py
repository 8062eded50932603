"""The poses of a video's frames, or of pictures, from a file: which belongs to which, and in which pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dynast_deploy.keypoints.files import find_sidecar, followed, read_recording
from dynast_deploy.keypoints.pairing import fits_picture, pair
from dynast_deploy.keypoints.people import choose_person
from dynast_deploy.keypoints.pixels import are_fractions, check_canvas, check_inside, sampled_points
from dynast_deploy.keypoints.poses import RELATIVE, Poses, no_person
from dynast_deploy.keypoints.recording import Recording
from dynast_deploy.keypoints.timeline import NOTHING, gaps, timeline
from dynast_deploy.size import Size


class PoseFile:
    """A recording and what it is asked for: a video, or pictures in their order."""

    def __init__(self, recording: Recording, pictures: Sequence[Path] | None = None) -> None:
        """Find out which frame belongs to which frame of the video, or to which of the `pictures`.

        Raises:
            DynastError: Where frames do not fit `pictures` (`pairing.pair`), or sizes differ within a video.
        """
        self.recording, self._pictures = recording, pictures
        self._poses: Poses | None = None
        self._asked = 0
        self._good_sizes: set[Size] = set()
        if pictures is None:
            places = timeline(recording)
            assert places is not None
            self._places = places
        else:
            self._places = np.array(pair(recording, pictures))
            self._fractions = are_fractions([frame.people for frame in recording.frames], recording.origin)

    @property
    def frames(self) -> int:
        """For how many frames or pictures it holds poses; empty frames at the end may be left out."""
        return len(self._places)

    @property
    def note(self) -> str | None:
        """One line on frames of a video that it leaves out."""
        missing = gaps(self._places)
        return f"{self.recording.origin} leaves out frames {missing}: no person in them" if missing else None

    def fits(self, frames: int) -> bool:
        """Whether it holds a pose, or no person, for each of the `frames` of the video. What numbers mean may depend on
        it, as long as nothing was asked for.

        Raises:
            DynastError: Where numbers of frames lie farther apart than frames of a video do.
        """
        if self._pictures is not None:
            return frames == self.frames
        places = timeline(self.recording, frames)
        if places is None or not np.array_equal(places[: self._asked], self._places[: self._asked]):
            return False
        if not np.array_equal(places, self._places):
            self._places, self._poses = places, None
        return True

    def pose(self, index: int, picture_size: Size) -> np.ndarray:
        """Float32 [18, 3] in pixels of a picture of this size: frame or picture `index`, from 0.

        Raises:
            DynastError: Where the keypoints are of other pixels.
        """
        self._asked = max(self._asked, index + 1)
        if index >= self.frames and self.recording.open_ended and self._pictures is None:
            self._places = np.pad(self._places, (0, index + 1 - self.frames), constant_values=NOTHING)
        if self._pictures is None:
            return self._of_video(index, picture_size)
        frame = self.recording.frames[self._places[index]]
        poses = Poses(choose_person(frame.people, None)[None], frame.canvas)
        if self._fractions:
            poses = Poses(poses.keypoints, RELATIVE)
            if frame.canvas is not None:
                check_canvas(frame.canvas, picture_size, self.recording.origin)
        name = f"{self.recording.origin}: {self._pictures[index].name}"
        pose: np.ndarray = self._scaled(poses, picture_size, name).keypoints[0]
        return pose

    def track(self, picture_size: Size) -> np.ndarray:
        """Float32 [T, 18, 3] in pixels of a picture of this size: the poses of all frames of a video.

        Later frames may still be numbered otherwise (`fits`).

        Raises:
            DynastError: Where the keypoints are of other pixels.
        """
        self._of_video(0, picture_size)
        assert self._poses is not None
        return self._poses.scaled_to(picture_size).keypoints

    def _of_video(self, index: int, picture_size: Size) -> np.ndarray:
        if self._poses is None:
            self._poses = followed(self.recording, self._places)
        if picture_size not in self._good_sizes:
            self._scaled(self._poses, picture_size, self.recording.origin)
            self._good_sizes.add(picture_size)
        if index >= len(self._poses):
            return no_person()
        here = Poses(self._poses.keypoints[index : index + 1], self._poses.picture_size)
        pose: np.ndarray = here.scaled_to(picture_size).keypoints[0]
        return pose

    def _scaled(self, poses: Poses, picture_size: Size, origin: str) -> Poses:
        if poses.picture_size is not None:
            check_canvas(poses.picture_size, picture_size, origin)
        scaled = poses.scaled_to(picture_size)
        if poses.picture_size != RELATIVE:
            check_inside(sampled_points(scaled.keypoints), picture_size, origin)
        return scaled


def poses_beside(
    media: str | os.PathLike[str], is_picture: bool, shares_name: bool = False, min_score: float = 0
) -> PoseFile | None:
    """The poses that lie next to a picture or video, where they are its own.

    Of a picture and a video of one name, a file with one pose, or with the picture's name in it, is the picture's; any
    other is the video's. `shares_name` says of a video that there is such a picture.

    Raises:
        DynastError: Where they cannot be read.
    """
    media = Path(media)
    sidecar = find_sidecar(media)
    if sidecar is None:
        return None
    recording = read_recording(sidecar, min_score)
    if is_picture:
        return PoseFile(recording, [media]) if fits_picture(recording, media) else None
    return None if shares_name and len(recording.frames) == 1 else PoseFile(recording)
