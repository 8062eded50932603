"""Calibration data are checked, ranges are measured in bounded memory, and a stopped measurement goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from calibration_arrays import tiny_arrays
from tiny_engine import tiny_generator, write_tiny_engine

from dynast_deploy.calib import ranges
from dynast_deploy.calib.histogram import Histogram
from dynast_deploy.calib.sensitivity import LayerSensitivity, fewest_left
from dynast_deploy.calib.watched_model import WatchedModel
from dynast_deploy.errors import DynastError
from dynast_deploy.export.model import build_model
from dynast_deploy.export.quantizable import find_layers, matching, tensor_bytes
from dynast_deploy.formats.onnx_model import ModelMetadata
from dynast_deploy.formats.precision import Method
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.frames.read_frames import read_data, spread
from dynast_deploy.frames.request import FrameRequest

pytest.importorskip("onnxruntime", reason="ranges are measured by ONNX Runtime")


FLAT = np.broadcast_to(np.arange(3, dtype=np.uint8)[:, None, None, None], (3, 20, 32, 32))


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return build_model(tiny_generator(), 32, 32, "pose", "0" * 64)


def data_of(model: onnx.ModelProto, arrays: dict[str, np.ndarray], folder: Path) -> CalibrationData:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return read_data(FrameRequest(str(path), 100), ModelMetadata.read(model, "tiny"), "tiny.onnx")


def with_value(name: str, value: float) -> Callable[[], dict[str, np.ndarray]]:
    def changed() -> dict[str, np.ndarray]:
        arrays = tiny_arrays()
        arrays[name] = arrays[name].astype(np.float32) / (255 if name.endswith("condition") else 1)
        arrays[name][1, 0, 3, 3] = value
        return arrays

    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (lambda: tiny_arrays(frames=0), "no frames to calibrate on"),
        (lambda: tiny_arrays(exemplars=0), "no exemplars to calibrate on"),
        (
            lambda: {**tiny_arrays(), "condition": np.zeros((3, 20, 32, 32), np.uint8)},
            "all 3 frames are the same",
        ),
        (lambda: {**tiny_arrays(), "condition": FLAT}, "every condition is constant"),
        (lambda: {**tiny_arrays(), "exemplar": np.zeros((2, 3, 32, 32), np.float32)}, "is of one colour"),
        (
            lambda: {**tiny_arrays(), "condition": np.zeros((3, 15, 32, 32), np.uint8)},
            r"\[1, 15, 32, 32\]; this model takes \[1, 20, 32, 32\] \(task pose\)",
        ),
        (
            lambda: {**tiny_arrays(), "condition": np.zeros((3, 20, 64, 64), np.uint8)},
            r"\[1, 20, 64, 64\]; this model takes \[1, 20, 32, 32\]",
        ),
        (with_value("condition", np.nan), "frame 1: the condition holds NaN"),
        (with_value("exemplar", np.inf), "the exemplar holds NaN or infinite"),
        (with_value("condition", 2.0), "it must lie in 0..1"),
        (lambda: {"condition": np.zeros((1, 20, 32, 32), np.uint8)}, "lacks exemplar"),
        (lambda: {**tiny_arrays(), "exemplar": np.zeros(3, np.float32)}, "four dimensions"),
    ],
)
def test_bad_data_are_one_line(
    model: onnx.ModelProto, tmp_path: Path, arrays: Callable[[], dict[str, np.ndarray]], message: str
) -> None:
    with pytest.raises(DynastError, match=message) as raised:
        data_of(model, arrays(), tmp_path)
    assert "\n" not in str(raised.value)


def test_frames_take_exemplars_in_turn_and_come_back_as_they_were(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    arrays = tiny_arrays()
    frames = list(data_of(model, arrays, tmp_path).frames())
    assert [number for number, _ in frames] == [0, 0, 0, 1, 1, 1]
    for (_, found), place in zip(frames, (0, 2, 4, 1, 3, 5), strict=True):
        assert (found[0] == arrays["condition"][place]).all()


def test_frames_are_kept_back_for_judging(model: onnx.ModelProto, tmp_path: Path) -> None:
    data = data_of(model, tiny_arrays(frames=9), tmp_path)
    measured, checks = data.split(3)
    assert (len(measured), len(checks)) == (6, 3)
    seen = [{condition.tobytes() for _, condition in part.frames()} for part in (measured, checks)]
    assert seen[0].isdisjoint(seen[1])
    assert [len(part) for part in data.split(8)] == [9, 8]


def test_frames_are_spread_evenly() -> None:
    assert spread(100, 3) == [0, 50, 99]
    assert spread(2, 5) == [0, 1]
    assert spread(0, 5) == []


@pytest.mark.parametrize("method", list(Method))
def test_ranges_hold_most_values_and_no_more_than_there_are(
    model: onnx.ModelProto, tmp_path: Path, method: Method
) -> None:
    data = data_of(model, tiny_arrays(), tmp_path)
    names = ["encoder_q.layer1/residual/LeakyRelu", "embed_kv1", "condition"]
    found = ranges.measure(model, dict.fromkeys(names, 1), data, method, "a", cache=tmp_path)
    assert list(found) == names
    network = WatchedModel(model, data.info, names)
    largest = dict.fromkeys(names, 0.0)
    for number, condition in data.frames():
        encoded, of_exemplar = network.encode(*data.exemplar(number))
        for name, values in {**network.render(encoded, condition)[1], **of_exemplar}.items():
            largest[name] = max(largest[name], float(np.abs(values).max()))
    for name in names:
        assert 0.3 * largest[name] <= found[name] <= largest[name] * 1.01, name


@pytest.mark.parametrize("signed", [False, True])
def test_a_histogram_is_the_same_in_any_order_and_never_grows(signed: bool) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.normal(0, scale, 3000).astype(np.float32) for scale in (0, 1e-30, 1e-6, 0.3, 40, 2)]
    found = []
    for order in (frames, frames[::-1]):
        histogram = Histogram(256, signed)
        for frame in order:
            histogram.add(frame)
        found.append(histogram)
    assert len(found[0].counts) == 256
    everything = np.concatenate(frames)
    values = everything if signed else np.abs(everything)
    expected = np.histogram(values.astype(np.float64), found[0].edges.astype(np.float64))[0]
    for histogram in found:
        # Negative values that a narrower histogram had apart from zero may lie on either side of it.
        assert np.abs(np.cumsum(histogram.counts) - np.cumsum(expected))[[0, 60, 200, 255]].max() == 0
        assert histogram.counts.sum() == everything.size
    largest = float(np.abs(everything).max())
    assert largest <= found[0].reach < 2 * largest
    assert (found[0].low, found[0].high) == (everything.min(), everything.max())


@pytest.mark.parametrize("method", list(Method))
def test_a_black_first_frame_decides_nothing(model: onnx.ModelProto, tmp_path: Path, method: Method) -> None:
    arrays = tiny_arrays()
    first, last = {}, {}
    for name, array in arrays.items():
        black = np.zeros_like(array[:1])
        first[name] = np.concatenate([black, array]) if name == "condition" else array
        last[name] = np.concatenate([array, black]) if name == "condition" else array
    names = ["encoder_q.layer1/residual/LeakyRelu", "condition"]
    found = []
    for place, given in (("first", first), ("last", last)):
        data = data_of(model, given, tmp_path)
        found.append(
            ranges.measure(model, dict.fromkeys(names, 1), data, method, "f", cache=tmp_path / place)
        )
        (cache,) = (tmp_path / place).iterdir()
        assert cache.stat().st_size < 200_000
    for name in names:
        assert found[0][name] == pytest.approx(found[1][name], rel=0.05)


def test_many_passes_give_what_one_gives(
    model: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, sizes = data_of(model, tiny_arrays(), tmp_path), tensor_bytes(model)
    names = {layer.source: sizes[layer.source] for layer in find_layers(model, data.info.cut_tensors)[::20]}
    at_once = ranges.measure(model, names, data, Method.MSE, "b", cache=tmp_path / "one")
    monkeypatch.setattr(ranges, "PASS_BYTES", max(names.values()))
    held: list[int] = []
    monkeypatch.setattr(
        ranges,
        "WatchedModel",
        lambda *given: held.append(sum(names[n] for n in given[2])) or WatchedModel(*given),
    )
    assert ranges.measure(model, names, data, Method.MSE, "b", cache=tmp_path / "many") == at_once
    assert len(held) > 1
    assert max(held) <= max(names.values())


def test_a_stopped_measurement_goes_on_where_it_was(
    model: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(model, tiny_arrays(), tmp_path)
    names = {"encoder_q.layer1/residual/LeakyRelu": 1, "embed_kv1": 1}
    monkeypatch.setattr(ranges, "SAVE_EVERY", 2)
    rendered: list[int] = []

    class Counting(WatchedModel):
        most = 5

        def render(self, *given: object) -> tuple[np.ndarray, dict[str, np.ndarray]]:
            if len(rendered) == self.most:
                raise KeyboardInterrupt
            rendered.append(1)
            return super().render(*given)  # type: ignore[arg-type]

    uninterrupted = ranges.measure(model, names, data, Method.ENTROPY, "c", cache=tmp_path / "whole")
    monkeypatch.setattr(ranges, "WatchedModel", Counting)
    with pytest.raises(KeyboardInterrupt):
        ranges.measure(model, names, data, Method.ENTROPY, "c", cache=tmp_path / "cut")
    assert len(list((tmp_path / "cut").iterdir())) == 1
    rendered.clear()
    assert ranges.measure(model, names, data, Method.ENTROPY, "c", cache=tmp_path / "cut") == uninterrupted
    assert len(rendered) == 2  # six frames, of which four were saved
    rendered.clear()
    assert ranges.measure(model, names, data, Method.ENTROPY, "c", cache=tmp_path / "cut") == uninterrupted
    assert not rendered
    other = data_of(model, tiny_arrays(frames=4), tmp_path)
    ranges.measure(model, names, other, Method.ENTROPY, "c", cache=tmp_path / "cut")
    assert len(rendered) == 4


def test_a_damaged_cache_is_measured_again(model: onnx.ModelProto, tmp_path: Path) -> None:
    data = data_of(model, tiny_arrays(), tmp_path)
    expected = ranges.measure(model, {"embed_kv1": 1}, data, Method.MSE, "d", cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert (
        ranges.measure(model, {"embed_kv1": 1}, data, Method.MSE, "d", cache=tmp_path / "cache") == expected
    )


def test_nan_in_a_tensor_is_one_line_with_its_name(model: onnx.ModelProto, tmp_path: Path) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    bias = next(t for t in broken.graph.initializer if t.name == "embed_q1.conv_0.bias")
    bias.CopyFrom(
        onnx.numpy_helper.from_array(np.full_like(onnx.numpy_helper.to_array(bias), np.nan), bias.name)
    )
    data = data_of(model, tiny_arrays(), tmp_path)
    with pytest.raises(DynastError, match="tensor embed_q1 holds NaN"):
        ranges.measure(broken, {"embed_q1": 1}, data, Method.MSE, "e", cache=tmp_path)


def test_least_error_cuts_outliers_and_keeps_what_is_even() -> None:
    edges = np.linspace(0, 10, 1001)
    even = np.full(1000, 5)
    assert ranges.least_error(even, edges) == pytest.approx(10, rel=0.02)
    outlier = np.where(edges[:-1] < 4, 1_000_000, 0)
    outlier[-1] = 1
    assert 4 <= ranges.least_error(outlier, edges) < 8
    assert ranges.least_error(np.zeros(1000, int), edges) == 0


def test_layers_are_kept_by_regular_expression(model: onnx.ModelProto) -> None:
    layers = find_layers(model, ModelMetadata.read(model, "tiny").cut_tensors)
    assert matching(layers, r"^decoder_43/conv$") == {"decoder_43/conv"}
    with pytest.raises(DynastError, match="no layer has such a name"):
        matching(layers, "nothing")
    with pytest.raises(DynastError, match="not a regular expression"):
        matching(layers, "(")


@pytest.mark.parametrize("needed", range(9))
def test_the_fewest_layers_are_left_that_reach_the_target(needed: int) -> None:
    losses = [LayerSensitivity(f"layer{number}", "convolution", 30.0 + number, 0.1) for number in range(8)]
    asked: list[int] = []

    def psnr_without(names: set[str]) -> float:
        asked.append(len(names))
        return 40.0 + len(names) - needed

    left, psnr = fewest_left(losses, psnr_without, 40.0)
    assert left == [f"layer{number}" for number in range(needed)]
    assert psnr == 40.0 + len(left) - needed
    assert len(asked) <= 5


def test_the_tiny_engines_file_is_no_video(tmp_path: Path) -> None:
    engine = write_tiny_engine(tmp_path)
    info = ModelMetadata.read(onnx.load(engine), "tiny")
    with pytest.raises(DynastError, match="name the exemplars too"):
        read_data(FrameRequest(str(engine), 10), info, "tiny")
    with pytest.raises(DynastError, match="no such"):
        read_data(FrameRequest(str(tmp_path / "nothing.mp4"), 10), info, "tiny")
