"""Several processes that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import TESTS

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from training_run import Noise, rows, tiny_config  # noqa: E402

from dynast_deploy.checkpoint import read_checkpoint  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402
from dynast_deploy.training import batch_norm, loop  # noqa: E402
from dynast_deploy.training.batch_norm import SharedBatchNorm2d, share_batch_norm  # noqa: E402
from dynast_deploy.training.processes import Processes  # noqa: E402
from dynast_deploy.training.untrained_biases import freeze_idle_biases  # noqa: E402


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [*command, str(TESTS / "support" / "train_noise.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        timeout=300,
    )


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Style terms and identity terms paint and compare some samples alone, of which either process has others.
    changes = ("schedule.length=3", "data.batch=4", "schedule.warmup=0", "objective.identity=1", "seed=2")
    done = torchrun(2, str(tmp_path / "two"), *changes)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    config = tiny_config(*changes)
    loop.train(config, tmp_path / "one")

    one, two = (read_checkpoint(tmp_path / run / "training.pth") for run in ("one", "two"))
    for ours, theirs in (
        (one["generator"], two["generator"]),
        (one["training_state"]["generator"], two["training_state"]["generator"]),
        (one["training_state"]["discriminator"], two["training_state"]["discriminator"]),
    ):
        assert ours.keys() == theirs.keys()
        # Where rounding decides about a match or a ReLU, which depends on the processor, some weights go other ways;
        # of a gradient that is another one, nearly all.
        apart = torch.cat(
            [
                (theirs[name] - tensor).double().abs().flatten()
                for name, tensor in ours.items()
                if not name.endswith(("weight_u", "weight_v"))
            ]
        )
        assert (apart > 1e-5).double().mean() < 0.3
        assert apart.max() < 3e-4
        # Directions of the largest singular value turn more than the weights that they follow.
        for name in ours:
            if name.endswith(("weight_u", "weight_v")):
                assert torch.allclose(theirs[name], ours[name], rtol=0, atol=1e-3), name
    torch.manual_seed(config.seed)
    untrained = Generator(config.generator).state_dict()
    trained = one["training_state"]["generator"]
    moved = torch.cat([(trained[name] - untrained[name]).abs().flatten() for name in untrained])
    assert moved.quantile(0.5) > 4e-5
    # A match or a ReLU that rounding decides has been seen to move a loss by 4.4e-4 of itself.
    for ours, theirs in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-5)


def test_a_batch_that_does_not_divide_among_the_processes_is_refused() -> None:
    group = Processes(rank=1, world=3, device=torch.device("cpu"))
    assert group.share(12) == 4
    with pytest.raises(DynastError, match=r"data\.batch is 4; it must be a multiple of the 3 processes"):
        group.share(4)


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of one, in which sums over the processes change nothing."""
    monkeypatch.setattr(batch_norm.dist, "all_reduce", lambda tensor: None)
    monkeypatch.setattr(batch_norm.dist, "get_world_size", lambda: 1)


@pytest.mark.usefixtures("one_process")
def test_the_shared_batch_norm_of_one_process_is_batch_norm() -> None:
    torch.manual_seed(0)
    plain, shared = nn.Sequential(nn.BatchNorm2d(5)), nn.Sequential(nn.BatchNorm2d(5))
    for norm in (plain, shared):
        norm.double()
        with torch.no_grad():
            norm[0].weight.copy_(torch.linspace(0.5, 2, 5))
            norm[0].bias.copy_(torch.linspace(-1, 1, 5))
    share_batch_norm(shared)
    assert isinstance(shared[0], SharedBatchNorm2d)
    x = torch.randn(3, 5, 7, 2, dtype=torch.float64) * 3 + 5
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    results = [norm(given) for norm, given in zip((plain, shared), inputs, strict=True)]
    weights = torch.randn_like(x)
    for result in results:
        (result * weights).sum().backward()
    torch.testing.assert_close(*results)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(plain[0].weight.grad, shared[0].weight.grad)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value)
    torch.testing.assert_close(plain.eval()(x), shared.eval()(x))


def test_frozen_biases_have_no_gradient_but_rounding() -> None:
    torch.manual_seed(0)
    config = tiny_config().generator
    generator, sample = Generator(config).double(), Noise()[3]
    pair = {name: value[None].double() for name, value in sample.items() if isinstance(value, torch.Tensor)}
    encoded = generator.encode_exemplar(pair["exemplar"], pair["exemplar_condition"])
    image, attentions = generator.render_with_attention(encoded, pair["condition"], pair["exemplar"])
    loss = image.square().sum() + sum(found.warped.square().sum() for found in attentions)
    loss.backward()
    gradients = {name: float(parameter.grad.abs().max()) for name, parameter in generator.named_parameters()}
    freeze_idle_biases(generator)
    frozen = [name for name, parameter in generator.named_parameters() if not parameter.requires_grad]
    # Two encoders of four levels with one convolution and two in a residual block each, and in each of four blocks of
    # attention the keys and two in a residual block.
    assert len(frozen) == 2 * 4 * 3 + 4 * 3
    assert max(gradients[name] for name in frozen) < 1e-9
    assert sum(gradient > 1e-6 for name, gradient in gradients.items() if name not in frozen) > 300
