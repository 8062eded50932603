"""Where the parts of a face come from: what the user names, a file next to the video, or MediaPipe's networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dynast_deploy.condition_input import ConditionInput, SourceMessages
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts.mask_pictures import (
    check_covers,
    common_size,
    find_mask_pictures,
    read_label_map,
    read_mask,
)
from dynast_deploy.face_parts.parts_file import PartsFile
from dynast_deploy.files.names import find_beside
from dynast_deploy.keypoints.mediapipe_face import FACE_NETWORKS, FaceMesh, face_masks
from dynast_deploy.keypoints.mediapipe_models import FETCH_COMMAND, find_models
from dynast_deploy.size import Size

SIDECAR_ENDING = ".parts.npz"
"""What follows a video's or picture's name without its own ending."""

LABEL_MAP_ENDINGS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")


class PartSource(ConditionInput):
    """The parts of a face in one picture or video."""

    words = SourceMessages("parts", "masks of each part", "parts", "no face", "the face")

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Masks bool [h, w] of every part that is visible in frame `frame_index`, from 0; empty where no face is.

        They cover `picture`, uint8 [H, W, 3] in RGB, and may have another size.

        Raises:
            DynastError: Where there are none for the frame, or they have other proportions than the picture.
        """
        raise NotImplementedError


class FileParts(PartSource):
    """Masks in one file, for each frame or picture in turn."""

    frames: int

    def __init__(self, path: Path) -> None:
        self._file = PartsFile(path)
        self.origin, self.frames = str(path), self._file.frames

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        """The masks of a frame, see `PartSource.masks`.

        Raises:
            DynastError: Where the file holds none for it, is damaged, or does not fit the picture.
        """
        self.check_frame(frame_index)
        check_covers(self._file.size, Size.of(picture), f"{self.origin}: the picture")
        return self._file.masks(frame_index)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PictureParts(PartSource):
    """Masks of one picture: pictures in a folder, found by its name, or one picture of labels."""

    frames = 1

    def __init__(self, parts: Path, picture: Path) -> None:
        """`parts` is the folder, in which `NAME.png` of labels will do as well, or the picture of labels.

        Raises:
            DynastError: Where there are no masks of the picture, or they cannot be read or differ in size.
        """
        files = find_mask_pictures(parts, picture.stem) if parts.is_dir() else {}
        label_map = parts / f"{picture.stem}.png" if parts.is_dir() else parts
        self.origin = f"{parts}: masks of {picture.name}"
        if files:
            self._masks = {part: read_mask(path) for part, path in files.items()}
        elif label_map.is_file() and not (picture.exists() and label_map.samefile(picture)):
            self._masks = read_label_map(label_map)
        else:
            stem = picture.stem
            raise DynastError(
                f"{parts}: no masks of {picture.name} ({stem}_skin.png, {stem}_nose.png, ...); a folder holds masks of "
                f"pictures, or their labels ({stem}.png); those of a video come as one .npz"
            )
        self._size = common_size(self._masks, self.origin) if self._masks else None

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        """The masks of the picture, see `PartSource.masks`.

        Raises:
            DynastError: Where they do not fit it, or a second picture is asked for.
        """
        self.check_frame(frame_index)
        if self._size is not None:
            check_covers(self._size, Size.of(picture), f"{self.origin}: the picture")
        return {part: mask for part, mask in self._masks.items() if mask.any()}


class MediaPipeParts(PartSource):
    """Approximate parts from MediaPipe's face mesh: no ears, glasses or hair."""

    def __init__(self, models: Path) -> None:
        self.origin = f"MediaPipe's models in {models}"
        self._mesh = FaceMesh(models)

    def masks(self, frame_index: int, picture: np.ndarray) -> dict[str, np.ndarray]:
        """The masks of the largest face in `picture`, see `PartSource.masks`.

        Raises:
            DynastError: Where the networks give something else than MediaPipe's do.
        """
        return face_masks(picture, self._mesh)


def resolve_parts(
    media_path: str | os.PathLike[str],
    parts_path: str | os.PathLike[str] | None = None,
    option: str = "--parts",
    pictures: Sequence[Path] | None = None,
    shares_name: bool = False,
) -> PartSource:
    """The source of parts for a picture or video: the first of these that there is.

    Args:
        media_path: The picture or video; the file next to it is `NAME.parts.npz`.
        parts_path: What the user named: an `.npz` file (`PartsFile`), a picture of labels, or a folder with masks of
            pictures (`mask_pictures.find_mask_pictures`) or labels.
        option: The command-line option that sets `parts_path`, for the error.
        pictures: The pictures that the parts are for, in their order; None for a video.
        shares_name: Whether a picture of the same name lies next to the video (`parts_beside`).

    Order: `parts_path`, the file next to the video, MediaPipe's networks where they are on this machine.

    Raises:
        DynastError: Where there is none of them, with a message that lists them, or a file cannot be read.
    """
    media = Path(media_path)
    if parts_path is not None:
        parts = Path(parts_path)
        of_pictures = parts.is_dir() or (parts.is_file() and parts.suffix.lower() in LABEL_MAP_ENDINGS)
        source = PictureParts(parts, media) if of_pictures else FileParts(parts)
        if pictures is not None:
            source.check_pictures(pictures)
        return source
    sidecar = parts_beside(media, pictures is not None, shares_name)
    if sidecar is not None:
        return sidecar
    models = find_models(FACE_NETWORKS)
    if models is not None:
        return MediaPipeParts(models)
    raise DynastError(
        f"no parts of a face for {media}{_passed_over(media)}. Give them with {option} (.npz with masks for each part, "
        f"or a folder of CelebAMask-HQ's mask pictures), put them next to it as {media.stem}{SIDECAR_ENDING}, or have "
        f"them estimated by MediaPipe's networks, which come with: {FETCH_COMMAND}"
    )


def find_parts_beside(media_path: str | os.PathLike[str]) -> Path | None:
    """The masks that lie next to a picture or video (`talk.parts.npz` for `talk.mp4`), or None; see `find_beside`."""
    return find_beside(Path(media_path), [SIDECAR_ENDING])


def parts_beside(media: Path, is_picture: bool, shares_name: bool = False) -> FileParts | None:
    """The masks that lie next to a picture or video, where they are its own.

    Of a picture and a video of one name, a file with masks for one frame is the picture's, any other the video's.
    `shares_name` says of a video that there is such a picture.

    Raises:
        DynastError: Where the file cannot be read.
    """
    sidecar = find_parts_beside(media)
    if sidecar is None:
        return None
    source = FileParts(sidecar)
    is_of_picture = source.frames == 1
    if is_of_picture != is_picture and (is_picture or shares_name):
        source.close()
        return None
    return source


def _passed_over(media: Path) -> str:
    sidecar = find_parts_beside(media)
    return f" ({sidecar} is of another picture or video of that name)" if sidecar else ""
