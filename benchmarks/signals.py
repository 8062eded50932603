"""Signals at random moments of every command that writes: is a half file ever left under a final name?

    python benchmarks/signals.py --moments 50 [--only render convert] [--seed 0]

Every command runs undisturbed first, then again and again with SIGINT, SIGTERM, SIGHUP, SIGQUIT or SIGKILL after a
random time, in one folder. After each run every file under a final name must be whole, one that was there before must
be as it was unless the run ended well, and a video that was begun must have been kept unless it was killed. After a
last undisturbed run no hidden file may be left. Prints a row for each command; the status is 1 where something did not
hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
FRAMES = 60
RUN = ("-m", "dynast_deploy.commands.run", "--exemplar", "in/ref.png")
CLI = ("-m", "dynast_deploy.cli")
TINY = (
    "generator.crop_size=32", "generator.ngf=4", "generator.max_multi=1", "generator.n_layers=1", "generator.pos_dim=2",
    "generator.prune_dim=2", "generator.smooth=0.1", "objective.discriminator_channels=4",
    "objective.discriminator_layers=2", "data.workers=0", "data.batch=2", "schedule.warmup=2", "schedule.length=8",
    "output.log_every=1", "output.save_every=1",
)  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "render": (*RUN, "--engine", "in/style.onnx", "--video", "in/clip.mp4", "-o", "out/o.mp4"),
    "render, poses": (
        *RUN, "--engine", "in/pose.onnx", "--video", "in/clip.mp4", "--poses", "in/poses.npz", "--exemplar-poses",
        "in/pose.npz", "-o", "out/o.mkv", "--save-poses", "out/used.npz",
    ),
    "pictures": (*RUN, "--engine", "in/style.onnx", "--images", "in/photos", "-o", "out"),
    "condition": (*CLI, "condition", "in/clip.mp4", "--poses", "in/poses.npz", "-o", "out/c.mp4"),
    "condition, picture": (*CLI, "condition", "in/ref.png", "--poses", "in/pose.npz", "-o", "out/c.png"),
    "convert": (*CLI, "convert", "in/style.pth", "out/c.pth", "--to", "published"),
    "to_onnx": (str(ROOT / "export" / "to_onnx.py"), "in/style.pth", "-o", "out/m.onnx"),
    "data": (*CLI, "data", "--task", "style", "--size", "32", "--count", "2", "--out", "out/samples.png"),
    "calibrate": (
        *CLI, "calibrate", "in/style.onnx", "--data", "in/photos", "--exemplar", "in/ref.png", "--frames", "8", "-o",
        "out/q.onnx",
    ),
    "sensitivity": (
        *CLI, "sensitivity", "in/style.onnx", "--data", "in/photos", "--exemplar", "in/ref.png", "--frames", "8",
        "--only", "embed_q4", "--json", "out/s.json",
    ),
    "evaluate": (*CLI, "evaluate", "in/style.onnx", "--samples", "2", "--out", "out/evaluation"),
    "bench": (*CLI, "bench", "--ngf", "8", "--layers", "1", "--size", "64", "--repeats", "1", "--json", "out/b.json"),
    "train": (*CLI, "train", "--task", "style", "--out", "out/run", *(f"--set={each}" for each in TINY)),
}  # fmt: skip
"""What runs in a folder with `in/` and `out/`."""
EMPTIED = ("evaluate", "train")
"""Commands that want a folder of their own each time."""
VIDEO_BEGUN = "stopping; what was done is kept"


@dataclass
class Row:
    """What happened to one command: `ended` counts by exit status, `faults` says what did not hold."""

    name: str
    seconds: float
    moments: int = 0
    kept: int = 0
    ended: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def make_inputs(folder: Path) -> None:
    """Engines, checkpoints, a clip, pictures and poses that every command is quick with."""
    import onnx
    import torch

    from dynast_deploy.checkpoint import save_generator
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.export.model import build_model
    from dynast_deploy.formats.onnx_model import sha256
    from dynast_deploy.generator import Generator

    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, channels in (("style", 3), ("pose", 20)):
        torch.manual_seed(0)
        config = GeneratorConfig(
            channels, 32, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=3, smooth=0.1
        )
        generator = Generator(config).eval()
        save_generator(generator, folder / f"{name}.pth")
        model = build_model(generator, 32, 32, config.task, sha256(folder / f"{name}.pth"))
        onnx.save(model, folder / f"{name}.onnx")
    for path in (folder / "ref.png", *(folder / "photos" / f"{number:02}.png" for number in range(30))):
        write_picture(path, rng.integers(0, 256, (64, 64, 3), np.uint8))
    with VideoWriter(folder / "clip.mp4", (64, 64), 25) as writer:
        for _ in range(FRAMES):
            writer.write(rng.integers(0, 256, (64, 64, 3), np.uint8))
    poses = np.concatenate([rng.uniform(8, 56, (FRAMES, 18, 2)), np.ones((FRAMES, 18, 1))], axis=2)
    np.savez(folder / "poses.npz", keypoints=poses)
    np.savez(folder / "pose.npz", keypoints=poses[:1])


def try_command(name: str, moments: int, rng: random.Random) -> Row:
    with tempfile.TemporaryDirectory(prefix="dynast-signals-") as temporary:
        folder = Path(temporary)
        make_inputs(folder / "in")
        for made in ("out", "tmp", "cache"):
            (folder / made).mkdir()
        start = time.monotonic()
        status, said = run(name, folder)
        row = Row(name, time.monotonic() - start)
        if status:
            row.faults.append(f"undisturbed: status {status}: {said.strip().splitlines()[-1:]}")
            return row
        for _ in range(moments):
            if name in EMPTIED or rng.random() < 0.3:
                shutil.rmtree(folder / "out")
                (folder / "out").mkdir()
            disturb(row, folder, rng.choice(SIGNALS), rng.uniform(0.1, 1.05) * row.seconds)
        if name in EMPTIED:
            keep_hidden(folder / "out")
        status, said = run(name, folder)
        if status:
            row.faults.append(f"undisturbed at the end: status {status}: {said.strip().splitlines()[-1:]}")
        left = [str(path.relative_to(folder)) for path in folder.rglob(".*partial-*")]
        left += [str(path.relative_to(folder)) for path in (folder / "tmp").rglob("*dynast*")]
        row.faults += [f"left after the next run: {path}" for path in sorted(set(left))]
        return row


def keep_hidden(folder: Path) -> None:
    """Remove what a command refuses to find in its folder, but not what the next run has to clear away."""
    for path in list(folder.iterdir()):
        if not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def disturb(row: Row, folder: Path, number: signal.Signals, delay: float) -> None:
    """One run that gets a signal after `delay` seconds."""
    before = contents(folder / "out")
    start = time.monotonic()
    status, said = run(row.name, folder, number, delay)
    if status == 0:  # the machine is faster now than it was
        row.seconds = min(row.seconds, time.monotonic() - start)
    row.moments += 1
    row.ended[status] = row.ended.get(status, 0) + 1
    when = f"{number.name} after {delay:.2f} s (status {status})"
    after = contents(folder / "out")
    if "Traceback" in said and number is not signal.SIGINT:
        row.faults.append(f"{when}: traceback: {said.strip().splitlines()[-1]}")
    for path in after:
        if fault := broken(path):
            row.faults.append(f"{when}: {path.relative_to(folder)} is not whole: {fault}")
    if status:
        for path, digest in before.items():
            pictures = row.name == "pictures"
            if after.get(path) != digest and not pictures and not as_whole(path, row.name):
                row.faults.append(f"{when}: {path.relative_to(folder)} was there before and has changed")
    new = [path for path in after if path not in before and path.suffix in (".mp4", ".mkv")]
    row.kept += bool(new and status)
    if (
        VIDEO_BEGUN in said
        and status
        and "nothing was done" not in said
        and not new
        and "pictures" not in row.name
    ):
        row.faults.append(f"{when}: a video was begun, and nothing of it is kept")
    for path in (folder / "out").glob("*.partial*"):
        path.unlink()


def run(name: str, folder: Path, number: signal.Signals | None = None, delay: float = 0) -> tuple[int, str]:
    """Exit status, negative for the signal that ended the process, and what was printed to standard error."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with open(folder / "said", "w+") as said:
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[name]],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            process.wait(delay if number is not None else 600)
        except subprocess.TimeoutExpired:
            process.send_signal(number or signal.SIGKILL)
            try:
                process.wait(300)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return 0, "Traceback: goes on 300 s after the signal"
        said.seek(0)
        return process.returncode, said.read()


