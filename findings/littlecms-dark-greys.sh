#!/usr/bin/env bash
# LittleCMS 2.19 (in the wheel of Pillow 13.0.0), 2026-11-28, x86-64 Linux, Python 3.11.
#
# A grey profile whose curve is a power, to sRGB in 8 bits: each of the 256 greys has one right value, to half a level. With the
# default flags LittleCMS misses dark greys: by 9.7 levels at gamma 1.0 (grey 2 becomes 12 instead of 22), by 2.7 at 1.2.
# HIGHRESPRECALC hardly helps; NOOPTIMIZE is right. The same curve in an RGB profile is right with the default.
#
# Output seen:
#   grey gamma 1.0  default 9.7  highresprecalc 6.7  nooptimize 0.5
#   rgb  gamma 1.0  default 0.5  highresprecalc 0.5  nooptimize 0.5
#   grey gamma 1.2  default 2.7  highresprecalc 1.2  nooptimize 0.5
#   rgb  gamma 1.2  default 0.5  highresprecalc 0.5  nooptimize 0.5
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - >"$work/seen" <<'PYTHON'
import io
import struct

import numpy as np
from PIL import Image, ImageCms

SRGB = {"r": (0.43607, 0.22249, 0.01392), "g": (0.38515, 0.71687, 0.09708), "b": (0.14307, 0.06061, 0.71410)}
D50 = (0.9642, 1.0, 0.8249)


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def profile(space, tags):
    tags = {"desc": b"desc" + struct.pack(">4xI", 2) + b"x\0" + b"\0" * 78, "wtpt": xyz(D50), **tags}
    start, entries, data = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        entries += name.encode() + struct.pack(">II", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(data), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head = (head.ljust(68, b"\0") + xyz(D50)[8:]).ljust(128, b"\0")
    return ImageCms.ImageCmsProfile(io.BytesIO(head + struct.pack(">I", len(tags)) + entries + data))


ramp = np.arange(256, dtype=np.uint8).reshape(1, 256)
for gamma in (1.0, 1.2):
    curve = b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))
    tags = {f"{each}XYZ": xyz(primary) for each, primary in SRGB.items()} | {f"{each}TRC": curve for each in "rgb"}
    linear = (ramp / 255) ** (round(gamma * 256) / 256)
    right = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    for name, mode, source in (("grey", "L", profile(b"GRAY", {"kTRC": curve})), ("rgb ", "RGB", profile(b"RGB ", tags))):
        shown = Image.fromarray(ramp).convert(mode)
        found = []
        for flags in (0, 0x0400, 0x0100):
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)
            found.append(np.abs(np.asarray(transform.apply(shown))[..., 1] - right).max())
        print(f"{name} gamma {gamma}  default {found[0]:.1f}  highresprecalc {found[1]:.1f}  nooptimize {found[2]:.1f}")
PYTHON
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
grey gamma 1.0  default 9.7  highresprecalc 6.7  nooptimize 0.5
rgb  gamma 1.0  default 0.5  highresprecalc 0.5  nooptimize 0.5
grey gamma 1.2  default 2.7  highresprecalc 1.2  nooptimize 0.5
rgb  gamma 1.2  default 0.5  highresprecalc 0.5  nooptimize 0.5
SEEN
