"""What a video file really holds: how many frames, how fast they follow each other, and what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dynast_deploy.media.packets import Packets
from dynast_deploy.media.pyav import fraction, open_input
from dynast_deploy.media.timestamps import LONGEST_STILL, ForwardClock
from dynast_deploy.media.video_file import may_restart
from dynast_deploy.media.webm_alpha import alpha_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Some headers give the clock's ticks a second as the rate, and damaged ones anything.
_HIGHEST_RATE = 1000
# How far the frames may be from a stated rate that they bear out; of the two it is the exact one.
_SAME_RATE = Fraction(1, 50)
# Codecs that put two frames into one packet and a filler into the next (DivX).
_PACKED = frozenset({"mpeg4"})
# Formats whose header states when the file ends on its own clock, rather than how long it plays.
_STATING_END = frozenset({"matroska,webm", "flv"})
# Formats without a container, where a packet may be one field of a frame.
_BARE_STREAMS = frozenset({"h264", "hevc", "mpegvideo"})


@dataclass(frozen=True)
class Contents:
    """What a file holds of one video stream, as its packets tell; nothing of it is decoded."""

    frames: int
    """Frames to be shown: packets, but for those that an edit list hides and those that only help to decode."""
    exact: bool
    """Whether just as many frames will be decoded, unless some are damaged."""
    rate: Fraction | None
    """Average frames per second: the stated one where the frames bear it out, else theirs; None where neither tells."""
    missing: int
    """About how many frames the file ends before its stated length."""
    has_alpha: bool
    """Whether transparency is stored next to its frames, as WebM does."""


def video_contents(path: Path, index: int) -> Contents:
    """Go through all packets of `path`, a file that is known to open, for its video stream number `index`.

    It takes as long as reading the file once. What the header states is not enough: browsers write neither length nor
    rate, a trimmed MP4 counts what it hides, an AVI frames that were dropped.

    Raises:
        OSError: Where the file cannot be read to its end.
    """
    with open_input(path) as container:
        stream = cast("VideoStream", container.streams[index])
        restarts = may_restart(container)
        codec = stream.codec_context.codec.canonical_name
        tick = fraction(stream.time_base) or Fraction(1, 1000)
        packets = Packets(container)
        frames, stamps = 0, list[int]()
        pictures_end = any_end = Fraction(0)
        first: Packet[Any] | None = None
        orderly = not restarts and codec not in _PACKED and container.format.name not in _BARE_STREAMS
        has_alpha = False
        for packet in packets:
            end = _end(packet)
            any_end = max(any_end, end)
            if packet.stream_index != index:
                continue
            first = first or packet
            orderly = orderly and first.is_keyframe and not _precedes(packet, first)
            has_alpha = has_alpha or alpha_of(packet) is not None
            if packet.is_discard or shows_nothing(packet, codec):
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                stamps.append(stamp)
            pictures_end = max(pictures_end, end)
            frames += 1
        stated = _plausible(fraction(stream.average_rate))
        # Where the clock may start again (broadcasts, of an even rate), times do not bear out a rate.
        rate = stated if stated and restarts else _rate(stated, _measured_rate(stamps, tick))
        stated_end, of_pictures = (None, False) if restarts else _stated_end(container, stream)
        missing = 0
        if frames and stated_end is not None:
            missing = _frames_between(pictures_end if of_pictures else any_end, stated_end, rate)
        return Contents(frames, orderly and not packets.damaged and not missing, rate, missing, has_alpha)


def _end(packet: Packet[Any]) -> Fraction:
    tick = fraction(packet.time_base)
    if packet.pts is None or tick is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * tick


def _precedes(packet: Packet[Any], first: Packet[Any]) -> bool:
    """Whether a frame is shown before the file's first: it may refer to one that is not there, and is then left out."""
    return packet.pts is not None and first.pts is not None and packet.pts < first.pts


def shows_nothing(packet: Packet[Any], codec: str) -> bool:
    """Whether a packet of VP8 (RFC 6386, 9.1) or VP9 (bitstream specification, 6.2) is decoded but not shown."""
    head = memoryview(packet)
    if codec == "vp8":
        return not head[0] & 0x10
    if codec == "vp9":
        is_superframe = head[-1] & 0xE0 == 0xC0
        profile_3, show_existing, show = head[0] & 0x30 == 0x30, head[0] & 0x08, head[0] & 0x02
        return not (is_superframe or profile_3 or show_existing or show)
    return False


def _plausible(rate: Fraction | None) -> Fraction | None:
    return rate if rate is not None and 1 / LONGEST_STILL <= rate <= _HIGHEST_RATE else None


def _measured_rate(stamps: list[int], tick: Fraction) -> Fraction | None:
    clock = ForwardClock()
    times = [clock.stamp(stamp * tick, Fraction(1, 25)) for stamp in sorted(stamps)]
    return _plausible((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else None


def _rate(stated: Fraction | None, measured: Fraction | None) -> Fraction | None:
    if stated is None or measured is None:
        return stated or measured
    return stated if abs(stated - measured) <= measured * _SAME_RATE else measured


def _stated_end(container: InputContainer, stream: VideoStream) -> tuple[Fraction | None, bool]:
    """When the file says that it ends, in seconds of its clock, and whether it says so of its pictures alone."""
    tick = fraction(stream.time_base)
    if stream.duration is not None and tick is not None:
        return ((stream.start_time or 0) + stream.duration) * tick, True
    if (tag := _seconds(stream.metadata.get("DURATION", ""))) is not None:
        return tag, True
    if container.duration is not None:
        start = 0 if container.format.name in _STATING_END else container.start_time or 0
        return Fraction(start + container.duration, 1_000_000), False
    return None, False


def _seconds(text: str) -> Fraction | None:
    """Matroska's DURATION tag, "00:00:01.499000000", in seconds."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def _frames_between(end: Fraction, stated_end: Fraction, rate: Fraction | None) -> int:
    """About how many frames lie between the end of the last one and the stated end of the file."""
    gap, step = stated_end - end, 1 / rate if rate else Fraction(1, 25)
    if gap < max(step * 3 / 2, Fraction(1, 10)):
        return 0
    return max(1, round(gap / step))
