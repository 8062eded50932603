"""Pose models that take their picture in other ways: channels last, whole numbers, fixed batches, open sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_pose_models import HEIGHT, WIDTH, constant_model, saved, simcc_model, spot, yolo_row

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.pose_model import PoseModel
from dynast_deploy.size import Size

pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the models")

Shape = list[int | str | None]
FIRST, LAST = [1, 3, HEIGHT, WIDTH], [1, HEIGHT, WIDTH, 3]
OUTPUT_RANKS = {"simcc_x": 3, "simcc_y": 3, "output0": 3}


def taking(path: Path, shape: Shape, kind: int = TensorProto.FLOAT) -> Path:
    """The model in `path`, with an input of this shape and type before its own; outputs of open shape."""
    model = onnx.load(path)
    graph = model.graph
    channels_last = shape[3] == 3
    nodes = [helper.make_node("Cast", ["given"], ["numbers"], to=TensorProto.FLOAT)]
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["numbers"], ["moved"], perm=[0, 3, 1, 2]))
    nodes.append(helper.make_node("Identity", ["moved" if channels_last else "numbers"], ["input"]))
    given = helper.make_tensor_value_info("given", kind, shape)
    outputs = [
        helper.make_tensor_value_info(each.name, TensorProto.FLOAT, [shape[0], *_known(each)])
        for each in graph.output
    ]
    changed = helper.make_graph([*nodes, *graph.node], "taking", [given], outputs, graph.initializer)
    if isinstance(shape[0], int) and shape[0] > 1:
        # What expands to one picture's shape expands to the batch's.
        for each in changed.initializer:
            values = onnx.numpy_helper.to_array(each)
            if each.name.endswith("_shape"):
                values = np.array([shape[0], *values[1:]])
                each.CopyFrom(onnx.numpy_helper.from_array(values, each.name))
    onnx.save(helper.make_model(changed, opset_imports=model.opset_import, ir_version=8), path)
    return path


def _known(output: onnx.ValueInfoProto) -> list[int]:
    return [each.dim_value for each in output.type.tensor_type.shape.dim][1:]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (LAST, TensorProto.FLOAT),
        (LAST, TensorProto.UINT8),
        (FIRST, TensorProto.UINT8),
        (FIRST, TensorProto.FLOAT16),
        (FIRST, TensorProto.DOUBLE),
        ([4, 3, HEIGHT, WIDTH], TensorProto.FLOAT),
        ([2, HEIGHT, WIDTH, 3], TensorProto.UINT8),
        (["N", "C", HEIGHT, WIDTH], TensorProto.FLOAT),
        (["batch", HEIGHT, WIDTH, 3], TensorProto.FLOAT),
    ],
    ids=str,
)
def test_a_spot_is_found_however_the_picture_goes_in(tmp_path: Path, shape: Shape, kind: int) -> None:
    model = PoseModel(taking(simcc_model(tmp_path / "model.onnx"), shape, kind))
    pose = model(spot(130, 40))
    assert np.abs(pose[:, :2] - (130, 40)).max() <= 160 * 1.25 / 48


def test_open_sizes_are_what_such_models_are_trained_at(tmp_path: Path) -> None:
    crop = taking(simcc_model(tmp_path / "crop.onnx"), [1, 3, "height", "width"])
    assert PoseModel(crop)._size == Size(256, 192)
    yolo = taking(constant_model(tmp_path / "yolo.onnx", yolo_row(24, 32, 0.9)[:, None]), [1, 3, "h", "w"])
    assert PoseModel(yolo)._size == Size(640, 640)
    # 160x120 lies in 640x640 four times as large, 80 rows from the top.
    np.testing.assert_allclose(PoseModel(yolo)(spot(80, 60))[2, :2], [24 / 4, (32 - 80) / 4], rtol=1e-5)


def test_whole_numbers_go_in_as_they_are(tmp_path: Path) -> None:
    """A model of uint8 scales inside: here the scores are the brightest pixel's value."""
    path = taking(simcc_model(tmp_path / "model.onnx"), LAST, TensorProto.UINT8)
    assert PoseModel(path)(spot(80, 60, (200, 0, 0)))[:, 2].max() > 150


def test_outputs_of_other_names_and_keypoints_last_are_read(tmp_path: Path) -> None:
    model = onnx.load(simcc_model(tmp_path / "named.onnx"))
    for node in model.graph.node:
        node.output[:] = [{"simcc_x": "output", "simcc_y": "1234"}.get(name, name) for name in node.output]
    for output, name in zip(model.graph.output, ("output", "1234"), strict=True):
        output.name = name
    onnx.save(model, tmp_path / "named.onnx")
    assert np.abs(PoseModel(tmp_path / "named.onnx")(spot(80, 60))[:, :2] - (80, 60)).max() <= 5
    heatmaps = np.zeros((16, 12, 17))
    heatmaps[4, 6] = 1
    pose = PoseModel(constant_model(tmp_path / "last.onnx", heatmaps))(spot(80, 60))
    np.testing.assert_allclose(pose[0], [80, 60 - 16 * 200 / 48, 1], atol=0.01)


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.UINT8, TensorProto.FLOAT])
def test_movenet_of_one_person_is_read(tmp_path: Path, kind: int) -> None:
    """y, x, score as fractions of the input, in which 160x120 lies as 48x36, 14 rows from the top."""
    places = np.tile([32 / HEIGHT, 24 / WIDTH, 0.9], (17, 1))
    path = taking(constant_model(tmp_path / "movenet.onnx", places[None]), LAST, kind)
    np.testing.assert_allclose(PoseModel(path)(spot(80, 60))[2], [80, 60, 0.9], rtol=1e-5)


