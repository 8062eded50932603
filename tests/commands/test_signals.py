"""Signals in the middle of writing, in every kind of command: the earlier file stays, and nothing is left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from run_command import dynast_run, files, frames_of, job
from tiny_engine import write_tiny_engine

from dynast_deploy import cli
from dynast_deploy.command import run
from dynast_deploy.commands.export import export
from dynast_deploy.errors import DynastError
from dynast_deploy.files import partial_files
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size
from dynast_deploy.stop_request import SIGNALS, Stopping, StopRequest

COMMANDS = {
    "condition of a picture": ("condition", "ref.png", "--task", "style", "-o", "old.png"),
    "convert": ("convert", "tiny3.pth", "old.pth", "--to", "published"),
    "data": ("data", "--task", "style", "--size", "32", "--count", "1", "--out", "old.png"),
    "to_onnx": ("tiny3.pth", "-o", "old.onnx"),
    "pictures": ("--engine", "tiny3.onnx", "--exemplar", "ref.png", "--images", "ref.png", "-o", "old.png"),
}
NEED_TORCH = ("convert", "data", "to_onnx")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    write_tiny_engine(folder, 3)
    rng = np.random.default_rng(0)
    write_picture(folder / "ref.png", rng.integers(0, 256, (64, 64, 3), np.uint8))
    with VideoWriter(folder / "drive.mp4", Size(64, 64), 25) as writer:
        for _ in range(30):
            writer.write(rng.integers(0, 256, (64, 64, 3), np.uint8))
    return folder


@pytest.fixture
def work(media: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(media, tmp_path / "work"))


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Signals are heard even where whoever started the tests ignores them."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def begin(name: str) -> Callable[[], None]:
    return {
        "to_onnx": lambda: run(export),
        "pictures": lambda: dynast_run_main(),
    }.get(name, cli.main)


def dynast_run_main() -> None:
    from dynast_deploy.commands.run import main

    main()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_while_a_file_is_written_leaves_the_earlier_one(work: Path, monkeypatch, name: str) -> None:
    if name in NEED_TORCH:
        pytest.importorskip("torch")
    number = random.Random(name).choice(SIGNALS)
    *_, target = COMMANDS[name] if name != "convert" else ("old.pth",)
    (work / target).write_bytes(b"an earlier result")
    before = files(work)
    create = partial_files.create_file
    sent: list[int] = []

    def interrupted(folder: Path, of: str) -> tuple[Path, int]:
        made = create(folder, of)
        sent.append(made[1])
        if len(sent) == 2:  # the first is the check that it can be written
            os.kill(os.getpid(), number)
        return made

    monkeypatch.setattr(partial_files, "create_file", interrupted)
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "argv", ["dynast", *COMMANDS[name]])
    with pytest.raises(SystemExit) as ended:
        begin(name)()
    assert len(sent) == 2
    assert ended.value.code == 128 + number
    # The picture was the only one of its run, and it is finished before the run ends.
    assert name == "pictures" or (work / target).read_bytes() == b"an earlier result"
    with suppress(OSError):  # what the end of the process closes
        os.close(sent[1])
    partial_files.remove_left_over(work)
    assert files(work) == before


def test_what_a_killed_run_left_is_gone_after_the_next(work: Path, monkeypatch) -> None:
    script = (
        "import os, signal\n"
        "from dynast_deploy.commands import run\n"
        "from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine as Engine\n"
        "render = Engine.render_bytes\n"
        "Engine.render_bytes = lambda *given: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run.main()"
    )
    before = files(work)
    arguments = list(map(str, job(work, engine=work / "tiny3.onnx")))
    killed = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = files(work) - before
    assert len(left) == 1
    assert left.pop().startswith(".drive.dynast.partial-")
    # This process has written into the folder before only where another test has.
    partial_files._remove_left_over_once.cache_clear()
    assert dynast_run(monkeypatch, *arguments) == 0
    assert files(work) - before == {"drive.dynast.mp4"}


def test_a_signal_while_an_engine_is_loaded_ends_the_run(work: Path, monkeypatch) -> None:
    from dynast_deploy import runtime

    monkeypatch.setattr(runtime, "load_engine", lambda *_: os.kill(os.getpid(), signal.SIGHUP))
    before = files(work)
    assert dynast_run(monkeypatch, *job(work, engine=work / "tiny3.onnx")) == 128 + signal.SIGHUP
    assert files(work) == before


def test_a_progress_line_is_a_moment_for_a_signal(work: Path) -> None:
    """A process of its own, which gets the signal when it says that it has rendered a frame."""
    script = (
        "import sys\n"
        "from dynast_deploy import progress\nfrom dynast_deploy.commands import run\n"
        "progress.PLAIN_SECONDS = 0.0\n"
        "run.main()"
    )
    arguments = list(map(str, job(work, engine=work / "tiny3.onnx")))
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("drive.mp4: 1/30 frames")
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert 1 <= len(frames_of(work / "drive.dynast.mp4")) < 30
    assert out.startswith(str(work / "drive.dynast.mp4"))


def test_an_error_that_a_signal_caused_is_no_mistake(monkeypatch) -> None:
    """As where an import is interrupted, and what imports takes the package for broken."""

    def command() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise DynastError("a package cannot be imported") from None

    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        run(command)
    assert ended.value.code == 128 + signal.SIGTERM


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Stopping() as stopping, StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
    assert not stopping.signal
    assert not stop.signal
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_second_ctrl_c_changes_nothing_and_a_third_ends_the_process() -> None:
    said: list[int] = []
    with StopRequest(said.append) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert stop.signal == signal.SIGTERM
    assert said == [signal.SIGTERM]


def test_a_request_is_handed_on_to_whoever_heard_before() -> None:
    with Stopping() as stopping, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGQUIT)
        stop.hand_on()
    assert stopping.signal == signal.SIGQUIT
