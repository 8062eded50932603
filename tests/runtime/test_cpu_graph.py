"""Graphs for ONNX Runtime's CPU kernels compute what the exported ones compute."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.export.model import build_model
from dynast_deploy.formats.onnx_model import ModelMetadata, split_encoder_renderer
from dynast_deploy.generator import Generator
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.onnxrt import cpu_dense, cpu_graph


@pytest.fixture(scope="module")
def both() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Encoder and renderer of a small generator, 24x40 pixels."""
    torch.manual_seed(0)
    config = GeneratorConfig(3, crop_size=32, ngf=4, max_multi=4, pos_dim=2, prune_dim=3, smooth=0.5)
    model = build_model(Generator(config).eval(), 24, 40, None, "")
    return split_encoder_renderer(model, ModelMetadata.read(model, "model"))


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def outputs(model: onnx.ModelProto, batch: int, native: bool = False) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if native:
        options.register_custom_ops_library(str(onnxruntime_library()))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    rng = np.random.default_rng(1)
    feeds = {}
    for value in session.get_inputs():
        shape = [{"N": batch, "E": 1}.get(side, side) for side in value.shape]
        feeds[value.name] = rng.standard_normal(shape, np.float32)
    return session.run(None, feeds)


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("change", ["reductions_as_products", "positions_after_features", "modulation_late"])
def test_each_change_keeps_the_result(
    both: tuple[onnx.ModelProto, onnx.ModelProto], half: int, change: str
) -> None:
    changed = copied(both[half])
    getattr(cpu_graph, change)(changed.graph)
    assert changed != both[half]
    onnx.checker.check_model(changed)
    for expected, found in zip(outputs(both[half], 2), outputs(changed, 2), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_every_norm_is_changed_and_every_modulation_held(
    both: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    renderer = cpu_graph.for_cpu(copied(both[1]))
    before, after = (Counter(node.op_type for node in model.graph.node) for model in (both[1], renderer))
    assert before["ReduceMean"] > 0
    assert after["ReduceMean"] == after["ReduceSumSquare"] == 0
    # 4 scales with 2 modulations in embed_q and 2 layers, 2 of embed_3 and embed_2; embed_q1's serve twice.
    assert sum(node.name.endswith(".hold") for node in renderer.graph.node) == 2 * (4 * (2 + 2) + 2 * 2)
    # A projection for each of the 8 blocks; none is left to be folded into a constant of a row for each pixel.
    assert sum(node.op_type == "Expand" for node in renderer.graph.node) == 8


def test_a_graph_without_stated_channels_stays_as_it_is(
    both: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    unstated = copied(both[1])
    del unstated.graph.value_info[:]
    expected = copied(unstated)
    cpu_graph.reductions_as_products(unstated.graph)
    assert unstated == expected


@pytest.mark.skipif(onnxruntime_library() is None, reason="native operators are not built")
def test_dense_layers_in_one_pass_give_the_same_picture(
    both: tuple[onnx.ModelProto, onnx.ModelProto], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_dense, "FROM_TOKENS", 1)
    changed = copied(both[1])
    cpu_dense.dense_in_one_pass(changed.graph)
    operators = Counter(node.op_type for node in changed.graph.node)
    assert operators["DenseAttention"] == 2
    assert operators["Softmax"] == operators["TopK"] == 0
    np.testing.assert_allclose(
        outputs(changed, 2, True)[0], outputs(both[1], 2, True)[0], rtol=1e-4, atol=1e-4
    )


def test_dense_layers_of_few_keys_stay_as_they_are(both: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    changed = copied(both[1])
    cpu_dense.dense_in_one_pass(changed.graph)
    assert changed == both[1]