def test_movenet_of_several_people_is_told_from_yolo(tmp_path: Path) -> None:
    rows = np.zeros((6, 56))
    rows[:3, :51] = np.tile([32 / HEIGHT, 24 / WIDTH, 0.9], 17)
    rows[1, 1:51:3] = 44 / WIDTH
    rows[:, 55] = 0.8, 0.7, 0.1, 0, 0, 0
    path = taking(constant_model(tmp_path / "movenet.onnx", rows), LAST, TensorProto.INT32)
    people = PoseModel(path).people(spot(80, 60))
    np.testing.assert_allclose(people[:, 2, 0], [80, 80 + 20 * 160 / 48], rtol=1e-5)


def test_the_least_score_is_an_option(tmp_path: Path) -> None:
    rows = yolo_row(24, 32, 0.9)[:, None]
    path = constant_model(tmp_path / "yolo.onnx", rows)
    assert (PoseModel(path, min_score=0.85)(spot(80, 60))[:, 2] > 0).all()
    assert not PoseModel(path, min_score=0.95)(spot(80, 60))[:, 2].any()


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ([1, 1, HEIGHT, WIDTH], TensorProto.FLOAT, "pictures of 1 channels"),
        ([1, HEIGHT, WIDTH, 4], TensorProto.FLOAT, f"pictures of {HEIGHT} channels"),
        (FIRST, TensorProto.INT64, r"takes tensor\(int64\)"),
        ([1_000_000, 3, HEIGHT, WIDTH], TensorProto.FLOAT, "takes 1000000 pictures at once"),
        ([1, 3, 70000, 70000], TensorProto.FLOAT, "pictures of 70000x70000 pixels; up to 4096"),
    ],
    ids=str,
)
def test_what_is_not_clear_is_one_line(tmp_path: Path, shape: Shape, kind: int, message: str) -> None:
    path = taking(constant_model(tmp_path / "model.onnx", np.zeros((56, 1))), shape, kind)
    with pytest.raises(DynastError, match=rf"model\.onnx: .*{message}"):
        PoseModel(path)


def test_what_shows_only_when_it_runs_is_one_line_too(tmp_path: Path) -> None:
    """Open output shapes, sizes that the network cannot take, and NaN."""
    hand = onnx.load(simcc_model(tmp_path / "hand.onnx", count=21))
    for output in hand.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = "K"
    onnx.save(hand, tmp_path / "hand.onnx")
    with pytest.raises(DynastError, match=r"hand\.onnx: the model has 21 keypoints"):
        PoseModel(tmp_path / "hand.onnx")(spot(80, 60))
    for number in (np.nan, np.inf, 3e38):
        for shape in ((56, 1), (17, 16, 12)):
            nothing = constant_model(tmp_path / "nan.onnx", np.full(shape, number))
            with pytest.raises(DynastError, match=r"nan\.onnx: the model gives NaN or infinity"):
                PoseModel(nothing)(spot(80, 60))
    assert not PoseModel(constant_model(tmp_path / "none.onnx", np.zeros((56, 0))))(spot(80, 60))[:, 2].any()
    with pytest.raises(DynastError, match=r"empty\.onnx: the model gives \[17, 0, 0\] for a picture"):
        PoseModel(constant_model(tmp_path / "empty.onnx", np.zeros((17, 0, 0))))(spot(80, 60))
    named = simcc_model(tmp_path / "named.onnx").read_bytes().replace(b"simcc_x", b"sim\xff\xfe_x")
    (tmp_path / "named.onnx").write_bytes(named)
    with pytest.raises(DynastError, match=r"named\.onnx: ONNX Runtime cannot load"):
        PoseModel(tmp_path / "named.onnx")
    nodes = [
        helper.make_node("Reshape", ["input", "shape"], ["picture"]),
        helper.make_node("MaxPool", ["picture"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Expand", ["cells", "heatmaps_shape"], ["heatmaps"]),
    ]
    shapes = {"shape": np.array([1, 1, 3 * HEIGHT, WIDTH]), "heatmaps_shape": np.array([1, 17, 48, 12])}
    fixed = saved(tmp_path / "fixed.onnx", nodes, {"heatmaps": [1, 17, 48, 12]}, shapes)
    with pytest.raises(DynastError, match=r"fixed\.onnx: the model does not run on 192x256 pixels"):
        PoseModel(taking(fixed, [1, 3, "height", "width"]))(spot(80, 60))
