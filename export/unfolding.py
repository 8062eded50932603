"""The way back from `folding.py`: a generator's parameters from the constants of an exported graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from dynast_deploy.config import SCALES
from dynast_deploy.export.modulation import submodule

if TYPE_CHECKING:
    import onnx

    from dynast_deploy.attention_block import AttentionBlock
    from dynast_deploy.generator import Generator
    from dynast_deploy.layers import SPADE, ResidualBlock, SPADEResnetBlock


class EngineWeights:
    """The constants of an exported graph, found through the nodes that read them."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self._nodes = {node.name: node for node in model.graph.node}
        self._readers = {name: node for node in model.graph.node for name in node.input}
        self._makers = {name: node for node in model.graph.node for name in node.output}

    def conv(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution called `name`. `[O, C, kH, kW]` and `[O]`."""
        _, weight, bias = self._nodes[name].input
        return self._tensor(weight), self._tensor(bias)

    def slope(self, name: str) -> float:
        """The slope below zero of the leaky ReLU called `name`."""
        return float(self._nodes[name].attribute[0].f)

    def projections(self, scope: str) -> list[tuple[Tensor, Tensor]]:
        """Weight `[out, in + P]` and bias of each matrix product of an attention block, in the order of the graph."""
        found = []
        for name, node in self._nodes.items():
            if name.startswith(f"{scope}/projection"):
                weight = self._tensor(node.input[1]).T
                offset = self._readers[node.output[0]].input[1]
                if offset not in self._arrays:
                    product, offset = self._makers[offset].input
                    position = self._makers[product].input[1]
                    weight = torch.cat([weight, self._tensor(position).T], 1)
                found.append((weight, self._tensor(offset)))
        return found

    def position_code(self, scale: int, side: int) -> Tensor:
        """`[1, P, side, side]`."""
        tokens = self._tensor(next(name for name in self._arrays if name.endswith(f"/position_code{scale}")))
        return tokens.T.reshape(1, -1, side, side)

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self._arrays[name].astype(np.float32))


def copy_weights(
    engine: EngineWeights,
    generator: Generator,
    done: Callable[[int, int], object] = lambda count, total: None,
) -> None:
    """Give `generator`, of the same configuration, the engine's weights; batch norms become the identity.

    After each part of the network `done` is called with how many are done, of how many.
    """
    steps = _steps(engine, generator)
    for count, step in enumerate(steps, 1):
        step()
        done(count, len(steps))


def _steps(engine: EngineWeights, generator: Generator) -> list[Callable[[], None]]:
    steps: list[Callable[[], None]] = []
    for side in ("q", "kv"):
        steps += [
            partial(_set_encoder, engine, generator, f"encoder_{side}.layer{level}") for level in (1, 2, 3, 4)
        ]
        for name in (f"embed_{side}{scale}" for scale in SCALES):
            steps.append(partial(_set_spade_block, engine, submodule(generator, name), name))
    for name in ("embed_3", "embed_2"):
        steps.append(partial(_set_spade_block, engine, submodule(generator, name), name))
    for scale in SCALES:
        for layer, block in enumerate(generator.blocks(scale)):
            steps.append(partial(_set_attention_block, engine, block, f"transformer_{scale}.{layer}"))
    steps.append(partial(_set_decoders, engine, generator))
    steps.append(partial(_set_position_codes, engine, generator))
    return steps


def _set_encoder(engine: EngineWeights, generator: Generator, scope: str) -> None:
    conv, _, residual = submodule(generator, scope)
    _set_spectral(conv, *engine.conv(f"{scope}/conv"))
    _set_residual(engine, residual, scope)


def _set_decoders(engine: EngineWeights, generator: Generator) -> None:
    for scale in SCALES[:-1]:
        for kind in ("decoder_", "decoder_q", "decoder_kv"):
            name = f"{kind}{scale}{scale - 1}"
            _set(submodule(generator, name)[1], *engine.conv(f"{name}/conv"))
    _set(submodule(generator, "decoder_10.0"), *engine.conv("decoder_10"))


def _set(conv: Any, weight: Tensor, bias: Tensor) -> None:
    conv.weight.data.copy_(weight.reshape(conv.weight.shape))
    conv.bias.data.copy_(bias)


def _set_spectral(conv: Any, weight: Tensor, bias: Tensor) -> None:
    conv.weight_orig.data.copy_(weight)
    matrix = weight.double().flatten(1)
    # Of the singular vectors only the first are needed: those of the small square, ten times as fast as all of them.
    left = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -1]
    right = left @ matrix
    length = right.norm()
    # The stored vectors of a trained layer are never quite converged, so the weight's norm is only nearly 1.
    conv.weight_u.copy_(left / length)
    conv.weight_v.copy_(right / length)
    conv.bias.data.copy_(bias)


def _set_residual(engine: EngineWeights, block: ResidualBlock, scope: str) -> None:
    model: Any = block.model
    for number, (conv, norm) in enumerate(((model[0], model[1]), (model[3], model[4]))):
        _set(conv, *engine.conv(f"{scope}/residual/conv_{number}"))
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
    block.relu.weight.data.fill_(engine.slope(f"{scope}/residual/LeakyRelu"))


def _set_spade(engine: EngineWeights, spade: SPADE, scope: str) -> None:
    _set(spade.mlp_shared[0], *engine.conv(f"{scope}/mlp_shared"))
    weight, bias = engine.conv(f"{scope}/gamma")
    _set(spade.mlp_gamma, weight, bias - 1)
    _set(spade.mlp_beta, *engine.conv(f"{scope}/beta"))


def _set_spade_block(engine: EngineWeights, block: SPADEResnetBlock, name: str) -> None:
    for number, (spade, conv) in enumerate(((block.norm_0, block.conv_0), (block.norm_1, block.conv_1))):
        _set_spade(engine, spade, f"{name}.norm_{number}")
        _set_spectral(conv, *engine.conv(f"{name}.conv_{number}"))
    block.relu.weight.data.fill_(engine.slope(f"{name}.relu"))


def _set_attention_block(engine: EngineWeights, block: AttentionBlock, scope: str) -> None:
    (keys, keys_bias), values, (queries, queries_bias) = engine.projections(scope)
    width = block.f.out_channels
    for conv, weight, bias in (
        (block.g, keys[:width], keys_bias[:width]),
        (block.g_prune, keys[width:], keys_bias[width:]),
        (block.h, *values),
        (block.f, queries[:width], queries_bias[:width]),
        (block.f_prune, queries[width:], queries_bias[width:]),
    ):
        _set(conv, weight, bias)
    _set_spade(engine, block.spade, f"{scope}.spade")
    _set_residual(engine, block.res_block, scope)


def _set_position_codes(engine: EngineWeights, generator: Generator) -> None:
    codes = {
        scale: engine.position_code(scale, generator.config.crop_size >> (scale - 1)) for scale in SCALES
    }
    generator.pos_embed.data = codes[4]
    for scale in (4, 3, 2):
        step = submodule(generator, f"pos_{scale}{scale - 1}")
        _fit(step.conv, step[0](codes[scale]), F.leaky_relu(codes[scale - 1], 1 / step.slope))


def _fit(conv: nn.Conv2d, given: Tensor, wanted: Tensor) -> None:
    """Weights with which a 3x3 convolution with reflected border makes `wanted` of `given`, by least squares."""
    patches = F.unfold(F.pad(given.double(), (1, 1, 1, 1), mode="reflect"), 3)[0].T
    patches = torch.cat([patches, patches.new_ones(len(patches), 1)], 1)
    solution = torch.linalg.lstsq(patches, wanted.double().flatten(2)[0].T, driver="gelsy").solution
    _set(conv, solution[:-1].T, solution[-1])


class _Statistics:
    """Mean and variance of each channel over maps that come one after the other (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self._squares = torch.zeros(0, dtype=torch.float64)

    def add(self, maps: Tensor) -> None:
        """maps `[N, C, H, W]`"""
        variance, mean = torch.var_mean(maps, (0, 2, 3), correction=0)
        variance, mean, count = variance.double(), mean.double(), maps[:, 0].numel()
        if not self.count:
            self.mean, self._squares = torch.zeros_like(mean), torch.zeros_like(mean)
        total = self.count + count
        apart = mean - self.mean
        self._squares = self._squares + variance * count + apart**2 * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def variance(self) -> Tensor:
        return self._squares / max(self.count - 1, 1)


def spread_batch_norms(
    generator: Generator, samples: Iterable[Mapping[str, Any]], done: Callable[[int], object]
) -> None:
    """Give batch norms that are the identity the statistics of `samples`, and weights that undo them.

    One sample at a time goes through the network, and `done(1)` is called after each.
    """
    norms = {module: _Statistics() for module in generator.modules() if isinstance(module, nn.BatchNorm2d)}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        norms[norm].add(inputs[0])

    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.inference_mode():
        for sample in samples:
            inputs = (sample[name][None] for name in ("condition", "exemplar", "exemplar_condition"))
            generator.eval()(*inputs)
            done(1)
    for handle in handles:
        handle.remove()
    for norm, statistics in norms.items():
        norm.running_mean, norm.running_var = statistics.mean.float(), statistics.variance.float()
        norm.weight.data.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.data.copy_(norm.running_mean)
