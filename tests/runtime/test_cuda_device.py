"""What only a GPU can show: the kernels' results, gradients and independence of chance, on the device itself."""

from __future__ import annotations

import pytest
import torch
from attention_layers import a_layer, assert_same_matches, in_type, relative_error

from dynast_deploy.plugins.bindings import native_gpu
from dynast_deploy.plugins.native_build import gpu as build_gpu
from dynast_deploy.plugins.pyt import attention as torch_ops
from dynast_deploy.plugins.pyt import gpu as torch_gpu

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this PyTorch has no CUDA"),
    pytest.mark.skipif(
        not native_gpu.available() and build_gpu.find_nvcc() is None,
        reason="the GPU kernels are not built, and there is no nvcc to build them with",
    ),
]
OPERATORS = {"inter": torch_ops.inter_scale_attention, "inner": torch_ops.inner_scale_attention}
NAMES = ("query", "query_prune", "key", "key_prune", "value", "warp_source")


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if not native_gpu.available():
        build_gpu.build_gpu(None)
        native_gpu.library.load_gpu.cache_clear()


@pytest.mark.parametrize("atomic", ["0", "1"])
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_float32_results_and_gradients_equal_the_references(
    scale: str, atomic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(torch_gpu.ATOMIC, atomic)
    layer = a_layer(scale=scale, query_size=(64, 48), key_size=(40, 60), channels=80, value_channels=64)
    tensors = layer.tensors()
    exact = in_type(tensors, torch.float64, grad=True)
    on_gpu = {name: x.float().cuda().requires_grad_() for name, x in tensors.items()}
    expected = layer.reference(exact)
    settings = {"matches": layer.matches().cuda(), "warp_mask": layer.warp_mask, **layer.settings}
    actual = OPERATORS[scale](**on_gpu, **settings)  # type: ignore[arg-type]
    grads = [torch.randn_like(x) for x in (actual.attended, actual.confidence, actual.warped)]
    for result, inputs, incoming in (
        (expected, exact, [gradient.double().cpu() for gradient in grads]),
        (actual, on_gpu, grads),
    ):
        torch.autograd.backward([result.attended, result.confidence, result.warped], incoming)
        assert all(inputs[name].grad is not None for name in NAMES)
    for name in ("attended", "confidence", "warped"):
        assert relative_error(getattr(actual, name).cpu(), getattr(expected, name)) < 1e-5, name
    assert_same_matches(layer, tensors, actual.matches.cpu(), expected.matches)
    for name in NAMES:
        assert relative_error(on_gpu[name].grad.cpu(), exact[name].grad) < 1e-4, name  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_results_err_at_most_twice_as_much_as_the_plain_computation(dtype: torch.dtype) -> None:
    layer = a_layer(query_size=(32, 32), key_size=(32, 32), channels=80, value_channels=64, temperature=0.3)
    tensors = {name: x.to(dtype).double() for name, x in layer.tensors().items()}
    low = {name: x.to(dtype).cuda() for name, x in tensors.items()}
    settings = {"matches": layer.matches().cuda(), **layer.settings}
    plain = layer.reference(in_type(tensors, dtype))
    expected, actual = layer.reference(tensors), OPERATORS["inner"](**low, **settings)  # type: ignore[arg-type]
    for name in ("attended", "confidence"):
        error = relative_error(getattr(actual, name).cpu(), getattr(expected, name))
        assert error <= 2 * relative_error(getattr(plain, name), getattr(expected, name)), name


def test_gradients_do_not_depend_on_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(torch_gpu.ATOMIC, raising=False)
    layer = a_layer(query_size=(64, 64), key_size=(16, 16), channels=80, few_matches=True)
    settings = {"matches": layer.matches().cuda(), **layer.settings}
    results = []
    for _ in range(3):
        inputs = {name: x.float().cuda().requires_grad_() for name, x in layer.tensors().items()}
        OPERATORS["inner"](**inputs, **settings).attended.square().sum().backward()  # type: ignore[arg-type]
        results.append([inputs[name].grad for name in NAMES[:5]])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))  # type: ignore[arg-type]
