"""Engines whose layers are our operators draw what they draw with ONNX Runtime's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from checkout import EXAMPLES
from golden import golden, golden_path
from onnx import TensorProto, helper

from dynast_deploy.checkpoint import load_generator
from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.export.model import build_model
from dynast_deploy.formats.onnx_model import ModelMetadata, load_model, split_encoder_renderer
from dynast_deploy.keypoints import read_poses
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.onnxrt.cpu_layers import channels_last
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

pytestmark = pytest.mark.skipif(onnxruntime_library() is None, reason="native operators are not built")
EXAMPLE = EXAMPLES / "marionette.onnx"
RECORDED = {"condition": "seg", "exemplar": "ref", "exemplar_condition": "ref_seg"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The recorded pose generator's engine, and its inputs."""
    generator = load_generator(golden_path("generator_pose_64.pth"), smooth=0.01).eval()
    path = tmp_path_factory.mktemp("golden") / "model.onnx"
    onnx.save(build_model(generator, 64, 64, None, ""), path)
    arrays = golden("generator_pose_64.npz")
    return path, {name: arrays[source] for name, source in RECORDED.items()}


def picture(path: Path, inputs: dict[str, np.ndarray], native_layers: bool) -> np.ndarray:
    engine = OnnxRuntimeEngine(path, "cpu", 1, native_layers=native_layers)
    exemplar = engine.encode_exemplar(inputs["exemplar"], inputs["exemplar_condition"])
    return engine.render(exemplar, inputs["condition"]).astype(np.float64)


def assert_same_picture(path: Path, inputs: dict[str, np.ndarray], least_db: float) -> None:
    ours, plain = (picture(path, inputs, native_layers) for native_layers in (True, False))
    # Over -1..1, and not the same operators.
    assert 0 < ((ours - plain) ** 2).mean() < 4 * 10 ** (-least_db / 10)


def test_the_recorded_generator_draws_the_same_picture(
    recorded: tuple[Path, dict[str, np.ndarray]],
) -> None:
    assert_same_picture(*recorded, least_db=100)


def test_the_example_engine_draws_the_same_picture() -> None:
    exemplar = read_picture(EXAMPLE.with_name("red-stripes.png"))
    poses = [EXAMPLE.with_name(f"{name}.poses.npz") for name in ("dance", "red-stripes")]
    conditions = [pose_condition(read_poses(path).keypoints[0], (256, 256), 256)[None] for path in poses]
    values = (conditions[0], picture_tensor(exemplar, 256)[None], conditions[1])
    # Of so many queries one may choose between two matches that rounding alone tells apart.
    assert_same_picture(EXAMPLE, dict(zip(RECORDED, values, strict=True)), least_db=80)


def test_no_layer_of_an_exported_file_is_left_out() -> None:
    model = load_model(EXAMPLE)
    for half in split_encoder_renderer(model, ModelMetadata.read(model, str(EXAMPLE))):
        before = Counter(node.op_type for node in half.graph.node)
        assert channels_last(half.graph)
        after = Counter(node.op_type for node in half.graph.node)
        assert after["Convolution"] == before["Conv"]
        for operator in ("Conv", "Pad", "LeakyRelu", "Relu", "ReduceMean", "InstanceNormalization", "Resize"):
            assert after[operator] == 0
        # Of the signal at four scales, the dense layers' keys, and the image.
        assert after["Transpose"] <= 4 + 2 * 2 + 1


def test_matches_are_the_same(recorded: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, inputs = recorded
    model = load_model(path)
    matches = [node.output[2] for node in model.graph.node if node.op_type.endswith("ScaleAttention")]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.INT32, None) for name in matches
    )
    found = []
    for native_layers in (True, False):
        if native_layers:
            rewritten = onnx.ModelProto()
            rewritten.CopyFrom(model)
            assert channels_last(rewritten.graph)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.register_custom_ops_library(str(onnxruntime_library()))
        running = rewritten if native_layers else model
        session = onnxruntime.InferenceSession(running.SerializeToString(), options)
        found.append(session.run(matches, inputs))
    assert len(matches) == 6
    for ours, plain in zip(*found, strict=True):
        assert np.mean(ours == plain) > 0.999  # all but ties that rounding breaks, two matches each
