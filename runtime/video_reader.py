"""Reading a video: upright RGB pictures with the times that the file states."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.orientation import Orientation, square_pixel_size
from dynast_deploy.runtime.pyav import fraction
from dynast_deploy.runtime.timestamps import LONGEST_STILL, ForwardClock
from dynast_deploy.runtime.video_file import is_animated_webp, may_restart, open_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Reads that fail one after the other before the rest of a file is given up.
_MOST_FAILED_READS = 1000
# AVColorSpace numbers that swscale converts from: 0 is RGB, the others are YUV matrices.
_KNOWN_MATRICES = frozenset({0, 1, 4, 5, 6, 7, 9, 10})


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    picture: np.ndarray
    """uint8 [H, W, 3], RGB, upright, square pixels."""
    time: Fraction
    """When it is shown, in seconds of the file's own clock: pts times time base, exactly."""
    duration: Fraction
    """How long it is shown, in seconds; the usual distance of two frames where the file does not say."""
    index: int
    """0 for the first frame that could be decoded."""


class VideoReader:
    """The frames of one video file, once, in the order they are shown.

    A context manager and an iterator over `Frame`. Pictures are turned upright (display matrix), scaled to square
    pixels by enlarging one side, and converted with the matrix and range the file states; where it states none,
    BT.709 from 720 lines or 1280 columns up and BT.601 below. All have the size of the first: a stream that
    changes its size is scaled. High dynamic range is not tone-mapped.

    Damaged packets are skipped and counted; damage in the very last ones can cost as many frames as there are
    decoding threads, because PyAV gives up what the decoder still holds. Times only go forward (see `ForwardClock`).

    Raises DynastError as `video_file.open_video` does, and for a file whose video has no frame that can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        from av.video.reformatter import VideoReformatter

        self.path = Path(path)
        self.damaged = 0
        """Packets skipped so far because they could not be read or decoded."""
        self.missing = 0
        """About how many frames the file ends before its stated length; known once all frames are read."""
        self._container, self._stream = open_video(self.path)
        self._stream.thread_type = "AUTO"
        self.time_base = fraction(self._stream.time_base) or Fraction(1, 1000)
        """The tick of the file's video clock, in seconds."""
        self.rate = _rate(self._stream)
        """Average frames per second; None where the file does not tell."""
        self.duration = _duration(self._container, self._stream)
        """Stated length in seconds; None where the file states none."""
        self.frame_count: int | None = self._stream.frames or None
        """Stated number of frames, or what length and rate amount to; None where they are not stated."""
        self.counts_frames = self.frame_count is not None
        """Whether the file states how many frames it holds, not just how long it lasts."""
        if self.frame_count is None and self.duration is not None and self.rate is not None:
            self.frame_count = max(1, round(self.duration * self.rate))
        self.has_audio = bool(self._container.streams.audio)
        """Whether there is a sound stream."""
        self._stated_end, self._ends_with_pictures = _stated_end(self._container, self._stream)
        self._clock = ForwardClock(may_restart=may_restart(self._container))
        self._reformatter = VideoReformatter()
        self._closed = False
        self._count = 0
        self._start: Fraction | None = None
        self._last: Fraction | None = None
        self._end: Fraction | None = None
        self._last_packet_end = Fraction(0)
        self._decoded = self._decode()
        try:
            self._first: VideoFrame | None = next(self._decoded, None)
            if self._first is None:
                raise DynastError(self._no_frames())
            self._stored_size = square_pixel_size(
                self._first.width, self._first.height, fraction(self._stream.sample_aspect_ratio)
            )
            self._orientation = _orientation(self._first)
        except BaseException:
            self._container.close()
            raise
        self.size = self._orientation.size(*self._stored_size)
        """(width, height) of every picture, upright."""

    @property
    def warning(self) -> str | None:
        """One line on what was wrong with the file, complete once all frames are read; None when nothing was."""
        faults = []
        if self.damaged:
            faults.append(f"{self.damaged} damaged packet{'s' if self.damaged > 1 else ''} skipped")
        if self.missing:
            faults.append(
                f"ends about {self.missing} frame{'s' if self.missing > 1 else ''} before its stated length"
            )
        return f"{self.path}: {', '.join(faults)}" if faults else None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        stored = self._first
        if stored is not None:
            self._first = None
        else:
            try:
                stored = next(self._decoded)
            except StopIteration:
                if not self._closed:
                    self.missing = self._shortfall()
                raise
        step = self._step()
        duration = (stored.duration or 0) * self.time_base
        if not 0 < duration <= LONGEST_STILL:
            duration = step
        time = self._clock.stamp(self._stated_time(stored), step)
        if self._start is None:
            self._start = time
        self._last = time
        self._end = time + duration
        frame = Frame(self._picture(stored), time, duration, self._count)
        self._count += 1
        return frame

    def close(self) -> None:
        """Close the file; safe to call again. No frame can be read after it."""
        self._closed = True
        self._first = None
        self._decoded.close()
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self) -> Generator[VideoFrame, None, None]:
        from av.error import FFmpegError

        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except FFmpegError:
                self.damaged += 1
            else:
                yield from frames

    def _packets(self) -> Iterator[Packet | None]:
        """The packets of the video stream, then None, which makes the decoder give out what it holds back."""
        from av.error import FFmpegError

        failed = 0
        while failed < _MOST_FAILED_READS:
            try:
                # Sound is read along to see where the file ends.
                for packet in self._container.demux():
                    failed = 0
                    if not packet.size:
                        continue
                    tick = fraction(packet.time_base)
                    if packet.pts is not None and tick is not None:
                        end = (packet.pts + (packet.duration or 0)) * tick
                        self._last_packet_end = max(self._last_packet_end, end)
                    if packet.stream_index == self._stream.index:
                        yield packet
                break
            except OSError as error:
                raise DynastError(f"{self.path} cannot be read any further: {error.strerror}") from error
            except (FFmpegError, IndexError):
                # PyAV raises the second where damage in a transport stream looks like one more stream.
                self.damaged += 1
                failed += 1
        yield None

    def _stated_time(self, frame: VideoFrame) -> Fraction | None:
        # AVI stores the order of decoding only; the presentation times derived from it are wrong with B-frames.
        stamps = (frame.dts, frame.pts) if self._container.format.name == "avi" else (frame.pts, frame.dts)
        stamp = next((stamp for stamp in stamps if stamp is not None), None)
        return None if stamp is None else stamp * self.time_base

    def _picture(self, frame: VideoFrame) -> np.ndarray:
        from av.video.reformatter import Colorspace, Interpolation

        width, height = self._stored_size
        scaled = (frame.width, frame.height) != self._stored_size
        matrix = None
        if int(frame.colorspace) not in _KNOWN_MATRICES and not frame.format.is_rgb:
            high_definition = frame.width >= 1280 or frame.height >= 720
            matrix = Colorspace.ITU709 if high_definition else Colorspace.ITU601
        picture = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=matrix,
            interpolation=Interpolation.BICUBIC if scaled else None,
        ).to_ndarray()
        return self._orientation.apply(picture)

    def _step(self) -> Fraction:
        """The usual distance of two frames, in seconds."""
        if self.rate is not None:
            return 1 / self.rate
        if self._count > 1 and self._start is not None and self._last is not None:
            return (self._last - self._start) / (self._count - 1)
        return Fraction(1, 25)

    def _shortfall(self) -> int:
        """About how many frames lie between the last one and the stated end of the file."""
        if self._end is None or self._stated_end is None:
            return 0
        seen = self._end if self._ends_with_pictures else max(self._end, self._last_packet_end)
        gap = self._stated_end - seen
        step = self._step()
        if gap < max(step * 3 / 2, Fraction(1, 10)):
            return 0
        return max(1, round(gap / step))

    def _no_frames(self) -> str:
        if is_animated_webp(self.path):
            return f"{self.path} is an animated WebP, which this FFmpeg does not decode; make it a GIF or MP4 first"
        if self.damaged:
            return f"{self.path} holds no frame that can be decoded ({self.damaged} packets are damaged); copy it again"
        return f"{self.path} ends before its first frame; record or copy it again"


