"""The commands of `dynast`, as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner, Result
from video_clips import write_clip

from dynast_deploy.cli import app
from dynast_deploy.commands import condition as condition_command
from dynast_deploy.commands import doctor, probes
from dynast_deploy.commands.condition import choose_target
from dynast_deploy.commands.inspect import describe
from dynast_deploy.commands.show import plain_lines, show
from dynast_deploy.conditions import draw_condition, pose_condition
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.marionette import Identity, render, sample_pose
from dynast_deploy.runtime.pictures import read_picture, write_picture
from dynast_deploy.runtime.video_reader import VideoReader

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "cv2", "av", "onnx", "onnxruntime", "numpy", "PIL", "scipy", "skimage")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, in the checkout's root."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def dynast(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- every command ---------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, dynast_deploy.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("command", [(), ("inspect",), ("condition",), ("doctor",), ("train",)])
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = dynast(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = python("-m", "dynast_deploy.cli", "inspect", str(tmp_path / "nowhere.onnx"))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'nowhere.onnx'}: no such file\n"
    assert done.stdout == ""


# --- show ------------------------------------------------------------------------------------------------------------


def test_documents_become_plain_lines() -> None:
    document = {
        "weights_mb": 1.5,
        "parameters": 1234567,
        "works": True,
        "missing": None,
        "config": {"n_layers": 2},
        "inputs": [{"name": "x", "shape": ["N", 2048]}, {"name": "long", "shape": [1]}],
    }
    assert plain_lines(document) == [
        "weights: 1.5 MB",
        "parameters: 1,234,567",
        "works: yes",
        "missing: -",
        "config:",
        "  n_layers: 2",
        "inputs:",
        "  x     N, 2048",
        "  long  1",
    ]


def test_a_terminal_gets_tables_with_the_same_facts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show({"kind": "engine", "config": {"n_layers": 2}, "inputs": [{"name": "[x]", "shape": ["N", 3]}]})
    shown = capsys.readouterr().out
    assert all(fact in shown for fact in ("engine", "n_layers: 2", "[x]", "N, 3"))


# --- inspect ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pose generator, as our trainer writes it."""
    torch = pytest.importorskip("torch")
    from dynast_deploy.checkpoint import save_generator
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    torch.manual_seed(0)
    config = GeneratorConfig(
        20, crop_size=32, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=2, top_k=3, smooth=0.07
    )
    path = tmp_path_factory.mktemp("checkpoint") / "own.pth"
    save_generator(Generator(config), path, task="pose", step=70)
    return path


@pytest.fixture(scope="session")
def engine(checkpoint: Path) -> Path:
    """The same generator as `model.onnx`, for pictures of 32x48."""
    import onnx

    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.export.split import sha256
    from dynast_deploy.export.to_onnx import build_model

    path = checkpoint.with_name("model.onnx")
    onnx.save(build_model(load_generator(checkpoint), 32, 48, "pose", sha256(checkpoint)), path)
    return path


def test_inspect_tells_all_of_our_checkpoint(checkpoint: Path) -> None:
    found = describe(checkpoint)
    assert found["kind"] == "checkpoint"
    assert found["task"] == "pose"
    assert found["step"] == 70
    assert found["configuration"]["smooth"] == 0.07
    assert found["configuration"]["top_k"] == 3
    assert found["configuration_from"] == "the file"
    assert "problem" not in found
    from dynast_deploy.checkpoint import load_generator

    assert found["parameters"] == sum(each.numel() for each in load_generator(checkpoint).parameters())


