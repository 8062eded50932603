"""`build_engine.py` with a stand-in for TensorRT: what the builder is asked for, what is written, what is refused."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from builder_stand_in import VERSION, Flag, Recorder
from tiny_engine import write_tiny_engine

from dynast_deploy.commands import build_engine, build_target
from dynast_deploy.errors import DynastError
from dynast_deploy.export.build_progress import BuildProgress
from dynast_deploy.formats import onnx_model as split
from dynast_deploy.formats.manifest import BatchSizes, PlanKind
from dynast_deploy.formats.plan import read_manifest, read_plans
from dynast_deploy.formats.precision import Precision
from dynast_deploy.plugins import gpu_kernels, tensorrt_plugin
from dynast_deploy.runtime.cuda import driver

ADA = driver.GpuDevice("NVIDIA L40S", "8.9")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit status of `python export/build_engine.py ...`, run in this process."""
    monkeypatch.setattr(sys, "argv", ["build_engine.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        build_engine.main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_engine(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with model.onnx in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model.onnx").write_bytes(model.read_bytes())
    return tmp_path


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """TensorRT on a machine with a GPU and everything else it needs."""
    recorder = Recorder([b"E" * 100, b"R" * 200])
    monkeypatch.setitem(sys.modules, "tensorrt", recorder.module)
    monkeypatch.setattr(driver, "first_device", lambda: ADA)
    monkeypatch.setattr(gpu_kernels, "compile_ptx", lambda kernel: b"")
    monkeypatch.setattr(tensorrt_plugin, "register_plugins", lambda: recorder.errors.clear())
    return recorder


def test_both_halves_are_built_in_a_strongly_typed_network(folder: Path, tensorrt, monkeypatch) -> None:
    assert run(monkeypatch, "--fp16") == 0
    plans, manifest = read_plans("model.plan"), read_manifest("model.plan")
    assert (bytes(plans.encoder), bytes(plans.renderer)) == (b"E" * 100, b"R" * 200)
    (encoder, first), (renderer, second) = tensorrt.builds
    assert encoder.flags == renderer.flags == 1 << 1
    assert first.flags == second.flags == set()
    assert {tensor.name for tensor in encoder.inputs} == {"exemplar", "exemplar_condition"}
    assert [output.name for output in encoder.model.graph.output] == list(manifest.cut_tensors)
    assert {1 for tensor in renderer.inputs if -1 in tensor.shape} == set()
    assert first.profiles == second.profiles == []
    assert (manifest.kind, manifest.library_version, manifest.gpu) == (PlanKind.TENSORRT, VERSION, ADA.name)
    assert (manifest.compute_capabilities, manifest.precision, manifest.plugin_version) == (
        ("8.9",),
        "fp16",
        "1",
    )
    assert manifest.source_sha256 == split.sha256("model.onnx")
    types = {spec.name: spec.dtype for spec in (*manifest.renderer_inputs, *manifest.renderer_outputs)}
    assert (types["condition"], types["image"], types["block0.key"]) == ("uint8", "uint8", "float16")
    assert manifest.encoder_outputs == manifest.renderer_inputs[1:]


def test_options_reach_the_builder(folder: Path, tensorrt, monkeypatch) -> None:
    options = "--fp32 --batch 1,4,16 --workspace 2 --optimization-level 5 --version-compatible"
    assert run(monkeypatch, *options.split(), "--hardware-compatible", "-o", "other.plan") == 0
    for _, config in tensorrt.builds:
        assert config.flags == {Flag.VERSION_COMPATIBLE}
        assert config.pools == {"workspace": 2 * 2**30}
        assert (config.builder_optimization_level, config.hardware_compatibility_level) == (5, "ampere+")
    renderer, config = tensorrt.builds[1]
    shapes = tuple((frames, 20, 32, 32) for frames in (1, 4, 16))
    assert config.profiles[0].shapes == {"condition": shapes}
    assert {tensor.shape[0] for tensor in renderer.inputs if tensor.name != "condition"} == {1}
    manifest = read_manifest("other.plan")
    assert (manifest.batch, manifest.version_compatible) == (BatchSizes(1, 4, 16), True)
    assert (manifest.compute_capabilities, manifest.hardware_compatible) == (("8.0",), True)
    assert manifest.renderer_outputs[0].shape == (-1, 3, 32, 32)


def test_timings_are_kept_for_this_gpu_and_version(folder: Path, tensorrt, monkeypatch, capsys) -> None:
    assert run(monkeypatch) == 0
    cache = folder / "cache" / "dynast_deploy" / "timing" / f"nvidia-l40s-8.9-tensorrt-{VERSION}.cache"
    assert cache.read_bytes() == b"++"
    own = folder / "own.cache"
    own.write_bytes(b"foreign")
    tensorrt._plans = [b"E", b"R"]
    assert run(monkeypatch, "--timing-cache", own) == 0
    assert "of another GPU or version" in capsys.readouterr().err
    assert own.read_bytes() == b"++"


def test_progress_is_shown_and_the_reason_of_a_failure(folder: Path, tensorrt, monkeypatch, capsys) -> None:
    tensorrt._plans = [b"E", None]
    monkeypatch.setattr(tensorrt_plugin, "register_plugins", lambda: None)
    monkeypatch.setattr("dynast_deploy.export.build_progress.PLAIN_SECONDS", 0)
    tensorrt.errors.append("Could not find any implementation\n for node {ForeignNode[decoder_10]}")
    assert run(monkeypatch) == 2
    shown = capsys.readouterr().err.splitlines()
    assert "exemplar encoder: building" in shown
    assert [line for line in shown if line.startswith("exemplar encoder: Tactics, step 2 of 2")]
    assert shown[-1] == (
        "error: TensorRT cannot build the frame renderer: Could not find any implementation for node "
        "{ForeignNode[decoder_10]}"
    )
    assert not (folder / "model.plan").exists()


def test_a_terminal_gets_a_bar_for_each_phase(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with BuildProgress("frame renderer") as progress:
        progress.start("Building engine", None, 3)
        progress.start("Tactics", "Building engine", 40)
        progress.step("Tactics", 40)
        progress.finish("Tactics")
        progress.step("Building engine", 2)
    shown = capsys.readouterr().err
    assert "frame renderer Building engine" in shown
    assert "2/3" in shown
    assert "Tactics" not in shown[shown.rindex("Building engine") :]


def test_ctrl_c_stops_the_builder_and_leaves_the_old_file(
    folder: Path, tensorrt, monkeypatch, capsys
) -> None:
    (folder / "model.plan").write_bytes(b"old")
    original = Recorder._build
    # A process started in the background ignores SIGINT, and so does what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(self, log, network, config):
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:  # the main thread has heard it
            pass
        return original(self, log, network, config)

    monkeypatch.setattr(Recorder, "_build", interrupted)
    try:
        assert run(monkeypatch) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopping after this step" in capsys.readouterr().err
    assert (folder / "model.plan").read_bytes() == b"old"
    assert not list(folder.glob(".*partial*"))


def damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def replace_by_another_model(path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "other", [x], [y])), path)


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        ([], damage, "model.onnx: damaged, or not an ONNX file"),
        ([], replace_by_another_model, "model.onnx: not an engine of this project"),
        ([], lambda path: path.unlink(), "model.onnx: no such ONNX file"),
        (["--int8"], None, "--int8 needs ranges of the values in model.onnx"),
        (["--int8", "--fp16"], None, "--fp16 --int8: choose one of them"),
        (["--batch", "4,1,16"], None, "--batch 4,1,16: write a number, or MIN,OPT,MAX"),
        (["--workspace", "0"], None, "--workspace 0.0: give a number of GiB above 0"),
        (["-o", "no/model.plan"], None, "the folder no does not exist"),
        (["-o", "model.trt"], None, "engines are written as .plan"),
        (["--compute-capabilities", "8.9"], None, "goes with --rtx"),
        (["--rtx", "--version-compatible"], None, "leave them out with --rtx"),
    ],
)
def test_a_mistake_gets_one_line_and_no_file(
    folder: Path, tensorrt, monkeypatch, capsys, arguments: list[str], change, message: str
) -> None:
    if change is not None:
        change(folder / "model.onnx")
    assert_refused(folder, run(monkeypatch, *arguments), capsys.readouterr().err, message)


