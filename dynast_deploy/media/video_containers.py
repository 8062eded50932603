"""The kinds of video file that are written, by suffix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dynast_deploy.errors import DynastError


@dataclass(frozen=True)
class Container:
    """How a file of one suffix is written: FFmpeg's muxer and its options, encoders, and codecs of copied sound."""

    muxer: str
    video_encoder: str
    sound_encoder: str
    copied_sound: frozenset[str]
    options: dict[str, str]


# What browsers play out of MP4; AC-3, E-AC-3 and ALAC, which MP4 can hold as well, stay silent there.
_MP4_SOUND = frozenset({"aac", "mp3", "flac", "opus"})
_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
_BIG_ENDIAN_PCM = frozenset({"pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be"})
_MOV_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac"}) | _PCM | _BIG_ENDIAN_PCM
_MKV_SOUND = _MP4_SOUND | _PCM | {"ac3", "eac3", "alac", "vorbis", "dts", "mp2", "truehd"}
_FASTSTART = {"movflags": "faststart"}
_CONTAINERS = {
    ".mp4": Container("mp4", "libx264", "aac", _MP4_SOUND, _FASTSTART),
    ".m4v": Container("mp4", "libx264", "aac", _MP4_SOUND, _FASTSTART),
    ".mov": Container("mov", "libx264", "aac", _MOV_SOUND, _FASTSTART),
    ".mkv": Container("matroska", "libx264", "aac", _MKV_SOUND, {}),
    ".webm": Container("webm", "libvpx-vp9", "libopus", frozenset({"opus", "vorbis"}), {}),
}
VIDEO_SUFFIXES = tuple(_CONTAINERS)
"""What is written."""


def container_of(path: Path) -> Container:
    """How to write `path`.

    Raises:
        DynastError: Where its suffix is not one of `VIDEO_SUFFIXES`.
    """
    kind = _CONTAINERS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(_CONTAINERS)
        raise DynastError(
            f"{path}: videos are written as {known}, not as {path.suffix or 'a name without suffix'!r}"
        )
    return kind
