"""The arithmetic of the layers in plain PyTorch, and how layers are given another one."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import PLAIN, LayerOps, PlainLayerOps, plain_layer_ops
from dynast_deploy.layers import Conv3x3, Layer, spectral_norm, use_layer_ops

CONFIG = GeneratorConfig(20, crop_size=32, ngf=4, n_layers=2, pos_dim=2, prune_dim=2, smooth=0.1)
OPERATIONS = {name for name in vars(LayerOps) if not name.startswith("_")}


class Recording:
    """Plain operations that note which of them were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __call__(self, *tensors: Tensor) -> Any:
        assert tensors
        return self

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(PLAIN, name)


def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CONFIG)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 20, 32, 32), torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 20, 32, 32)


def test_a_generator_asks_what_it_was_given_for_every_operation_and_computes_the_same() -> None:
    plain, other, recording = generator(), generator(), Recording()
    use_layer_ops(other, recording)
    assert torch.equal(other(*inputs()), plain(*inputs()))
    assert recording.asked == OPERATIONS
    for name, value in plain.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_copies_of_a_layer_keep_what_it_was_given() -> None:
    layer = Conv3x3(2, 3)
    assert layer.ops(layer.weight) is PLAIN
    assert Layer.__dict__["ops"].__func__ is plain_layer_ops
    use_layer_ops(layer, other_ops)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied.ops is other_ops


OTHER = PlainLayerOps()


def other_ops(*tensors: Tensor) -> LayerOps:
    return OTHER


def test_the_plain_spectral_norm_equals_that_of_torch_to_the_last_bit() -> None:
    torch.manual_seed(2)
    expected = torch.nn.utils.spectral_norm(Conv3x3(5, 7))
    ours = spectral_norm(Conv3x3(5, 7))
    ours.load_state_dict(expected.state_dict())
    x, gradients = torch.randn(2, 5, 6, 4), []
    for conv in (expected, ours):
        for _ in range(3):
            loss = conv(x).square().sum() + conv(x).sum()
        gradients.append(torch.autograd.grad(loss, [conv.get_parameter("weight_orig")])[0])
    assert torch.equal(*gradients)
    for name, value in expected.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert torch.equal(ours.eval()(x), expected.eval()(x))
