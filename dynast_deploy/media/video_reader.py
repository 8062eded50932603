"""Reading a video: upright RGB pictures with the times that the file states."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.media.frame_colours import RgbConverter, StatedColours, over_white
from dynast_deploy.media.frame_source import Frame, Policy, SoundSource, SourceEnd
from dynast_deploy.media.orientation import Orientation, square_pixel_size
from dynast_deploy.media.packets import Packets, read_only
from dynast_deploy.media.pyav import fraction
from dynast_deploy.media.sound_file import open_file_sound
from dynast_deploy.media.timestamps import LONGEST_STILL, ForwardClock
from dynast_deploy.media.video_contents import Contents, video_contents
from dynast_deploy.media.video_file import is_animated_webp, left_out, may_restart, open_video
from dynast_deploy.media.webm_alpha import WebmAlpha
from dynast_deploy.size import Size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


class VideoReader:
    """The frames of one video file, once, in the order they are shown; see `FrameSource`.

    A context manager and an iterator over `Frame`. Pictures are converted to RGB (see `RgbConverter`), scaled to square
    pixels by enlarging one side, and turned upright (display matrix). All have the size of the first: a stream that
    changes its size is scaled. High dynamic range is not tone-mapped.

    The file is gone through once before its first frame is decoded, to tell how much it holds (see `video_contents`).
    Damaged packets are skipped and counted; damage in the very last ones can cost as many frames as there are decoding
    threads, because PyAV gives up what the decoder still holds. Times only go forward (see `ForwardClock`).

    Iterating raises DynastError where the file cannot be read any further.
    """

    policy = Policy.WAIT

    def __init__(self, path: str | Path) -> None:
        """Open the file and decode its first frame.

        Raises:
            DynastError: As `video_file.open_video` says, for a file whose video has no frame that can be decoded, and
                for colours that cannot be converted to RGB.
        """
        self.path = Path(path)
        self.name, self.origin = self.path.name, str(self.path)
        self.damaged = 0
        """Packets skipped so far because they could not be read or decoded."""
        self._container, self._stream = open_video(self.path)
        self._count = 0
        self._ended = False
        try:
            contents = self._contents()
            self.frame_count = max(1, contents.frames)
            """Frames that the file holds and shows, whatever its header says; about so many if not `counts_frames`."""
            self.counts_frames = contents.exact
            """Whether just `frame_count` frames will be read, unless some are damaged."""
            self.missing = contents.missing
            """About how many frames the file ends before its stated length."""
            self.rate = contents.rate
            """Average frames per second, as they come; None where a single frame tells none."""
            self.time_base = fraction(self._stream.time_base) or Fraction(1, 1000)
            """The tick of the file's video clock, in seconds."""
            self.duration = _duration(self._container, self._stream)
            """Stated length in seconds; None where the file states none."""
            self.has_audio = bool(self._container.streams.audio)
            """Whether there is a sound stream."""
            self.metadata = self._container.metadata
            """What the file says of itself: title, date and so on."""
            self.stream_metadata = self._stream.metadata
            """What it says of its pictures."""
            self.left_out = left_out(self._container)
            """A few words on each kind of stream that is neither this one nor sound."""
            read_only(self._container, self._stream)
            self._stream.thread_type = "AUTO"
            codec = self._stream.codec_context.codec.canonical_name
            self._alpha = WebmAlpha(codec) if contents.has_alpha and codec in ("vp8", "vp9") else None
            self._step = 1 / self.rate if self.rate else Fraction(1, 25)
            self._clock = ForwardClock(may_restart=may_restart(self._container))
            self._colours = RgbConverter(self.path, StatedColours.of(self._container, self._stream))
            self._decoded = self._decode()
            self._first: VideoFrame | None = next(self._decoded, None)
            if self._first is None:
                raise DynastError(self._no_frames())
            self._colours.matrix(self._first)  # refused before any work is done
            self._stored_size = square_pixel_size(
                Size(self._first.height, self._first.width), fraction(self._stream.sample_aspect_ratio)
            )
            self._orientation = _orientation(self._first)
        except BaseException:
            self._container.close()
            raise
        self.size = self._orientation.size(self._stored_size)
        """That of every picture, upright."""

    @property
    def end(self) -> SourceEnd | None:
        """Why there are no more frames; None as long as there may be more."""
        if not self._ended:
            return None
        return SourceEnd.INCOMPLETE if self.missing or self.damaged else SourceEnd.COMPLETE

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

    def open_sound(self) -> list[SoundSource]:
        """Every sound stream of the file, each opened apart from the pictures.

        Raises:
            OSError: Where the file cannot be opened any more.
        """
        return list(open_file_sound(self.path))

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
                self._ended = True
                raise
        duration = (stored.duration or 0) * self.time_base
        if not 0 < duration <= LONGEST_STILL:
            duration = self._step
        time = self._clock.stamp(self._stated_time(stored), self._step)
        frame = Frame(self._picture(stored), time, duration, self._count)
        self._count += 1
        return frame

    def close(self) -> None:
        """Close the file; safe to call again. No frame can be read after it."""
        self._first = None
        self._decoded.close()
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _contents(self) -> Contents:
        try:
            return video_contents(self.path, self._stream.index)
        except OSError as error:
            raise self._unreadable(error) from error

    def _decode(self) -> Generator[VideoFrame, None, None]:
        from av.error import FFmpegError

        packets = Packets(self._container, self._stream)
        unreadable = decoded = 0
        try:
            # After the last packet, None makes the decoder give out what it holds back.
            for packet in chain(packets, [None]):
                self.damaged += packets.damaged - unreadable
                unreadable = packets.damaged
                if self._alpha is not None and packet is not None:
                    self.damaged += not self._alpha.add(packet)
                try:
                    frames = self._stream.decode(packet)
                except FFmpegError:
                    self.damaged += 1
                else:
                    decoded += len(frames)
                    yield from frames
        except OSError as error:
            raise self._unreadable(error) from error
        if self.counts_frames and not self.damaged:
            # Decoders give up some damaged frames without a word.
            self.damaged = max(0, self.frame_count - decoded)

    def _unreadable(self, error: OSError) -> DynastError:
        return DynastError(f"{self.path} cannot be read any further: {error.strerror}")

    def _stated_time(self, frame: VideoFrame) -> Fraction | None:
        # AVI stores the order of decoding only; the presentation times derived from it are wrong with B-frames.
        stamps = (frame.dts, frame.pts) if self._container.format.name == "avi" else (frame.pts, frame.dts)
        stamp = next((stamp for stamp in stamps if stamp is not None), None)
        return None if stamp is None else stamp * self.time_base

    def _picture(self, frame: VideoFrame) -> np.ndarray:
        import cv2

        picture = self._colours.convert(frame)
        alpha = self._alpha.take(frame.pts) if self._alpha is not None else None
        if alpha is not None and alpha.shape == picture.shape[:2]:
            picture = over_white(np.dstack([picture, alpha]))
        size = self._stored_size
        if (frame.height, frame.width) != size:
            smaller = frame.width > size.width or frame.height > size.height
            picture = cv2.resize(
                picture, size.width_height, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            )
        return self._orientation.apply(picture)

    def _no_frames(self) -> str:
        if is_animated_webp(self.path):
            return f"{self.path} is an animated WebP, which this FFmpeg does not decode; make it a GIF or MP4 first"
        if self.damaged:
            return f"{self.path} holds no frame that can be decoded ({self.damaged} packets are damaged); copy it again"
        return f"{self.path} ends before its first frame; record or copy it again"


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    tick = fraction(stream.time_base)
    if stream.duration is not None and tick is not None:
        return stream.duration * tick
    return None if container.duration is None else Fraction(container.duration, 1_000_000)


def _orientation(frame: VideoFrame) -> Orientation:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return Orientation() if matrix is None else Orientation.from_display_matrix(bytes(matrix))
