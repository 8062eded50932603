"""The same pictures give the same coded video, whatever the machine."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

_WRITE = """
import ctypes, os, sys
from pathlib import Path
import av
import numpy as np
from dynast_deploy.media import video_encoder
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size

suffix, cores, plain = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "plain"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
if plain:
    video_encoder._SAME_EVERYWHERE = {"x264-params": video_encoder._SAME_EVERYWHERE["x264-params"] + ":asm=0"}
    os.environ["VPX_SIMD_CAPS"] = "0"
    for library in (Path(av.__file__).parent.parent / "av.libs").glob("libavutil*"):
        ctypes.CDLL(str(library)).av_force_cpu_flags(0)
rng = np.random.default_rng(0)
noise = rng.integers(0, 255, (160, 256, 3), np.uint8)
with VideoWriter(Path("a" + suffix), Size(160, 256), 25) as writer:
    for index in range(20):
        picture = noise // 3 + np.uint8(5 * index)
        picture[20:90, 5 * index : 5 * index + 80] = (200, 120, 40)
        writer.write(picture)
with av.open("a" + suffix) as container:
    for packet in container.demux(video=0):
        sys.stdout.buffer.write(bytes(packet))
"""


def coded(folder: Path, suffix: str, cores: int, code: str) -> str:
    """A digest of the coded video that a process with so many cores writes, with vector code or without."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, suffix, str(cores), code],
        cwd=folder,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert len(done.stdout) > 1000
    return hashlib.sha256(done.stdout).hexdigest()


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_cores_and_instructions_do_not_change_the_coded_video(tmp_path: Path, suffix: str) -> None:
    wanted = coded(tmp_path, suffix, 1, "vectors")
    assert coded(tmp_path, suffix, 64, "vectors") == wanted
    assert coded(tmp_path, suffix, 64, "plain") == wanted
