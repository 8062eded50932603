"""ONNX files read without their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_engine import write_tiny_engine

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_model import load_model
from dynast_deploy.formats.onnx_reader import IN_PLACE, read_graph
from dynast_deploy.runtime import load_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_engine(tmp_path_factory.mktemp("engine"))


def test_everything_but_large_tensors_is_read_as_it_is(engine: Path) -> None:
    expected, found = onnx.load(engine), read_graph(engine)
    large = 0
    for whole, reference in zip(expected.graph.initializer, found.graph.initializer, strict=True):
        if reference.data_location == TensorProto.EXTERNAL:
            large += 1
            place = {entry.key: entry.value for entry in reference.external_data}
            assert place["location"] == engine.name
            begin = int(place["offset"])
            content = engine.read_bytes()[begin : begin + int(place["length"])]
            assert content == whole.raw_data
            assert len(content) > IN_PLACE - 100
            reference.raw_data = content
            reference.ClearField("external_data")
            reference.ClearField("data_location")
    assert large > 20
    assert found == expected


def test_tensors_that_are_not_raw_stay_in_the_model(tmp_path: Path) -> None:
    numbers = [float(i) for i in range(1000)]
    initializer = helper.make_tensor("w", TensorProto.FLOAT, [1000], numbers)
    assert initializer.float_data
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])
    graph = helper.make_graph([helper.make_node("Relu", ["w"], ["y"])], "g", [], [output], [initializer])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    read = read_graph(tmp_path / "m.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(read.graph.initializer[0]), numbers)


@pytest.mark.parametrize("content", [b"", b"not a model at all\n" * 9, b"\x08", b"\xff" * 40, b"\x00" * 40])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(DynastError, match=r"x\.onnx: damaged, cut short, or not an ONNX file"):
        read_graph(tmp_path / "x.onnx")


def test_a_file_cut_anywhere_is_refused(engine: Path, tmp_path: Path) -> None:
    content = engine.read_bytes()
    # Its last fields are the opsets; without those alone it would still be a model.
    end = content.rindex(b"dynast", 0, len(content)) - 40
    for length in np.linspace(1, end, 60, dtype=int):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(DynastError, match="cut short"):
            read_graph(tmp_path / "cut.onnx")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=r"nowhere\.onnx: no such ONNX file"):
        read_graph(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("later", ["format", "operators"])
def test_a_file_of_a_later_onnx_is_called_that(later: str, tmp_path: Path) -> None:
    path = write_tiny_engine(tmp_path, crop_size=32)
    model = onnx.load(path)
    if later == "format":
        model.ir_version = onnx.IR_VERSION + 1
    else:
        model.opset_import[0].version = onnx.defs.onnx_opset_version() + 1
    onnx.save(model, path)
    with pytest.raises(DynastError, match="pip install --upgrade onnx, or export it again"):
        load_model(path)
    model.ir_version = 31
    onnx.save(model, path)
    with pytest.raises(DynastError, match="pip install --upgrade onnxruntime"):
        load_engine(path, "cpu").encode_exemplar(
            np.zeros((1, 3, 32, 32), np.float32), np.zeros((1, 20, 32, 32), np.float32)
        )


HUGE = [0, 2**62, 2**62]
TENSORS = {
    "raw": TensorProto(name="added", data_type=TensorProto.FLOAT, dims=HUGE, raw_data=b""),
    "typed": TensorProto(name="added", data_type=TensorProto.FLOAT, dims=HUGE),
    "too few": TensorProto(name="added", data_type=TensorProto.FLOAT, dims=[3], float_data=[1.0, 2.0]),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_whose_values_do_not_fit_its_shape_is_named(kind: str, engine: Path, tmp_path: Path) -> None:
    model = onnx.load(engine)
    model.graph.initializer.add().CopyFrom(TENSORS[kind])
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    for read in (load_model, read_graph):
        with pytest.raises(DynastError, match="bad.onnx: damaged: its tensor `added` has"):
            read(tmp_path / "bad.onnx")


def test_a_zip_in_place_of_an_onnx_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", a=np.zeros(3))
    with pytest.raises(DynastError, match="is not an ONNX file, but of the kind archive"):
        load_model(tmp_path / "model.npz")
