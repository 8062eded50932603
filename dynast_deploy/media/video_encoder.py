"""Pictures encoded as one video stream, the same on every machine."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.size import Size

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# The same on every machine: left to themselves, encoders cut pictures into as many slices as there are cores, and x264
# chooses differently with the instructions a processor has.
_ENCODER_THREADS = 4
_SAME_EVERYWHERE = {"x264-params": "cpu-independent=1"}
# Bilinear and SWS_BITEXACT: without, swscale's vector code rounds differently from its plain code.
_SCALING = 2 | 1 << 19


class VideoEncoder:
    """A video stream of `output`: limited-range BT.709 in 4:2:0, no B-frames, constant quality.

    An odd side is stored with its last row or column repeated once, because 4:2:0 colour needs even sides.
    """

    def __init__(
        self,
        output: OutputContainer,
        encoder: str,
        size: Size,
        rate: Fraction,
        time_base: Fraction,
        *,
        crf: int,
        preset: str,
        destination: str,
    ) -> None:
        """Add the stream.

        Args:
            output: Where packets go; nothing is written to it here.
            encoder: FFmpeg's name: libx264 or libvpx-vp9.
            size: The size of the pictures.
            rate: Frames per second, on average.
            time_base: The tick in which times are stated, in seconds.
            crf: The constant quality of x264, lower is better and larger.
            preset: Of x264.
            destination: What a message calls the output.

        Raises:
            DynastError: Where this PyAV has no such encoder.
        """
        from av.codec.codec import UnknownCodecError
        from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter

        try:
            stream = cast("VideoStream", output.add_stream(encoder, rate=rate))
        except UnknownCodecError as error:
            raise DynastError(
                f"{destination}: this PyAV was built without {encoder}; install the wheel: pip install av"
            ) from error
        context = stream.codec_context
        context.width, context.height = size.width + size.width % 2, size.height + size.height % 2
        context.pix_fmt = "yuv420p"
        context.time_base = time_base
        context.max_b_frames = 0
        context.thread_type, context.thread_count = "FRAME", _ENCODER_THREADS
        context.colorspace = 1  # AVCOL_SPC_BT709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        if encoder == "libx264":
            stream.options = {"crf": str(crf), "preset": preset, **_SAME_EVERYWHERE}
        else:
            # VP9's scale of quality is its own: 30 of 63 looks like 18 of 51 in H.264.
            vp9_crf = str(min(63, round(crf * 5 / 3)))
            stream.options = {"crf": vp9_crf, "deadline": "good", "cpu-used": "5", "row-mt": "1"}
        self.stream = stream
        self._time_base = time_base
        self._last_tick = -1
        self._durations: dict[int, int] = {}
        self._reformatter = VideoReformatter()

    def encode(self, picture: np.ndarray, time: Fraction, duration: Fraction) -> list[Packet[Any]]:
        """The packets that are ready after one more picture, uint8 [H, W, 3] RGB, shown from `time` on, in seconds."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        height, width = picture.shape[:2]
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=_SCALING,
        )
        # Two times closer than a tick must not fall together.
        self._last_tick = max(round(time / self._time_base), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, self._time_base
        self._durations[self._last_tick] = max(1, round(duration / self._time_base))
        return self._timed(self.stream.encode(frame))

    def finish(self) -> list[Packet[Any]]:
        """The packets that the encoder still holds; no picture can be added after it."""
        return self._timed(self.stream.encode(None))

    def _timed(self, packets: list[Packet[Any]]) -> list[Packet[Any]]:
        """Containers work durations out from the distance of two packets; the last one has only its own."""
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
        return packets
