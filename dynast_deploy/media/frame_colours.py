"""Decoded frames of any pixel format as 8-bit RGB: matrix, range, gamut and transparency."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.media.wide_gamut import is_wide, to_bt709

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Numbers of ITU-T H.273, which are FFmpeg's, too. The matrix 0 is RGB, which YUV cannot be.
_UNSPECIFIED = frozenset({0, 2, 3})
_CONVERTED = frozenset({1, 4, 5, 6, 7, 9})
_NOT_CONVERTED = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "SMPTE ST 2085",
    12: "derived from the primaries",
    13: "derived from the primaries, with constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_BT709, _BT601 = 1, 5
_LIMITED, _FULL = 1, 2
# Containers whose statement goes before that of the coded pictures, as ISO/IEC 14496-12 says in 12.1.5.
_STATING = frozenset({"mov", "matroska"})
# Bilinear, with colour interpolated in full: swscale is two levels too dark without, except on its fast way, which 8
# bits, 4:2:0 and an even height still take.
_SCALING = 2 | 8192
# uint8 [256]: grey of limited range, which swscale takes for full range, to the grey it means.
_FROM_LIMITED = ((np.arange(256) - 16) / 219 * 255).round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class StatedColours:
    """What a container says of its pictures' colours; None where it leaves that to the pictures themselves."""

    matrix: int | None = None
    full_range: bool | None = None
    primaries: int | None = None
    transfer: int | None = None

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> StatedColours:
        """Ask before the first frame is decoded: a decoder puts its own statement in this place."""
        if not _STATING & set(container.format.name.split(",")):
            return cls()
        context = stream.codec_context
        numbers = (context.colorspace, context.color_primaries, context.color_trc)
        matrix, primaries, transfer = (
            None if int(number) in _UNSPECIFIED else int(number) for number in numbers
        )
        colour_range = int(context.color_range)
        full_range = colour_range == _FULL if colour_range in (_LIMITED, _FULL) else None
        return cls(matrix, full_range, primaries, transfer)


class RgbConverter:
    """Converts the frames of the video file `path`.

    The matrix and the range are the container's where it states them, else the frame's. Without either, BT.709 is
    taken from 720 lines or 1280 columns up and BT.601 below; the range is then limited for YUV and full for grey.
    Transparency is laid over white, as in pictures, and wide gamut is converted to that of BT.709; high dynamic range
    is left as it is.
    """

    def __init__(self, path: Path, stated: StatedColours) -> None:
        from av.video.reformatter import VideoReformatter

        self._path = path
        self._stated = stated
        self._reformatter = VideoReformatter()

    def matrix(self, frame: VideoFrame) -> int | None:
        """The matrix of `frame`, as H.273 numbers it; None for RGB and grey.

        Raises:
            DynastError: For a matrix that is not known.
        """
        if frame.format.is_rgb or frame.format.has_palette or _is_grey(frame.format):
            return None
        matrix = self._stated.matrix or int(frame.colorspace)
        if matrix in _UNSPECIFIED:
            return _BT709 if frame.width >= 1280 or frame.height >= 720 else _BT601
        if matrix not in _CONVERTED:
            name = _NOT_CONVERTED.get(matrix, f"number {matrix} of ITU-T H.273")
            raise DynastError(
                f"{self._path}: the matrix of its colours ({name}) cannot be converted to RGB; "
                "convert the video to BT.709 first"
            )
        return matrix

    def convert(self, frame: VideoFrame) -> np.ndarray:
        """uint8 [H, W, 3] of the size of `frame`.

        Raises:
            DynastError: For a matrix that cannot be converted from.
        """
        kind = frame.format
        transparent = kind.has_palette or any(component.is_alpha for component in kind.components)
        if (matrix := self.matrix(frame)) is not None:
            frame.colorspace = matrix
        if (full_range := self._stated.full_range) is not None:
            if not full_range and kind.name.startswith("yuvj"):
                # This pixel format says "full range" whatever else is said; its values stay as they are.
                frame = self._reformatter.reformat(
                    frame, format=kind.name.replace("j", ""), dst_color_range=_FULL
                )
            frame.color_range = _FULL if full_range else _LIMITED
        picture = self._reformatter.reformat(
            frame, format="rgba" if transparent else "rgb24", interpolation=_SCALING
        ).to_ndarray()
        if _is_grey(kind) and kind.components[0].bits >= 8 and int(frame.color_range) == _LIMITED:
            picture[..., :3] = _FROM_LIMITED[picture[..., :3]]
        if transparent:
            picture = over_white(picture)
        primaries = self._stated.primaries or int(frame.color_primaries)
        transfer = self._stated.transfer or int(frame.color_trc)
        return to_bt709(picture, primaries) if is_wide(primaries, transfer) else picture


def _is_grey(kind: VideoFormat) -> bool:
    return len(kind.components) <= 2 and not kind.has_palette


def over_white(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] with straight alpha, laid over white: uint8 [H, W, 3]."""
    alpha = picture[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(picture[..., :3])
    return ((picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
