#!/usr/bin/env bash
# swscale (FFmpeg 8.1.2, in the wheel of PyAV 18.1.0), 2026-11-28, x86-64 Linux, Python 3.11.
#
# White of 10-bit 4:2:0 video of limited range (Y 940, Cb and Cr 512) is 255 in 8-bit RGB by definition (ITU-T H.273), and
# 8-bit white (235, 128, 128) comes out as 255. From 10 bits swscale's default makes it 253: greys are up to two levels too
# dark. So does 8-bit video whose height is odd, or that is scaled on the way. SWS_ACCURATE_RND and SWS_BITEXACT do not
# help; SWS_FULL_CHR_H_INT, whose name speaks of chroma alone, gives 255.
#
# Output seen:
#   8 bits, 64x64            default 255  accurate_rnd 253  full_chroma_int 255
#   8 bits, 64x63            default 253  accurate_rnd 253  full_chroma_int 255
#   8 bits, 64x64 to 80x64   default 253  accurate_rnd 253  full_chroma_int 255
#   10 bits, 64x64           default 253  accurate_rnd 253  full_chroma_int 255
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - >"$work/seen" <<'PYTHON'
import av
import numpy as np
from av.video.reformatter import VideoReformatter

BILINEAR, FULL_CHR_H_INT, ACCURATE_RND = 2, 8192, 262144


def white(kind, height):
    values = (940, 512, 512) if kind.endswith("10le") else (235, 128, 128)
    frame = av.VideoFrame(64, height, kind)
    for plane, value in zip(frame.planes, values):
        depth = np.uint16 if kind.endswith("10le") else np.uint8
        plane.update(np.full(plane.buffer_size // depth().itemsize, value, depth).tobytes())
    return frame


for name, kind, height, width in (
    ("8 bits, 64x64", "yuv420p", 64, 64),
    ("8 bits, 64x63", "yuv420p", 63, 64),
    ("8 bits, 64x64 to 80x64", "yuv420p", 64, 80),
    ("10 bits, 64x64", "yuv420p10le", 64, 64),
):
    found = []
    for flags in (None, BILINEAR | ACCURATE_RND, BILINEAR | FULL_CHR_H_INT):
        picture = VideoReformatter().reformat(white(kind, height), width, height, "rgb24", interpolation=flags)
        values = np.unique(picture.to_ndarray())
        assert len(values) == 1
        found.append(values[0])
    print(f"{name:<24} default {found[0]}  accurate_rnd {found[1]}  full_chroma_int {found[2]}")
PYTHON
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
8 bits, 64x64            default 255  accurate_rnd 253  full_chroma_int 255
8 bits, 64x63            default 253  accurate_rnd 253  full_chroma_int 255
8 bits, 64x64 to 80x64   default 253  accurate_rnd 253  full_chroma_int 255
10 bits, 64x64           default 253  accurate_rnd 253  full_chroma_int 255
SEEN
