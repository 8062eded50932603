"""A training step of the generator with the native layers against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from native_kernels import MARKS
from torch import Tensor

from dynast_deploy.bench.training_step import as_published, objective, random_batch, step
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator
from dynast_deploy.layers import use_layer_ops
from dynast_deploy.native_generator import layer_ops
from dynast_deploy.plugins.pyt import layers as torch_layers

pytestmark = MARKS

CONFIG = GeneratorConfig(20, crop_size=32, ngf=8, n_layers=2, pos_dim=4, prune_dim=4, smooth=0.1)


def generator(dtype: torch.dtype) -> Generator:
    """With these weights no two candidates are so alike that rounding decides which of them ranks first."""
    torch.manual_seed(1)
    return Generator(CONFIG).train().to(dtype)


def gradients(model: Generator, loss: Tensor) -> dict[str, Tensor]:
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_a_training_step_of_every_form_has_the_same_loss_and_gradients(
    set_threads: Callable[[int], None],
) -> None:
    exact = generator(torch.float64)
    batch = random_batch(CONFIG, frames=2)
    loss = objective(*step(exact, batch.to(torch.float64)), batch.to(torch.float64))
    expected = gradients(exact, loss)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())

    def compare(model: Generator) -> dict[str, Tensor]:
        found_loss = objective(*step(model, batch), batch)
        assert abs(float(found_loss) - float(loss)) < 1e-5 * float(loss)
        found = gradients(model, found_loss)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            scale = max(float(gradient.abs().max()), 1e-2 * largest)
            assert (found[name] - gradient).abs().max() < 2e-3 * scale, name
        return found

    compare(generator(torch.float32))
    fast = []
    for threads in (1, 3):
        set_threads(threads)
        model = generator(torch.float32)
        use_layer_ops(model, layer_ops)
        fast.append(compare(model))
    for name, gradient in fast[0].items():
        torch.testing.assert_close(fast[1][name], gradient, atol=1e-4 * largest, rtol=1e-3)
    compare(as_published(generator(torch.float32)))


def test_without_the_switch_and_for_other_types_layers_stay_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_layers, "conv3x3", pytest.fail)
    monkeypatch.setattr(torch_layers, "prelu", pytest.fail)
    batch = random_batch(CONFIG, frames=1)
    step(generator(torch.float32), batch)
    exact = generator(torch.float64)
    use_layer_ops(exact, layer_ops)
    step(exact, batch.to(torch.float64))
