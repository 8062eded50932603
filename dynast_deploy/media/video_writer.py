"""Writing a video: pictures at given times, with the sound of the video they came from."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile, is_write_failure, write_failure
from dynast_deploy.media.frame_source import FrameSource
from dynast_deploy.media.kept_metadata import kept_of_container, kept_of_stream
from dynast_deploy.media.sound_tracks import SoundTracks
from dynast_deploy.media.video_containers import Container, container_of
from dynast_deploy.media.video_encoder import VideoEncoder
from dynast_deploy.size import Size

if TYPE_CHECKING:
    from av.packet import Packet

# Writes that fail one after the other before the fault is no longer put down to damaged sound.
_MOST_FAILED_WRITES = 100
# Beyond this H.264 encoders refuse.
_LARGEST_SIDE = 16384


class VideoWriter:
    """Writes `path`; its suffix chooses MP4, MOV, MKV (all H.264) or WebM (VP9).

    A `FrameSink`. An odd side is stored with its last row or column repeated once, because 4:2:0 colour needs even
    sides.

    Colours are stored as limited-range BT.709, converted so and tagged so. There are no B-frames, so the order of
    packets is that of the pictures and the last picture's duration is stated exactly; times are exact in MP4 and MOV
    where the source's clock is no finer than 1/1000000 s, and rounded to the millisecond by MKV and WebM. The same
    pictures give the same coded video on every machine, whatever its processor and however many cores it has.

    Of the source all sound is kept, its languages and titles, and the title, date and other metadata of the file;
    `note` says what was re-encoded or left out.

    The file appears under its name on `finish`; an existing one stays until then. As a context manager it finishes on
    leaving normally and removes the unfinished file on an exception; to keep what is done when the user presses Ctrl-C,
    catch KeyboardInterrupt inside it and call `finish(cut_sound=True)`.
    """

    def __init__(
        self,
        path: str | Path,
        size: Size,
        source: FrameSource | Fraction | int,
        *,
        crf: int = 18,
        preset: str = "veryfast",
    ) -> None:
        """Begin the file.

        Args:
            path: Its suffix is one of `VIDEO_SUFFIXES`.
            size: The size of the pictures.
            source: The video whose times and sound are kept, or the frames per second where there is none.
            crf: The encoder's constant quality (lower is better and larger).
            preset: x264's, which trades time for size.

        Raises:
            DynastError: For an unknown suffix, a missing or read-only folder, a path that is the source itself, and a
                picture size that cannot be encoded.
        """
        import av

        self.path = Path(path)
        self.size = size
        self.frames = 0
        """Pictures written so far."""
        kind = container_of(self.path)
        height, width = size
        if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
            raise DynastError(
                f"{self.path}: pictures of {width}x{height} cannot be encoded; sides go from 1 to {_LARGEST_SIDE}"
            )
        driving = None if isinstance(source, (Fraction, int)) else source
        read = driving.path if driving is not None else None
        if read is not None and self.path.exists() and self.path.samefile(read):
            raise DynastError(f"{self.path} is the video being read; name another output file")
        rate = Fraction(source) if isinstance(source, (Fraction, int)) else source.rate or Fraction(30)
        self._step = 1 / rate
        time_base = self._step if driving is None else _fine_enough(driving.time_base)
        self._offset: Fraction | None = None
        self._last_time: Fraction | None = None
        self._end = Fraction(0)
        self._failed = 0
        self._sound: SoundTracks | None = None
        self._left_out = driving.left_out if driving is not None else []
        self._open = True
        self._file = AtomicFile(self.path)
        self._output = av.open(self._file.stream, "w", format=kind.muxer, options=kind.options)
        try:
            self._video = VideoEncoder(
                self._output,
                kind.video_encoder,
                size,
                rate,
                time_base,
                crf=crf,
                preset=preset,
                destination=str(self.path),
            )
            if driving is not None:
                self._keep(driving, kind)
            self._output.start_encoding()
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError) and is_write_failure(error):
                failure = write_failure(self.path, error)
                raise failure from error
            if isinstance(error, av.error.FFmpegError):
                raise DynastError(
                    f"{self.path}: a video of {width}x{height} pictures cannot be begun ({error.strerror})"
                ) from error
            raise

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The file, by the name that it has after `finish`."""
        return (self.path,)

    @property
    def note(self) -> str | None:
        """One line on what of the source was not simply copied, complete once finished; None where all was."""
        notes = [*(self._sound.notes if self._sound is not None else []), *self._left_out]
        return f"{self.path}: {', '.join(notes)}" if notes else None

    def write(
        self,
        picture: np.ndarray,
        time: Fraction | None = None,
        duration: Fraction | None = None,
        captured: float | None = None,
    ) -> None:
        """Add a picture, uint8 [H, W, 3] RGB of the size given.

        `time` and `duration` are those of the source's frame (seconds in its clock); times must increase. Without
        them the pictures follow at the even rate given. A file keeps nothing of `captured`.

        Raises:
            ValueError: For a picture or a time that does not fit.
            RuntimeError: Where the file is finished.
            DynastError: Where the file cannot be written any more, such as on a full disk; nothing of it is left then.
            OSError: Where something else failed; nothing of it is left then.
        """
        if not self._open:
            raise RuntimeError(f"{self.path} is finished; no picture can be added")
        height, width = self.size
        if picture.shape != (height, width, 3) or picture.dtype != np.uint8:
            raise ValueError(
                f"picture is {picture.dtype} {picture.shape}, expected uint8 {(height, width, 3)}"
            )
        if time is None:
            time = self.frames * self._step
        if self._last_time is not None and time <= self._last_time:
            raise ValueError(f"time {float(time)} s does not come after {float(self._last_time)} s")
        self._last_time = time
        try:
            if self._offset is None:
                self._begin(time)
            assert self._offset is not None
            shown, duration = time - self._offset, duration or self._step
            if self._sound is not None:
                self._sound.write_until(shown)
            self._end = shown + duration
            self._mux(self._video.encode(picture, shown, duration))
        except OSError as error:
            self.abort()
            if is_write_failure(error):
                failure = write_failure(self.path, error)
                raise failure from error
            raise
        self.frames += 1

    def finish(self, *, cut_sound: bool = False) -> None:
        """Complete the file and give it its name; nothing happens when that has been done.

        All sound is kept, also what lasts longer than the pictures. With `cut_sound`, for a video that was stopped
        early, it ends with the last picture, and a file that has the name already keeps it: this one is then called
        `out.partial.mp4` or `out.partial-2.mp4`. `path` is where it is in the end.

        Raises:
            DynastError: Where no picture was written, or the file cannot be completed; nothing of it is left then, and
                an earlier file stays as it was.
        """
        if not self._open:
            return
        if self.frames == 0:
            self.abort()
            raise DynastError(f"{self.path}: not one picture was made, so no video is written")
        try:
            self._mux(self._video.finish())
            if self._sound is not None:
                self._sound.write_until(self._end if cut_sound else None)
                self._sound.finish()
                self._sound.close()
            self._output.close()
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError) and is_write_failure(error):
                failure = write_failure(self.path, error)
                raise failure from error
            raise
        self._open = False
        if cut_sound and self.path.exists():
            self._file.keep_beside()
        else:
            self._file.commit()
        self.path = self._file.path

    def abort(self) -> None:
        """Remove the unfinished file; nothing happens to a finished one."""
        from av.error import FFmpegError

        if not self._open:
            return
        self._open = False
        if self._sound is not None:
            self._sound.close()
        # Removed before it is closed: closing would still complete the file, however long that takes. Windows
        # cannot remove an open file, so once more afterwards.
        with suppress(OSError):
            self._file.discard()
        with suppress(FFmpegError):
            self._output.close()
        self._file.discard()

    @property
    def is_open(self) -> bool:
        """Whether pictures can be added: it is neither finished nor aborted."""
        return self._open

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def _keep(self, source: FrameSource, kind: Container) -> None:
        """Take over metadata and sound."""
        self._output.metadata.update(kept_of_container(source.metadata))
        self._video.stream.metadata.update(kept_of_stream(source.stream_metadata, kind.muxer))
        if sound := source.open_sound():
            self._sound = SoundTracks(sound, self._output, kind.copied_sound, kind.sound_encoder)

    def _begin(self, time: Fraction) -> None:
        """Sound and pictures lose the same offset, so that the earlier of the two starts at zero."""
        start = self._sound.start if self._sound is not None else None
        self._offset = time if start is None else min(time, start)
        if self._sound is not None:
            self._sound.begin(self._offset)

    def _mux(self, packets: list[Packet[Any]]) -> None:
        from av.error import FFmpegError

        for packet in packets:
            try:
                self._output.mux(packet)
            except OSError:
                raise
            except FFmpegError:
                # The container takes sound and pictures from one queue, and only copied sound can be damaged.
                self._failed += 1
                if self._sound is None or not self._sound.any_copied or self._failed > _MOST_FAILED_WRITES:
                    raise
                self._sound.unwritten += 1
            else:
                self._failed = 0


def _fine_enough(time_base: Fraction) -> Fraction:
    """The source's tick where every container can keep it, else 1/90000 s, which is exact for the usual rates."""
    return time_base if Fraction(1, 1_000_000) <= time_base <= Fraction(1, 10_000) else Fraction(1, 90_000)
