"""Arrays that engines take and give: shapes, types and ranges are checked here."""

from __future__ import annotations

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.engine import EngineInfo

SLACK = 0.01
"""How far floats may lie beyond their range, by resizing or rounding."""


def network_input(
    name: str, array: np.ndarray, channels: int, info: EngineInfo, dtype: str = "float32", lowest: float = 0
) -> np.ndarray:
    """An array as an engine takes it, contiguous; bytes become floats, or floats bytes, where the engine needs that.

    Args:
        name: What messages call it.
        array: `[N, channels, H, W]`, uint8 in 0..255 or floats in `lowest`..1.
        channels: Of the array.
        info: Of the engine, for height, width and messages.
        dtype: "uint8", or the type of floats that the engine takes.
        lowest: The least float: 0 for conditions, -1 for pictures.

    Raises:
        DynastError: For another shape or type, floats beyond that range, and NaN.
    """
    expected = (channels, info.height, info.width)
    if array.ndim != 4 or array.shape[1:] != expected or not array.shape[0]:
        raise DynastError(
            f"{name} has shape {list(array.shape)}; {info.source} needs [N, {', '.join(map(str, expected))}]"
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DynastError(f"{name} is {array.dtype}; it must be float32, or uint8")
    if array.dtype != np.uint8:
        _check_range(name, array, lowest)
    if dtype == "uint8":
        if array.dtype != np.uint8:
            array = np.rint(np.clip((array - lowest) / (1 - lowest), 0, 1) * 255)
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype == np.uint8:
        array = np.divide(array, 255, dtype=np.float32)
        if lowest:
            array = array * np.float32(1 - lowest) + np.float32(lowest)
    return np.ascontiguousarray(array, dtype)


def _check_range(name: str, array: np.ndarray, lowest: float) -> None:
    least, most = float(array.min()), float(array.max())
    if lowest - SLACK <= least and most <= 1 + SLACK:
        return
    if np.isnan(least):  # a minimum of what holds NaN is NaN
        raise DynastError(f"{name} holds NaN; repair or leave out this picture")
    raise DynastError(
        f"{name} lies in {least:.4g}..{most:.4g}; floats must lie in {lowest:g}..1: scale it, or give 0..255 as uint8"
    )


def check_images(images: np.ndarray, source: str) -> None:
    """Check that images, or a sum of each, hold neither NaN nor infinite values, which would be seen as black.

    They may have any shape.

    Raises:
        DynastError: Where they do; it names `source`, the engine's file.
    """
    if not np.isfinite(images).all():
        raise DynastError(
            f"{source}: it gives NaN or infinite values for this input; if it computes in float16, take the float32 "
            "file it came from, or make another: dynast calibrate model.onnx --fp16 --data ..."
        )


def float_images(images: np.ndarray) -> np.ndarray:
    """Images of any shape as float32 in -1..1; uint8 in 0..255 stands for the same range."""
    if images.dtype == np.uint8:
        return images / np.float32(127.5) - np.float32(1)
    return images.astype(np.float32, copy=False)
