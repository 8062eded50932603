"""Gradients of attention and of the warp loss against finite differences in float64.

The mask is a step whose gradient is by design that of a sigmoid. What it is compared with is therefore the slope of the
function in which the mask is `step(logits before) + sigmoid(logits) - sigmoid(logits before)`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from attention_layers import Layer, a_layer, in_type, relative_error  # noqa: E402
from objective_batch import noise_batch, part_of, small_generator  # noqa: E402
from torch import Tensor  # noqa: E402

from dynast_deploy import attention  # noqa: E402
from dynast_deploy.objective import warping  # noqa: E402
from dynast_deploy.objective.config import ObjectiveConfig, WarpMask  # noqa: E402
from dynast_deploy.objective.objective import Objective  # noqa: E402
from dynast_deploy.plugins.bindings import native  # noqa: E402
from dynast_deploy.plugins.pyt import attention as torch_ops  # noqa: E402

STEP = 1e-5
NAMES = ("query", "query_prune", "key", "key_prune", "value", "warp_source")


class SoftenedMask:
    """`attention.keep_mask` as a function that may be differenced around the logits it first sees."""

    def __init__(self) -> None:
        self.start: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        if self.start is None:
            self.start = logits.detach().clone()
        return (self.start > 0).double() + logits.sigmoid() - self.start.sigmoid()


@pytest.fixture
def softened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Replaces the mask by a softened one when called."""
    return lambda: monkeypatch.setattr(attention, "keep_mask", SoftenedMask())


def differences(function: Callable[[], Tensor], tensor: Tensor) -> Tensor:
    """Central differences of a scalar function in every element of `tensor`, which is changed in place meanwhile."""
    slopes, flat = torch.zeros_like(tensor).flatten(), tensor.detach().flatten()
    assert flat.data_ptr() == tensor.data_ptr()
    with torch.no_grad():
        for index in range(flat.numel()):
            value = flat[index].item()
            sides = []
            for side in (STEP, -STEP):
                flat[index] = value + side
                sides.append(function())
            flat[index] = value
            slopes[index] = (sides[0] - sides[1]) / (2 * STEP)
    return slopes.view_as(tensor)


def attend(layer: Layer, tensors: dict[str, Tensor]) -> attention.Attention:
    if layer.scale != "dense":
        return layer.reference(tensors)
    return attention.dense_attention(
        **tensors, top_k=layer.top_k, temperature=layer.temperature, warp_mask=layer.warp_mask
    )


def a_sum(found: attention.Attention) -> Tensor:
    """A scalar in which every number of the result has its own weight."""
    random = torch.Generator().manual_seed(9)
    parts = (found.attended, found.confidence, found.warped)
    return sum(
        (x * torch.randn(x.shape, generator=random, dtype=torch.float64)).sum()
        for x in parts
        if x is not None
    )


def layer_of(scale: str, mask: str) -> Layer:
    sizes = {
        "query_size": (2, 2),
        "key_size": (2, 4),
        "channels": 2,
        "prune_channels": 2,
        "value_channels": 2,
    }
    return a_layer(
        scale=scale, **sizes, warp_channels=1, matches_k=2, top_k=2, temperature=0.5, warp_mask=mask
    )


@pytest.mark.parametrize("mask", list(WarpMask))
@pytest.mark.parametrize("scale", ["dense", "inter", "inner"])
def test_attention_has_the_gradients_of_finite_differences(
    scale: str, mask: WarpMask, softened: Callable[[], None]
) -> None:
    layer = layer_of(scale, mask.value)
    tensors = in_type(layer.tensors(), torch.float64, grad=True)
    a_sum(attend(layer, tensors)).backward()
    softened()
    a_sum(attend(layer, tensors))
    for name in NAMES:
        slopes = differences(lambda: a_sum(attend(layer, tensors)), tensors[name])
        gradient = tensors[name].grad
        assert gradient is not None
        assert gradient.abs().max() > 1e-3, name
        torch.testing.assert_close(
            gradient, slopes, rtol=1e-6, atol=1e-7, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.skipif(not native.available(), reason="the native attention library is not built")
@pytest.mark.parametrize("mask", list(WarpMask))
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_the_native_operator_has_the_gradients_of_finite_differences(
    scale: str, mask: WarpMask, softened: Callable[[], None]
) -> None:
    layer = layer_of(scale, mask.value)
    single = in_type(layer.tensors(), torch.float32, grad=True)
    operator = {"inter": torch_ops.inter_scale_attention, "inner": torch_ops.inner_scale_attention}[scale]
    a_sum(operator(**single, matches=layer.matches(), warp_mask=mask.value, **layer.settings)).backward()
    tensors = in_type(single, torch.float64)
    softened()
    a_sum(attend(layer, tensors))
    for name in NAMES:
        slopes = differences(lambda: a_sum(attend(layer, tensors)), tensors[name])
        assert relative_error(single[name].grad, slopes) < 1e-5, name


@pytest.mark.parametrize("scale", ["dense", "inter", "inner"])
def test_the_masks_gradient_is_not_that_of_a_step(scale: str) -> None:
    layer = layer_of(scale, "kept")
    tensors = in_type(layer.tensors(), torch.float64, grad=True)
    a_sum(attend(layer, tensors)).backward()
    slopes = differences(lambda: a_sum(attend(layer, tensors)), tensors["key_prune"])
    assert slopes.abs().max() == 0 < tensors["key_prune"].grad.abs().max()


@pytest.mark.parametrize("mask", list(WarpMask))
@pytest.mark.parametrize("scale", ["dense", "inter", "inner"])
def test_the_warp_loss_has_the_gradient_of_finite_differences(scale: str, mask: WarpMask) -> None:
    layer = layer_of(scale, mask.value)
    tensors = in_type(layer.tensors(), torch.float64, grad=True)
    truth = torch.rand(2, 1, 4, 4, dtype=torch.float64)

    def loss() -> Tensor:
        return warping.warp([attend(layer, tensors)], truth, slice(None)).sum()

    loss().backward()
    for name in ("query", "key", "warp_source"):
        gradient = tensors[name].grad
        assert gradient is not None
        assert gradient.abs().max() > 1e-5, name
        torch.testing.assert_close(gradient, differences(loss, tensors[name]), rtol=1e-6, atol=1e-8)
    for name in ("query_prune", "key_prune"):
        assert tensors[name].grad is None or tensors[name].grad.abs().max() == 0


def test_the_warp_term_of_the_whole_network_has_the_gradient_of_finite_differences() -> None:
    generator = small_generator(smooth=0.5).double().eval()
    batch = part_of(noise_batch(), slice(0, 1))
    batch = {
        name: x.double() if isinstance(x, Tensor) and x.is_floating_point() else x
        for name, x in batch.items()
    }
    objective = Objective(ObjectiveConfig(warp=1.0))

    def loss() -> Tensor:
        return objective.total(objective.generator_terms(generator, None, batch)[1])

    loss().backward()
    for name in (
        "transformer_4.0.f.bias",
        "transformer_3.0.g.weight",
        "transformer_2.0.f.bias",
        "decoder_q32.1.bias",
    ):
        parameter = generator.get_parameter(name)
        gradient = parameter.grad
        assert gradient is not None
        gradient, part = gradient.flatten()[:2], parameter.detach().flatten()[:2]
        slopes = differences(loss, part)
        assert gradient.abs().max() > 1e-9, name
        torch.testing.assert_close(
            gradient, slopes, rtol=1e-4, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}"
        )