def test_inspect_infers_what_a_published_checkpoint_does_not_say(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    state = torch.load(checkpoint, weights_only=True)["generator"]
    del state["decoder_10.0.bias"]
    torch.save({"netG": state, "epoch": 12}, tmp_path / "latest_net_G.pth")
    found = describe(tmp_path / "latest_net_G.pth")
    assert found["layout"] == "published state dict"
    assert "top_k and smooth are defaults" in found["configuration_from"]
    assert found["configuration"]["smooth"] == 0.01
    assert found["epoch"] == 12
    assert "decoder_10.0.bias is missing" in found["problem"]


def test_inspect_tells_all_of_an_engine(engine: Path) -> None:
    found = describe(engine)
    assert found["kind"] == "engine"
    assert (found["task"], found["height"], found["width"], found["precision"]) == ("pose", 32, 48, "fp32")
    assert found["configuration"]["n_layers"] == 2
    assert [each["name"] for each in found["inputs"]] == ["condition", "exemplar", "exemplar_condition"]
    assert found["outputs"] == [{"name": "image", "type": "float", "shape": ["N", 3, 32, 48]}]
    assert found["attention_nodes"] == {"InterScaleAttention": 3, "InnerScaleAttention": 3}
    # Four scales of two blocks of three tensors; block 0 is at a 4x6 map.
    assert len(found["cut_tensors"]) == 24
    assert found["cut_tensors"][0] == {
        "name": "block0.key",
        "type": "float",
        "shape": ["E", 24, 12],
        "size_mb": round(24 * 12 * 4 / 1e6, 3),
    }
    assert sum(each["count"] for each in found["operators"]) == found["nodes"]
    assert 0 < found["weights_mb"] < found["size_mb"]


@pytest.mark.parametrize("built", [True, False])
def test_inspect_says_what_computes_the_attention_here(
    engine: Path, monkeypatch: pytest.MonkeyPatch, built: bool
) -> None:
    monkeypatch.setattr("dynast_deploy.plugins.library.find", lambda _: Path("lib.so") if built else None)
    runs = describe(engine)["attention_runs_here"]
    assert ("natively, by lib.so" in runs) == built
    assert ("python -m dynast_deploy.plugins.build" in runs) != built


def test_inspect_describes_an_onnx_file_of_other_people(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["N", 5]) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.ones(5, np.float16), "w")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight]
    )
    onnx.save(helper.make_model(graph, producer_name="someone"), tmp_path / "other.onnx")
    found = describe(tmp_path / "other.onnx")
    assert found["kind"] == "ONNX model"
    assert found["producer"] == "someone"
    assert found["inputs"] == [{"name": "x", "type": "float16", "shape": ["N", 5]}]
    assert found["operators"] == [{"operator": "Mul", "count": 1}]
    assert found["weights_mb"] == round(10 / 1e6, 3)
    assert "cut_tensors" not in found


def test_inspect_lists_archives_and_their_manifest(tmp_path: Path) -> None:
    for name, manifest in (("a.zip", None), ("model.plan", {"precision": "fp16", "shapes": {"N": 4}})):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("encoder.plan", b"\0" * 2000)
            if manifest:
                archive.writestr("manifest.json", json.dumps(manifest))
    assert describe(tmp_path / "a.zip")["entries"] == [{"name": "encoder.plan", "size_mb": 0.002}]
    assert describe(tmp_path / "model.plan")["manifest"]["shapes"] == {"N": 4}