def contents(folder: Path) -> dict[Path, str]:
    """SHA-256 of every file that has a final name."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".partial-" not in path.name)
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def as_whole(path: Path, name: str) -> bool:
    """Whether a file that was replaced by a run that failed later is a whole one: the signal came after it."""
    return len(frames(path)) == FRAMES if path.suffix in (".mp4", ".mkv") else name not in ("train",)


def frames(path: Path) -> list[int]:
    with VideoReader(path) as reader:
        return [frame.index for frame in reader]


def broken(path: Path) -> str | None:
    """What is wrong with a file; None where it is whole."""
    try:
        if path.suffix in (".mp4", ".mkv"):
            return None if frames(path) else "no frame"
        if path.suffix == ".png":
            read_picture(path)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                _ = [arrays[key] for key in arrays]
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".onnx":
            import onnx

            onnx.checker.check_model(onnx.load(path))
        elif path.suffix == ".pth":
            from dynast_deploy.checkpoint import read_checkpoint

            read_checkpoint(path)
    except (DynastError, ValueError, OSError) as error:
        return str(error)
    except Exception as error:  # whatever a library says of a half file
        return f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--moments", type=int, default=50, help="of each command")
    parser.add_argument("--only", nargs="*", choices=list(COMMANDS), help="these commands alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = False
    for name in options.only or COMMANDS:
        row = try_command(name, options.moments, random.Random(f"{options.seed} {name}"))
        ended = ", ".join(f"{status}: {count}" for status, count in sorted(row.ended.items()))
        print(
            f"{name}: {row.moments} moments in {row.seconds:.1f} s; exit statuses {ended}; {row.kept} "
            f"stopped videos kept; "
            f"{len(row.faults)} faults",
            flush=True,
        )
        for fault in row.faults:
            print(f"  {fault}", flush=True)
        failed |= bool(row.faults)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
