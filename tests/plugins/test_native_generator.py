"""Who gets the native kernels, and the reasons why someone does not."""

from __future__ import annotations

import logging

import pytest
import torch
from native_kernels import MARKS
from torch import Tensor, nn

from dynast_deploy import attention as plain_attention
from dynast_deploy import native_generator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import PLAIN, plain_layer_ops
from dynast_deploy.plugins.bindings import library, native
from dynast_deploy.plugins.pyt import attention, layers
from dynast_deploy.training.networks import missing_kernels

pytestmark = MARKS
CONFIG = GeneratorConfig(20, crop_size=16, ngf=2, pos_dim=2, prune_dim=2)


def test_float32_on_the_cpu_is_native() -> None:
    assert native_generator.layer_ops(torch.rand(1, 2, 4, 4), torch.rand(3)) is layers


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (
            torch.rand(3, dtype=torch.float64),
            "a tensor is torch.float64, and the native layers compute in float32",
        ),
        (torch.rand(3).half(), "a tensor is torch.float16, and the native layers compute in float32"),
        (torch.empty(3, device="meta"), "a tensor is on meta, and the native layers run on the CPU"),
    ],
    ids=["float64", "float16", "another device"],
)
def test_other_tensors_are_refused_with_a_reason(tensor: Tensor, reason: str) -> None:
    assert layers.can_run(torch.rand(1), tensor) == reason
    assert native_generator.layer_ops(torch.rand(1), tensor) is PLAIN


def test_autocast_is_refused_with_a_reason() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert layers.can_run(torch.rand(1)) == "autocast is on, and the native layers compute in float32"
    assert layers.can_run(torch.rand(1)) is None


@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        (nn.BatchNorm2d(2), None),
        (nn.BatchNorm2d(2).eval(), "the norm is in eval mode, and the native one is that of training"),
        (nn.SyncBatchNorm(2), "the norm is a SyncBatchNorm, and the native one is BatchNorm2d's"),
    ],
    ids=["training", "eval", "another class"],
)
def test_norms_that_are_not_native_have_a_reason(norm: nn.Module, reason: str | None) -> None:
    assert layers.can_run_batch_norm(norm) == reason


@pytest.mark.parametrize("has_residual", [False, True])
def test_a_norm_that_is_not_native_computes_itself(has_residual: bool) -> None:
    norm, x, slope = nn.BatchNorm2d(2).eval(), torch.randn(2, 2, 3, 4), torch.tensor([0.2])
    norm.running_mean, norm.running_var = torch.randn(2), torch.rand(2)
    residual = torch.randn(2, 2, 3, 4) if has_residual else None
    found, expected = (form.batch_norm(x, norm, slope, residual) for form in (layers, PLAIN))
    torch.testing.assert_close(found, expected)
    assert norm.num_batches_tracked == 0


def test_each_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    native_generator._note.cache_clear()
    with caplog.at_level(logging.DEBUG, native_generator.__name__):
        for _ in range(2):
            native_generator.layer_ops(torch.rand(1).double())
            native_generator.layer_ops(torch.rand(1))
    assert caplog.messages == [
        "layers compute in plain PyTorch: a tensor is torch.float64, and the native layers compute in float32"
    ]


def test_a_generator_is_plain_until_it_is_given_the_kernels() -> None:
    generator = Generator(CONFIG)
    assert generator.sparse_attention is plain_attention
    assert generator.ops is plain_layer_ops
    assert native_generator.use_native_attention(generator, "cpu") is None
    assert generator.sparse_attention is attention
    assert generator.ops is plain_layer_ops
    assert native_generator.use_native(generator, torch.device("cpu")) is None
    assert generator.decoder_10[0].ops is native_generator.layer_ops


def test_without_compiled_kernels_a_generator_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", lambda: False)
    generator = Generator(CONFIG)
    reason = native_generator.use_native(generator, "cpu")
    assert reason == (
        f"no compiled kernels match the sources installed; build them with: {library.BUILD_COMMAND}"
    )
    assert layers.can_run(torch.rand(1)) == reason
    assert missing_kernels(torch.device("cpu")) == [
        f"attention and layers run in plain PyTorch, several times slower: {reason}"
    ]
    assert generator.sparse_attention is plain_attention
    assert generator.ops is plain_layer_ops


def test_no_kernels_are_missing_on_devices_that_they_do_not_serve() -> None:
    assert (
        attention.can_run("meta") == "the native attention operator runs on CPUs and NVIDIA GPUs, not on meta"
    )
    assert missing_kernels(torch.device("meta")) == []
    assert missing_kernels(torch.device("cpu")) == []
