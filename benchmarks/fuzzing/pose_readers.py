"""Readers of keypoint files, pose models and TensorFlow Lite networks."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from fuzzing.damage import damaged_bytes
from fuzzing.reader import ARCHIVE_DAMAGES, EXAMPLES, JSON_DAMAGES, Reader, drawn_picture, examples
from fuzzing.structure import damaged_onnx


def _pose_numbers() -> list[float]:
    return [float(value) for k in range(18) for value in (10 + 3 * k, 20 + 2 * k, 0.9)]


def _pose_json_seeds() -> list[tuple[str, bytes]]:
    people = [{"pose_keypoints_2d": _pose_numbers()}]
    frame = {"people": people, "canvas_width": 64, "canvas_height": 64}
    body = {
        "keypoints": _pose_numbers()[:51],
        "image_id": 1,
        "score": 0.9,
        "bbox": [1, 2, 30, 40],
        "category_id": 1,
    }
    coco = {"images": [{"id": 1, "width": 64, "height": 64, "file_name": "a.png"}], "annotations": [body]}
    person = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [0.9] * 17}
    mmpose = {"instance_info": [{"frame_id": 1, "instances": [person]}]}
    documents = {
        "a.json": frame,
        "l.json": [frame] * 3,
        "c.json": coco,
        "r.json": [body] * 2,
        "m.json": mmpose,
    }
    found = [(name, json.dumps(document).encode()) for name, document in documents.items()]
    return [*found, ("a.jsonl", "\n".join([json.dumps(frame)] * 3).encode())]


def _read_poses(path: Path) -> None:
    from dynast_deploy.keypoints import read_poses

    read_poses(path)


def _read_pose_folder(path: Path) -> None:
    from dynast_deploy.keypoints import read_poses

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = json.dumps({"people": [{"pose_keypoints_2d": _pose_numbers()}]}).encode()
        for number, content in enumerate((whole, path.read_bytes(), whole)):
            (Path(folder) / f"{number:04d}_{path.stem}.json").write_bytes(content)
        read_poses(folder)


def _pose_model_seeds() -> list[tuple[str, bytes]]:
    """A model of RTMPose's form, whose answer is the mean of the picture everywhere."""
    from onnx import TensorProto, helper

    shapes = {"simcc_x": [1, 17, 96], "simcc_y": [1, 17, 128]}
    nodes = [helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=1, axes=[1, 2, 3])]
    weights = []
    for name, shape in shapes.items():
        nodes += [
            helper.make_node("Expand", ["mean", f"{name}_shape"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]),
        ]
        weights.append(helper.make_tensor(f"{name}_shape", TensorProto.INT64, [3], shape))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 48])
    answers = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "pose", [picture], answers, weights)
    # Expand takes [1, 1, 1, 1] to [1, 1, 17, 96], which Reshape makes three axes again.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return [("a.onnx", model.SerializeToString())]


def _run_pose_model(path: Path) -> None:
    from dynast_deploy.keypoints.pose_model import PoseModel

    PoseModel(path)(drawn_picture(64, 48), None)


def _network_seeds() -> list[tuple[str, bytes]]:
    """A convolution and an addition, as TensorFlow Lite has them."""
    sys.path.append(str(EXAMPLES.parent / "tests" / "support"))
    from tflite_files import FileOperator, FileTensor, tflite_file

    from dynast_deploy.formats.tflite.graph import Operation

    kernel, bias = np.ones((6, 3, 3, 4), np.float32), np.ones(6, np.float32)
    tensors = [FileTensor((1, 7, 5, 4)), FileTensor(kernel.shape, kernel), FileTensor((6,), bias)]
    tensors += [FileTensor((1, 7, 5, 6)), FileTensor((1, 7, 5, 6))]
    options = {0: ("b", 0), 1: ("i", 1), 2: ("i", 1), 3: ("b", 1)}
    operators = [
        FileOperator(Operation.CONV_2D, [0, 1, 2], [3], options),
        FileOperator(Operation.ADD, [3, 2], [4]),
    ]
    return [("a.tflite", tflite_file(tensors, operators, [0], [4]))]


def _read_network(path: Path) -> None:
    from dynast_deploy.formats.tflite import onnx_of_tflite
    from dynast_deploy.keypoints.session import open_session

    open_session(onnx_of_tflite(path.read_bytes(), str(path)).SerializeToString(), str(path))


READERS = {
    "poses-json": Reader(_read_poses, _pose_json_seeds, JSON_DAMAGES),
    "poses-npz": Reader(_read_poses, examples("dance.poses.npz", "blue-dots.poses.npz"), ARCHIVE_DAMAGES),
    "poses-folder": Reader(_read_pose_folder, lambda: _pose_json_seeds()[:1], JSON_DAMAGES),
    "pose-models": Reader(_run_pose_model, _pose_model_seeds, (damaged_onnx, damaged_bytes), "onnxruntime"),
    "networks": Reader(_read_network, _network_seeds, needs="flatbuffers"),
}