@pytest.mark.parametrize("name", ["text.onnx", "text.pth", "text"])
def test_inspect_refuses_what_it_does_not_know_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("just text\n")
    with pytest.raises(DynastError, match="damaged, or no") as caught:
        describe(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_inspect_prints_json(engine: Path) -> None:
    assert json.loads(dynast("inspect", engine, "--json").stdout) == json.loads(json.dumps(describe(engine)))


# --- condition -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figure_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a marionette, its keypoints beside it."""
    figure = render(Identity.of_seed(3), sample_pose(np.random.default_rng(0)), 128)
    folder = tmp_path_factory.mktemp("figure")
    write_picture(folder / "figure.png", figure.picture)
    np.savez(folder / "figure.poses.npz", keypoints=figure.keypoints[None])
    return folder / "figure.png"


def test_condition_draws_what_the_network_sees_of_a_picture(figure_file: Path, tmp_path: Path) -> None:
    result = dynast("condition", figure_file, "--size", "64", "-o", tmp_path / "seen.png")
    assert result.exit_code == 0, result.output
    keypoints = np.load(figure_file.with_name("figure.poses.npz"))["keypoints"][0]
    expected = draw_condition(pose_condition(keypoints, (128, 128), 64))
    np.testing.assert_array_equal(read_picture(tmp_path / "seen.png"), expected)
    assert expected.max() > 0


def test_condition_of_style_is_the_picture_itself(figure_file: Path, tmp_path: Path) -> None:
    dynast("condition", figure_file, "--task", "style", "--size", "128x128", "-o", tmp_path / "seen.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "seen.png"), read_picture(figure_file))


def test_condition_takes_task_and_size_from_an_engine(engine: Path, checkpoint: Path) -> None:
    assert choose_target(engine, None, None) == (Task.POSE, (32, 48))
    assert choose_target(engine, Task.POSE, "32x48") == (Task.POSE, (32, 48))
    assert choose_target(checkpoint, None, None) == (Task.POSE, (32, 32))
    assert choose_target(None, None, None) == (Task.POSE, (256, 256))
    with pytest.raises(DynastError, match="its conditions show pose, not face; leave --task out"):
        choose_target(engine, Task.FACE, None)
    with pytest.raises(DynastError, match="its pictures are 32x48, not 64x64; leave --size out"):
        choose_target(engine, None, "64x64")


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, list]:
    """A clip of six frames with uneven times and sound, and a figure's poses beside it."""
    times = write_clip(
        tmp_path / "walk.mp4", times=[0, 3003, 6100, 9009, 12200, 15015], height=128, width=128
    )
    rng = np.random.default_rng(0)
    poses = [render(Identity.of_seed(1), sample_pose(rng), 128).keypoints for _ in range(6)]
    np.savez(tmp_path / "walk.poses.npz", keypoints=np.stack(poses))
    return tmp_path / "walk.mp4", times


def test_condition_of_a_video_keeps_its_times_and_sound(clip: tuple[Path, list]) -> None:
    video, times = clip
    result = dynast("condition", video, "--size", "128")
    assert result.exit_code == 0, result.output
    output = video.with_name("walk.condition.mp4")
    assert result.stdout.strip().endswith(str(output))
    keypoints = np.load(video.with_name("walk.poses.npz"))["keypoints"]
    with VideoReader(output) as reader:
        assert reader.has_audio
        frames = list(reader)
    assert_allclose([float(frame.time) for frame in frames], [float(time) for time in times], atol=1e-3)
    for frame, pose in zip(frames, keypoints, strict=True):
        expected = draw_condition(pose_condition(pose, (128, 128), 128))
        # What H.264 loses of thin coloured sticks.
        assert np.abs(frame.picture.astype(int) - expected).mean() < 4


def test_condition_with_too_many_poses_writes_nothing(clip: tuple[Path, list], tmp_path: Path) -> None:
    video, _ = clip
    np.savez(tmp_path / "many.npz", keypoints=np.ones((7, 18, 3)))
    result = dynast("condition", video, "--poses", tmp_path / "many.npz", "--size", "64")
    assert isinstance(result.exception, DynastError)
    assert "7 poses for 6 frames" in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.npz", "walk.mp4", "walk.poses.npz"]


def test_condition_of_nobody_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "empty.png", np.zeros((32, 32, 3), np.uint8))
    np.savez(tmp_path / "empty.poses.npz", keypoints=np.zeros((1, 18, 3)))
    with pytest.raises(DynastError, match=r"empty\.png: nobody is seen in it"):
        condition_command.condition(tmp_path / "empty.png")
    assert not (tmp_path / "empty.condition.png").exists()


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_lists_the_packages_of_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"core": project["dependencies"], **project["optional-dependencies"]}
    listed = {extra: packages for extras, packages in doctor.PACKAGES.items() for extra in extras.split(", ")}
    del named["dev"]
    assert {
        extra: [requirement.split(">")[0].split("=")[0] for requirement in requirements]
        for extra, requirements in named.items()
    } == {extra: list(packages) for extra, packages in listed.items()}