def _rate(stream: VideoStream) -> Fraction | None:
    rates = map(fraction, (stream.average_rate, stream.guessed_rate, stream.base_rate))
    # Some headers give the clock's ticks a second as the rate, and damaged ones anything.
    return next((rate for rate in rates if rate and 1 / LONGEST_STILL <= rate <= 1000), None)


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    tick = fraction(stream.time_base)
    if stream.duration is not None and tick is not None:
        return stream.duration * tick
    return None if container.duration is None else Fraction(container.duration, 1_000_000)


def _stated_end(container: InputContainer, stream: VideoStream) -> tuple[Fraction | None, bool]:
    """When the file says that it ends, in seconds of its clock, and whether it says so of its pictures alone."""
    if may_restart(container):
        return None, False
    tick = fraction(stream.time_base)
    if stream.duration is not None and tick is not None:
        return ((stream.start_time or 0) + stream.duration) * tick, True
    if (tag := _seconds(stream.metadata.get("DURATION", ""))) is not None:
        return tag, True
    if container.duration is not None:
        return Fraction((container.start_time or 0) + container.duration, 1_000_000), False
    return None, False


def _orientation(frame: VideoFrame) -> Orientation:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return Orientation() if matrix is None else Orientation.from_display_matrix(bytes(matrix))


def _seconds(text: str) -> Fraction | None:
    """Matroska's DURATION tag, "00:00:01.499000000", in seconds."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
