"""Pictures as the network takes and gives them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dynast_deploy.errors import DynastError
from dynast_deploy.size import AnySize, checked_size


def picture_tensor(photo: np.ndarray, size: AnySize = 256) -> np.ndarray:
    """A photo as the network takes its exemplar: the transform of the published training, to the last bit.

    Args:
        photo: uint8 [H, W, 3], RGB.
        size: AnySize of the tensor: an integer for a square, or (height, width). Another shape is stretched.

    Returns:
        float32 [3, H, W] in -1..1, resized with Pillow's bicubic filter.

    Raises:
        DynastError: Where `photo` is not an RGB picture or `size` not a size.
    """
    half = np.float32(0.5)
    return (_resized_planes(photo, size).astype(np.float32) / np.float32(255) - half) / half


def tensor_picture(image: np.ndarray) -> np.ndarray:
    """A picture from the network's output: float [3, H, W] in -1..1 to uint8 [H, W, 3], rounded, cut at 0
    and 255."""
    levels = np.clip(np.rint((image.transpose(1, 2, 0) + 1) * 127.5), 0, 255)
    return levels.astype(np.uint8)


def style_condition(photo: np.ndarray, size: AnySize = 256) -> np.ndarray:
    """Style transfer's condition: the content picture itself, resized as `picture_tensor` does.

    Takes what `picture_tensor` takes; gives uint8 [3, H, W], 0..255 for the network's 0..1.

    Raises:
        DynastError: Where `photo` is not an RGB picture or `size` not a size.
    """
    return _resized_planes(photo, size)


def checked_photo(photo: np.ndarray) -> np.ndarray:
    """`photo`, which must be a uint8 [H, W, 3] array with pixels in it.

    Raises:
        DynastError: Where it is not.
    """
    array = np.asarray(photo)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise DynastError(
            f"picture is {array.dtype} {list(array.shape)}; uint8 [height, width, 3] in RGB is wanted"
        )
    return array


def _resized_planes(photo: np.ndarray, size: AnySize) -> np.ndarray:
    width_height = checked_size(size).width_height
    picture = Image.fromarray(checked_photo(photo))
    resized = np.asarray(picture.resize(width_height, Image.Resampling.BICUBIC))
    return np.ascontiguousarray(resized.transpose(2, 0, 1))