def test_doctor_answers_for_every_backend_and_exits_0() -> None:
    done = python("-m", "dynast_deploy.cli", "doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["backend"] for row in found["backends"]] == list(probes.PROBES)
    for row in found["backends"]:
        assert row["detail"]
        if not row["works"]:
            assert row["mend"] or "pip " in row["detail"], row
    here = {row["package"]: row["installed"] for row in found["packages"]}
    assert here["numpy"] == np.__version__


def broken_package(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import os; os.abort()", "ends its process with status -6"),
        ("import sys; sys.exit(3)", "ends its process with status 3"),
        ("raise RuntimeError('cannot find its kernels')", "RuntimeError: cannot find its kernels"),
        ("import nowhere_at_all", "does not import: No module named 'nowhere_at_all'"),
        ("raise ImportError('libcudnn.so.9: no such file')", "does not load: libcudnn.so.9"),
    ],
)
def test_doctor_survives_a_broken_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, detail: str
) -> None:
    broken_package(tmp_path, "tensorrt", code)
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor.probe("TensorRT")
    assert found["works"] is False
    assert detail in found["detail"]
    assert found["mend"]


def test_doctor_takes_a_chatty_package_at_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_package(tmp_path, "cv2", "print('hello from the library'); __version__ = '9.9'")
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.probe("OpenCV") == {"backend": "OpenCV", "works": True, "detail": "9.9", "mend": None}


def test_doctor_gives_up_on_a_package_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "gives no answer within" in doctor.probe("PyTorch")["detail"]


def test_doctor_names_the_build_command_for_stale_and_missing_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dynast_deploy.plugins import library

    monkeypatch.setattr(library, "find", lambda _: None)
    monkeypatch.setattr(library, "built_folder", lambda _: tmp_path)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    missing = probes.onnxruntime_attention()
    assert "not built" in missing.detail
    assert "python -m dynast_deploy.plugins.build" in (missing.mend or "")
    (tmp_path / library.file_name(library.CPU)).write_bytes(b"old")
    assert "built from other sources" in probes.pytorch_attention().detail


# --- train -----------------------------------------------------------------------------------------------------------


def test_train_writes_a_checkpoint_and_goes_on_from_it(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.training import trainer

    calls = []

    def remember(*arguments: object) -> Path:
        calls.append(arguments)
        return tmp_path / "generator.pth"

    monkeypatch.setattr(trainer, "train", remember)
    result = dynast(
        "train", "--out", tmp_path, "--size", "64", "--ngf", "16", "--layers", "1", "--steps", "7"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "generator.pth")
    config, training, out, start = calls.pop()
    assert (config.semantic_nc, config.crop_size, config.ngf, config.n_layers, config.max_multi) == (
        20,
        64,
        16,
        1,
        8,
    )
    assert (training.size, training.steps, out, start) == (64, 7, tmp_path, None)

    dynast("train", "--out", tmp_path, "--size", "64", "--start-from", checkpoint, "--smooth", "0.5")
    config, _, _, start = calls.pop()
    stored = load_generator(checkpoint).config
    assert (config.ngf, config.top_k, config.n_layers) == (stored.ngf, stored.top_k, stored.n_layers)
    assert (config.crop_size, config.smooth, start) == (64, 0.5, checkpoint)


def test_train_refuses_a_task_without_pairs(tmp_path: Path) -> None:
    result = dynast("train", "--out", tmp_path, "--task", "face")
    assert isinstance(result.exception, DynastError)
    assert "pairs show poses only" in str(result.exception)


def test_train_runs_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tiny = "--size 32 --steps 1 --batch 1 --ngf 4 --max-multi 2 --layers 1 --pos-dim 2 --prune-dim 2"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dynast_deploy.cli", "train", "--out", str(tmp_path), *tiny.split()],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert describe(tmp_path / "generator.pth")["step"] == 1
