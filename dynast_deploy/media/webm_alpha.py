"""The transparency that WebM stores next to its frames: a second video of VP8 or VP9, in BlockAdditions number 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext

_ALPHA = (1).to_bytes(8, "big")


def alpha_of(packet: Packet[Any]) -> bytes | None:
    """The coded transparency that comes with a packet; None where its frame has none."""
    if not packet.has_sidedata("matroska_block_additional"):
        return None
    stored = bytes(packet.get_sidedata("matroska_block_additional"))
    return stored[8:] if stored[:8] == _ALPHA else None


class WebmAlpha:
    """Decodes the transparency of one video next to its frames, which are decoded elsewhere.

    FFmpeg's own decoders leave it out, and libvpx's give up frames that have none among others that do.
    """

    def __init__(self, codec: str) -> None:
        """`codec` is that of the video, "vp8" or "vp9"."""
        from av.video.codeccontext import VideoCodecContext

        self._decoder = cast("VideoCodecContext", VideoCodecContext.create(codec, "r"))
        # One thread, so that each comes out at once, and never after its frame.
        self._decoder.thread_count = 1
        self._waiting: dict[int, np.ndarray] = {}

    def add(self, packet: Packet[Any]) -> bool:
        """Decode what comes with a packet; False where it is damaged, and its frame stays opaque."""
        from av.error import FFmpegError
        from av.packet import Packet as NewPacket

        coded = alpha_of(packet)
        if coded is None or packet.pts is None:
            return True
        try:
            frames = self._decoder.decode(NewPacket(coded))
        except FFmpegError:
            return False
        for frame in frames:
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            self._waiting[packet.pts] = rows[:, : plane.width].copy()
        return True

    def take(self, pts: int | None) -> np.ndarray | None:
        """uint8 [H, W] of the frame at `pts`, which is asked for once, in order; None where it is opaque."""
        if pts is None:
            return None
        found = self._waiting.pop(pts, None)
        self._waiting = {time: alpha for time, alpha in self._waiting.items() if time > pts}
        return found