@pytest.mark.parametrize(
    ("module", "device", "message"),
    [
        (None, ADA, "needs TensorRT: pip install 'dynast-deploy[trt]'; or build for RTX cards with --rtx"),
        (SimpleNamespace(__version__="10.8.0.43"), ADA, "TensorRT 10.8.0.43 is installed, and 10.9 or later"),
        (Recorder([]).module, None, "no NVIDIA GPU that can be used"),
    ],
)
def test_what_is_missing_gets_one_line_and_no_file(
    folder: Path, monkeypatch, capsys, module, device, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(driver, "first_device", lambda: device)
    assert_refused(folder, run(monkeypatch, "--fp16"), capsys.readouterr().err, message)


def test_rtx_without_its_library_gets_one_line(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    assert_refused(folder, run(monkeypatch, "--rtx"), capsys.readouterr().err, "dynast-deploy[rtx]")


def assert_refused(folder: Path, status: int, error: str, message: str) -> None:
    assert status == 2
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not {path.name for path in folder.iterdir()} - {"model.onnx"}


def test_fp8_is_for_gpus_that_have_it() -> None:
    assert build_target.rtx_capabilities(Precision.FP8) == ("8.9", "12.0")
    assert build_target.rtx_capabilities(Precision.FP16)[0] == "8.0"
    build_target.check_capability(Precision.FP8, (), None, False)
    build_target.check_capability(Precision.FP8, ("8.9", "12.0"), None, False)
    with pytest.raises(DynastError, match=r"compute capability 8\.6, 7\.5 has no eight-bit floats"):
        build_target.check_capability(Precision.FP8, ("8.9", "8.6", "7.5"), None, False)
    with pytest.raises(DynastError, match=r"compute capability 8\.0 has no"):
        build_target.check_capability(Precision.FP8, (), driver.GpuDevice("A100", "8.0"), False)
    with pytest.raises(DynastError, match="--hardware-compatible plans are for 8.0"):
        build_target.check_capability(Precision.FP8, (), driver.GpuDevice("L4", "8.9"), True)
