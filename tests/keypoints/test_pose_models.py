"""A user's own pose model: small ONNX models that find a bright spot, so that every answer is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dynast_deploy import onnxruntime_session
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.heads import heatmap_keypoints, simcc_keypoints, yolo_keypoints
from dynast_deploy.keypoints.pose_model import PoseModel
from dynast_deploy.size import Size

WIDTH, HEIGHT = 48, 64


def saved(
    path: Path, nodes: list[onnx.NodeProto], outputs: dict[str, list[int]], tensors: dict[str, np.ndarray]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def simcc_model(path: Path, count: int = 17) -> Path:
    """Every keypoint where the first channel is brightest; two bins a pixel, as RTMPose has them."""
    nodes = [helper.make_node("Split", ["input", "one_each"], ["first", "second", "third"], axis=1)]
    outputs = {}
    for name, axis, length in (("x", 2, WIDTH), ("y", 3, HEIGHT)):
        nodes += [
            helper.make_node("ReduceMax", ["first"], [f"{name}_profile"], axes=[axis], keepdims=0),
            helper.make_node(
                "Resize", [f"{name}_profile", "", f"{name}_scales"], [f"{name}_bins"], mode="nearest"
            ),
            helper.make_node("Expand", [f"{name}_bins", f"{name}_shape"], [f"simcc_{name}"]),
        ]
        outputs[f"simcc_{name}"] = [1, count, 2 * length]
    tensors: dict[str, np.ndarray] = {
        "one_each": np.array([1, 1, 1], np.int64),
        "x_scales": np.array([1, 1, 2], np.float32),
        "y_scales": np.array([1, 1, 2], np.float32),
        "x_shape": np.array([1, count, 2 * WIDTH], np.int64),
        "y_shape": np.array([1, count, 2 * HEIGHT], np.int64),
    }
    return saved(path, nodes, outputs, tensors)


def heatmap_model(path: Path) -> Path:
    nodes = [
        helper.make_node("Split", ["input", "one_each"], ["first", "second", "third"], axis=1),
        helper.make_node("MaxPool", ["first"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Expand", ["cells", "shape"], ["heatmaps"]),
    ]
    shape = [1, 17, HEIGHT // 4, WIDTH // 4]
    tensors = {"one_each": np.array([1, 1, 1], np.int64), "shape": np.array(shape, np.int64)}
    return saved(path, nodes, {"heatmaps": shape}, tensors)


def constant_model(path: Path, rows: np.ndarray) -> Path:
    """Gives `rows` and adds nothing of the picture to them."""
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "rows"], ["output0"]),
    ]
    tensors = {"zero": np.float32(0), "rows": rows[None].astype(np.float32)}
    return saved(path, nodes, {"output0": [1, *rows.shape]}, {k: np.asarray(v) for k, v in tensors.items()})


def spot(
    x: int, y: int, colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (160, 120)
) -> np.ndarray:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[y - 2 : y + 3, x - 2 : x + 3] = colour
    return picture


def person_at(low: tuple[float, float], high: tuple[float, float]) -> np.ndarray:
    pose = np.full((18, 3), np.nan, np.float32)
    pose[:, 2] = 0
    pose[0], pose[10] = (*low, 1), (*high, 1)
    return pose


def yolo_row(x: float, y: float, score: float, spread: float = 6) -> np.ndarray:
    keypoints = np.tile([x, y, 0.9], (17, 1))
    keypoints[0, :2] += spread
    return np.concatenate([[x, y, 2 * spread, 2 * spread, score], keypoints.ravel()])


class TestHeads:
    def test_simcc_takes_the_highest_bin_of_each_axis(self) -> None:
        x, y = np.zeros((2, 96)), np.zeros((2, 128))
        x[0, 31], y[0, 90] = 0.8, 0.6
        x[1, 3] = 0.9  # no height: not seen
        np.testing.assert_allclose(
            simcc_keypoints(x, y, Size(64, 48)), np.array([[15.5, 45, 0.6], [0, 0, 0]])
        )

    def test_heatmaps_lean_towards_the_higher_neighbour(self) -> None:
        heatmaps = np.zeros((3, 16, 12))
        heatmaps[0, 5, 4], heatmaps[0, 5, 5], heatmaps[0, 4, 4] = 0.9, 0.5, 0.5
        heatmaps[1, 0, 11] = 0.7  # in the corner: no neighbours to lean to
        expected = np.array([[4.25 * 4, 4.75 * 4, 0.9], [11 * 4, 0, 0.7], [0, 0, 0]])
        np.testing.assert_allclose(heatmap_keypoints(heatmaps, Size(64, 48)), expected)

    @pytest.mark.parametrize("candidates_first", [True, False])
    def test_yolo_keeps_one_box_a_person(self, candidates_first: bool) -> None:
        rows = np.stack(
            [yolo_row(10, 20, 0.5), yolo_row(10.5, 20, 0.8), yolo_row(40, 50, 0.6), yolo_row(5, 5, 0.2)]
        )
        people = yolo_keypoints(rows if candidates_first else rows.T)
        np.testing.assert_allclose(people[:, 1, :2], np.array([[10.5, 20], [40, 50]]))

    def test_yolo_without_anyone_is_empty(self) -> None:
        assert yolo_keypoints(np.zeros((56, 8400))).shape == (0, 17, 3)


onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the models")


class TestCroppedModels:
    @pytest.mark.parametrize("make", [simcc_model, heatmap_model])
    @pytest.mark.parametrize("place", [(40, 30), (130, 100), (80, 60)])
    def test_the_spot_is_found_in_the_whole_picture(
        self, tmp_path: Path, make: Callable[[Path], Path], place: tuple[int, int]
    ) -> None:
        model = PoseModel(make(tmp_path / "model.onnx"))
        pose = model(spot(*place))
        assert pose.dtype == np.float32
        # One pixel of the input is 160 * 1.25 / 48 of the picture, and a heatmap's cell four times as much.
        precision = 160 * 1.25 / 48 * (4 if make is heatmap_model else 1)
        assert np.abs(pose[:, :2] - place).max() <= precision

    def test_the_crop_follows_the_person_and_is_the_finer_for_it(self, tmp_path: Path) -> None:
        model = PoseModel(simcc_model(tmp_path / "model.onnx"))
        pose = model(spot(101, 83), person_at((85, 60), (117, 104)))
        assert np.abs(pose[:, :2] - (101, 83)).max() <= 2

    def test_a_person_who_left_the_crop_is_found_in_the_whole_picture(self, tmp_path: Path) -> None:
        model = PoseModel(simcc_model(tmp_path / "model.onnx"))
        pose = model(spot(20, 20), person_at((100, 60), (132, 104)))
        assert np.abs(pose[:, :2] - (20, 20)).max() <= 5

    def test_no_person_is_18_missing_keypoints(self, tmp_path: Path) -> None:
        model = PoseModel(simcc_model(tmp_path / "model.onnx"))
        pose = model(np.zeros((120, 160, 3), np.uint8))
        assert np.isnan(pose[:, :2]).all()
        assert not pose[:, 2].any()

    def test_channels_go_in_in_the_order_asked_for(self, tmp_path: Path) -> None:
        path = simcc_model(tmp_path / "model.onnx")
        blue = spot(80, 60, (0, 0, 255))
        assert (PoseModel(path, "bgr")(blue)[:, 2] > 0).all()
        assert not PoseModel(path, "rgb")(blue)[:, 2].any()

    def test_whole_body_models_give_their_body(self, tmp_path: Path) -> None:
        pose = PoseModel(simcc_model(tmp_path / "model.onnx", count=133))(spot(80, 60))
        assert (pose[:, 2] > 0).all()


class TestYolo:
    def test_pixels_of_the_letterbox_become_pixels_of_the_picture(self, tmp_path: Path) -> None:
        # 160x120 goes into 48x64 as 48x36, 14 rows from the top.
        model = PoseModel(constant_model(tmp_path / "yolo.onnx", yolo_row(24, 32, 0.9)[:, None]))
        np.testing.assert_allclose(model(spot(80, 60))[2], [80, 60, 0.9], rtol=1e-5)

    def test_the_nearest_to_the_previous_pose_is_taken(self, tmp_path: Path) -> None:
        rows = np.stack([yolo_row(10, 30, 0.9, spread=8), yolo_row(40, 30, 0.5, spread=4)], axis=1)
        model = PoseModel(constant_model(tmp_path / "yolo.onnx", rows))
        assert model(spot(80, 60))[2, 0] < 60
        assert model(spot(80, 60), person_at((120, 50), (140, 60)))[2, 0] > 100

    def test_models_that_suppress_inside_are_read_too(self, tmp_path: Path) -> None:
        row = yolo_row(24, 32, 0.9)
        rows = np.stack([np.concatenate([row[:5], [0], row[5:]]), np.zeros(57)])
        model = PoseModel(constant_model(tmp_path / "yolo.onnx", rows))
        np.testing.assert_allclose(model(spot(80, 60))[2], [80, 60, 0.9], rtol=1e-5)


class TestRefusals:
    def test_missing_and_damaged_files_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(DynastError, match=r"pose\.onnx: no such pose model"):
            PoseModel(tmp_path / "pose.onnx")
        (tmp_path / "pose.onnx").write_text("not a model")
        with pytest.raises(DynastError, match=r"pose\.onnx: ONNX Runtime cannot load"):
            PoseModel(tmp_path / "pose.onnx")

    def test_a_model_of_another_kind_is_named_with_its_outputs(self, tmp_path: Path) -> None:
        path = constant_model(tmp_path / "classes.onnx", np.zeros((3, 1000)))
        with pytest.raises(DynastError, match=r"this one gives output0 \[1, 3, 1000\]"):
            PoseModel(path)

    def test_a_skeleton_that_is_not_known_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DynastError, match="has 21 keypoints"):
            PoseModel(simcc_model(tmp_path / "hand.onnx", count=21))

    def test_without_onnx_runtime_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        monkeypatch.setattr(onnxruntime_session, "_is_installed", lambda package: False)
        with pytest.raises(DynastError, match=r"dynast-deploy\[cpu\]"):
            PoseModel(tmp_path / "pose.onnx")
