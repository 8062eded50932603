"""Opening a video file, or saying in one line why it cannot be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from dynast_deploy.errors import DynastError
from dynast_deploy.media.pyav import open_input

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open `path` and choose its main video stream (never a cover picture).

    Only regular files are opened: a mistyped name is an error, not a camera.

    Raises:
        DynastError: For a missing file, a folder, a device, an empty file, something that is not a video, an MP4
            without its index, a file without a video stream and a codec that PyAV cannot decode.
    """
    import av

    check_video_file(path)
    if path.stat().st_size == 0:
        raise DynastError(f"{path} is empty (0 bytes); copy or record it again")
    try:
        container = open_input(path)
    except PermissionError as error:
        raise DynastError(f"{path} cannot be read: permission denied") from error
    except av.error.EOFError as error:
        raise DynastError(f"{path} ends before its first frame; record or copy it again") from error
    except av.error.FFmpegError as error:
        if lacks_mp4_index(path):
            raise DynastError(
                f"{path} was cut short: its index (moov) is missing, so no frame can be found; "
                "copy it again, or rebuild the index with a repair tool such as untrunc"
            ) from error
        raise DynastError(f"{path} is not a video file that FFmpeg can read ({error.strerror})") from error
    try:
        return container, _main_stream(container, path)
    except BaseException:
        container.close()
        raise


def check_video_file(path: Path) -> None:
    """Check the name of a video that is to be read; nothing of it is read.

    Raises:
        DynastError: Where `path` is missing, a folder or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise DynastError(f"{path} cannot be read: permission denied") from None
    except (OSError, ValueError):  # also for a name too long, or with a NUL in it
        raise DynastError(f"{path}: no such video file") from None
    if stat.S_ISDIR(mode):
        raise DynastError(f"{path} is a folder, not a video; name one video file (pictures go with --images)")
    if not stat.S_ISREG(mode):
        raise DynastError(f"{path} is not a regular file; videos are read from files only")


def may_restart(container: InputContainer) -> bool:
    """Whether the clock of this format may start again within one file, and its length is a guess (MPEG streams)."""
    return container.format.name in ("mpeg", "mpegts")


def _main_stream(container: InputContainer, path: Path) -> VideoStream:
    # FFmpeg would draw a text file as terminal art.
    if container.format.name == "tty":
        raise DynastError(f"{path} is a text file, not a video")
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        what = "only sound" if container.streams.audio else "no pictures"
        raise DynastError(f"{path} has no video stream ({what}); name a file with pictures in it")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise DynastError(f"{path}: PyAV has no decoder for its video codec; convert it to H.264 first")
    return stream


def left_out(container: InputContainer) -> list[str]:
    """A few words on each kind of stream that a person would miss and that is neither the main video nor sound."""
    videos = sum(not _is_cover(stream) for stream in container.streams.video) - 1
    counts = {"subtitle track": len(container.streams.subtitles), "further video": videos}
    return [f"{count} {kind}{'s' if count > 1 else ''} left out" for kind, count in counts.items() if count]


def _is_cover(stream: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def lacks_mp4_index(path: Path) -> bool:
    """Whether `path` is an MP4 or MOV file (ISO/IEC 14496-12) without a `moov` box at its top level."""
    kinds: list[bytes] = []
    end = path.stat().st_size
    with path.open("rb") as file:
        while len(kinds) < 64 and len(header := file.read(8)) == 8:
            size, kind = int.from_bytes(header[:4], "big"), header[4:]
            used = 8
            if size == 1:
                size, used = int.from_bytes(file.read(8), "big"), 16
            kinds.append(kind)
            next_box = file.tell() + size - used
            if size < used or next_box >= end:  # a size of 0 means "to the end of the file"
                break
            file.seek(next_box)
    return bool(kinds) and kinds[0] in (b"ftyp", b"mdat", b"wide", b"free") and b"moov" not in kinds


def is_animated_webp(path: Path) -> bool:
    """Whether a file begins as an animated WebP does: a RIFF container whose VP8X chunk has the animation bit set."""
    with path.open("rb") as file:
        start = file.read(21)
    return start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X" and bool(start[20:] and start[20] & 2)
