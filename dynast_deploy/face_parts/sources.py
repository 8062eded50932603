"""Where the parts of a face come from: what the user names, a file beside the video, or MediaPipe."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts.mask_pictures import check_covers, common_size, find_mask_pictures, read_mask
from dynast_deploy.face_parts.parts_file import PartsFile
from dynast_deploy.frame_source import FrameSource, Words
from dynast_deploy.keypoints.mediapipe_pose import mediapipe_is_installed

SIDECAR_ENDING = ".parts.npz"
"""What follows a video's or picture's name without its own ending."""


class PartSource(FrameSource):
    """The parts of a face in one picture or video."""

    words = Words("parts", "masks of each part", "parts", "no face", "the face", "no face")

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Bool [h, w] of every part that is seen in frame `frame_index`, from 0; empty where no face is.

        They cover `picture`, uint8 [H, W, 3] in RGB, and may have another size. Raises DynastError where they cannot.
        """
        raise NotImplementedError


class FileParts(PartSource):
    """Masks in one file, for each frame or picture in turn."""

    frames: int

    def __init__(self, path: Path) -> None:
        self._file = PartsFile(path)
        self.origin, self.frames = str(path), self._file.frames

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        self.check_frame(frame_index)
        check_covers(self._file.size, picture.shape[1::-1], f"{self.origin}: the picture")
        return self._file.masks(frame_index)

    def close(self) -> None:
        self._file.close()


class PictureParts(PartSource):
    """Masks of one picture in a folder, found by its name."""

    frames = 1

    def __init__(self, folder: Path, picture: Path) -> None:
        files = find_mask_pictures(folder, picture.stem)
        if not files:
            raise DynastError(
                f"{folder}: no masks of {picture.name} ({picture.stem}_skin.png, {picture.stem}_nose.png, ...); a "
                "folder holds masks of pictures, those of a video come as one .npz"
            )
        self.origin = f"{folder}: masks of {picture.name}"
        self._masks = {part: read_mask(path) for part, path in files.items()}
        self._size = common_size(self._masks, self.origin)

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        self.check_frame(frame_index)
        check_covers(self._size, picture.shape[1::-1], f"{self.origin}: the picture")
        return {part: mask for part, mask in self._masks.items() if mask.any()}


class MediaPipeParts(PartSource):
    """Approximate parts from MediaPipe's face mesh: no ears, glasses or hair."""

    origin = "MediaPipe"

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        from dynast_deploy.keypoints.mediapipe_face import face_masks

        return face_masks(picture)


def resolve_parts(
    media_path: str | os.PathLike[str],
    parts_path: str | os.PathLike[str] | None = None,
    option: str = "--parts",
) -> PartSource:
    """The source of parts for a picture or video: the first of these that there is.

    Args:
        media_path: The picture or video; the file beside it is `NAME.parts.npz`.
        parts_path: What the user named: an `.npz` file (`PartsFile`), or a folder with masks of pictures
            (`mask_pictures.find_mask_pictures`).
        option: The command-line option that sets `parts_path`, for the error.

    Order: `parts_path`, the file beside the video, MediaPipe where it is installed. Raises a DynastError that lists
    them where there is none, and what reading a file raises.
    """
    media = Path(media_path)
    if parts_path is not None:
        parts = Path(parts_path)
        return PictureParts(parts, media) if parts.is_dir() else FileParts(parts)
    beside = find_parts_beside(media)
    if beside is not None:
        return FileParts(beside)
    if mediapipe_is_installed():
        return MediaPipeParts()
    raise DynastError(
        f"no parts of a face for {media}. Give them with {option} (.npz with masks for each part, or a folder of "
        f"CelebAMask-HQ's mask pictures), put them beside it as {media.stem}{SIDECAR_ENDING}, or have them estimated "
        "by MediaPipe: pip install 'dynast-deploy[pose]'"
    )


def find_parts_beside(media_path: str | os.PathLike[str]) -> Path | None:
    """The masks that lie beside a picture or video (`talk.parts.npz` for `talk.mp4`), or None."""
    media = Path(media_path)
    beside = media.parent / (media.stem + SIDECAR_ENDING)
    return beside if beside.exists() else None
