"""The generator as an ONNX graph: what depends on weights alone is folded, what is computed twice is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from dynast_deploy.config import SCALES
from dynast_deploy.export import folding
from dynast_deploy.export.attention_functions import is_kept
from dynast_deploy.export.graph import Graph
from dynast_deploy.export.modulation import Signal, positional_norm, submodule
from dynast_deploy.formats.onnx_model import DOMAIN

if TYPE_CHECKING:
    from dynast_deploy.attention_block import AttentionBlock
    from dynast_deploy.generator import Generator
    from dynast_deploy.layers import FeatureGenerator, ResidualBlock, SPADEResnetBlock

CUT_PARTS = ("key", "key_prune", "value")


def cut_tensors(block: int) -> list[str]:
    """Names of what attention block number `block` needs of the exemplar."""
    return [f"block{block}.{part}" for part in CUT_PARTS]


class NetworkWriter:
    """Writes the generator's two halves into one graph. Names follow the checkpoint's modules."""

    def __init__(self, generator: Generator, height: int, width: int) -> None:
        self.generator, self.config = generator, generator.config
        self.height, self.width = height, width
        self.graph = Graph()
        with torch.no_grad():
            codes = generator.position_codes(height, width)
        # As tokens, [L, P].
        self.positions = {scale: code[0].detach().flatten(1).T.numpy() for scale, code in codes.items()}

    def write(self) -> Graph:
        """inputs `condition`, `exemplar`, `exemplar_condition`; output `image`."""
        self.write_exemplar_encoder()
        self.write_frame_renderer()
        return self.graph

    def write_exemplar_encoder(self) -> None:
        """Add the nodes from exemplar `[E, 3, H, W]` and its condition `[E, S, H, W]` to the cut tensors."""
        graph, generator = self.graph, self.generator
        signal_name = graph.op("Concat", "exemplar", "exemplar_condition", name="exemplar_signal", axis=1)
        signal = Signal(graph, signal_name)
        levels = self.encoder(generator.encoder_kv, "encoder_kv", signal_name)
        kv, number = levels[4], 0
        for scale in SCALES:
            if scale < 4:
                name = f"decoder_kv{scale + 1}{scale}"
                kv = graph.op("Add", self.upsampled(name, kv), levels[scale], name=f"{name}.skip")
            embed = f"embed_kv{scale}"
            kv = self.spade_resnet_block(submodule(generator, embed), embed, signal, kv, scale)
            tokens, unit = self.tokens(kv, scale)
            for layer, block in enumerate(generator.blocks(scale)):
                with graph.scope(f"transformer_{scale}.{layer}"):
                    self.keys_and_values(block, scale, tokens, unit, cut_tensors(number))
                number += 1

    def write_frame_renderer(self) -> None:
        """Add the nodes from condition `[N, S, H, W]` and cut tensors to the image `[N, 3, H, W]`."""
        graph, generator = self.graph, self.generator
        signal = Signal(graph, "condition")
        levels = self.encoder(generator.encoder_q, "encoder_q", "condition")
        q, fused, matches, number = levels[4], "", "", 0
        for scale in SCALES:
            if scale < 4:
                name = f"decoder_q{scale + 1}{scale}"
                q = graph.op("Add", self.upsampled(name, q), levels[scale], name=f"{name}.skip")
            embed = f"embed_q{scale}"
            q = x = self.spade_resnet_block(submodule(generator, embed), embed, signal, q, scale)
            for layer, block in enumerate(generator.blocks(scale)):
                name = f"transformer_{scale}.{layer}"
                x, matches = self.attention_block(block, name, scale, number, signal, x, matches)
                number += 1
            if scale < 4:
                # The published network fuses scale 1 by `embed_q1`, whose gamma and beta are there already.
                embed = "embed_q1" if scale == 1 else f"embed_{scale}"
                x = graph.op("Add", fused, x, name=f"{embed}.fusion")
                x = self.spade_resnet_block(submodule(generator, embed), embed, signal, x, scale)
            if scale > 1:
                fused = self.upsampled(f"decoder_{scale}{scale - 1}", x)
        conv = submodule(generator, "decoder_10.0")
        out = graph.conv3x3(graph.reflected(x), *folding.plain(conv), name="decoder_10")
        graph.op("Tanh", out, name="tanh", outputs=["image"])

    def encoder(self, encoder: FeatureGenerator, name: str, x: str) -> dict[int, str]:
        """Feature maps by scale."""
        graph, levels = self.graph, {}
        for scale in (1, 2, 3, 4):
            conv, _, residual = submodule(encoder, f"layer{scale}")
            channels = conv.out_channels
            with graph.scope(f"{name}.layer{scale}"):
                # The bias before an instance norm cancels, and is kept only because Conv and its readers expect one.
                weights = folding.spectral(conv)
                x = graph.conv3x3(graph.reflected(x), *weights, name="conv", stride=conv.stride[0])
                ones, zeros = graph.constant(np.ones(channels)), graph.constant(np.zeros(channels))
                x = graph.op("InstanceNormalization", x, ones, zeros, epsilon=1e-5)
                x = levels[scale] = self.residual_block(residual, x)
        return levels

    def residual_block(self, block: ResidualBlock, x: str) -> str:
        """`layers.ResidualBlock` of the map `x` `[N, C, H, W]`; returns a map of the same shape."""
        graph, model = self.graph, submodule(block, "model")
        slope = block.relu.weight.item()
        with graph.scope("residual"):
            d = graph.conv3x3(graph.reflected(x), *folding.batch_normed(model[0], model[1]), name="conv_0")
            d = graph.op("LeakyRelu", d, alpha=slope)
            d = graph.conv3x3(graph.reflected(d), *folding.batch_normed(model[3], model[4]), name="conv_1")
            return graph.op("LeakyRelu", graph.op("Add", x, d), alpha=slope)

    def spade_resnet_block(
        self, block: SPADEResnetBlock, name: str, signal: Signal, x: str, scale: int
    ) -> str:
        """`layers.SPADEResnetBlock` of the map `x` `[N, C, H, W]` at a scale; returns `[N, C', H, W]`."""
        graph, slope = self.graph, block.relu.weight.item()
        d = x
        layers = ((block.norm_0, block.conv_0), (block.norm_1, block.conv_1))
        for layer, (spade, conv) in enumerate(layers):
            d = signal.modulate(spade, f"{name}.norm_{layer}", d, scale)
            d = graph.op("LeakyRelu", d, name=f"{name}.relu", alpha=slope)
            d = graph.conv3x3(graph.reflected(d), *folding.spectral(conv), name=f"{name}.conv_{layer}")
        return graph.op("LeakyRelu", graph.op("Add", x, d, name=f"{name}.sum"), name=name, alpha=slope)

    def upsampled(self, name: str, x: str) -> str:
        """Bilinear x2 with aligned corners, convolution, ReLU."""
        graph = self.graph
        with graph.scope(name):
            scales = graph.constant([1.0, 1.0, 2.0, 2.0])
            mode = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
            x = graph.op("Resize", x, "", scales, **mode)
            conv = submodule(self.generator, f"{name}.1")
            return graph.op("Relu", graph.conv3x3(graph.reflected(x), *folding.plain(conv), name="conv"))

    def tokens(self, x: str, scale: int) -> tuple[str, str]:
        """`x [N, C, H, W]` as tokens `[N, L, C]`, and the same at unit length."""
        graph = self.graph
        flat = graph.reshape(x, [0, self.config.channels(scale), -1], name="flat")
        tokens = graph.transpose(flat, 0, 2, 1)
        length = graph.op("ReduceL2", tokens, graph.constant([-1]), keepdims=1)
        length = graph.op("Add", length, graph.constant(1e-10))
        return tokens, graph.op("Div", tokens, length, name="unit")

    def project(
        self, convs: list[torch.nn.Conv2d], tokens: str, scale: int, names: list[str] | None = None
    ) -> list[str]:
        """1x1 convolutions of tokens (with the position code where they read it) as one product, split afterwards.

        What the position code contributes is left as a product of two small constants: any runtime folds it when it
        loads the file, and stored folded it would be larger than the weights.
        """
        graph, widths = self.graph, [conv.out_channels for conv in convs]
        weights, pos_weight = folding.projection(convs, self.config.channels(scale))
        offset = graph.constant(weights.bias, "projection.bias")
        if len(pos_weight):
            code = graph.constant(self.positions[scale], f"position_code{scale}")
            product = graph.op(
                "MatMul", code, graph.constant(pos_weight, "projection.position"), name="position"
            )
            offset = graph.op("Add", product, offset, name="position_offset")
        matrix = graph.constant(weights.weight, "projection.weight")
        product = graph.op("MatMul", tokens, matrix, name="projection")
        if len(convs) == 1:
            return [graph.op("Add", product, offset, name="projected", outputs=names)]
        both = graph.op("Add", product, offset, name="projected")
        if names is None:
            return graph.split(both, widths, axis=2)
        graph.op("Split", both, graph.constant(widths), outputs=names, axis=2)
        return names

    def keys_and_values(
        self, block: AttentionBlock, scale: int, tokens: str, unit: str, names: list[str]
    ) -> None:
        """Key, prune key and value of a block, `[E, L, C]` each, called `names`; from tokens as they are and of unit
        length.
        """
        self.project([block.g, block.g_prune], unit, scale, names[:2])
        self.project([block.h], tokens, scale, names[2:])

    def attention_block(
        self, block: AttentionBlock, name: str, scale: int, number: int, signal: Signal, x: str, matches: str
    ) -> tuple[str, str]:
        """The block's output map and its matches."""
        graph, channels = self.graph, self.config.channels(scale)
        height, width = self.height // 2 ** (scale - 1), self.width // 2 ** (scale - 1)
        with graph.scope(name):
            _, unit = self.tokens(x, scale)
            queries = self.project([block.f, block.f_prune], unit, scale)
            inputs = [*queries, *cut_tensors(number)]
            if scale == 4:
                attended, confidence, matches = self.dense_attention(inputs, block.f.out_channels)
            else:
                inter = number % self.config.n_layers == 0
                attended, confidence, matches = self.sparse_attention(inputs, matches, inter, width)
            attended = graph.reshape(
                graph.transpose(attended, 0, 2, 1), [0, channels, height, width], name="attended_map"
            )
            doubt = graph.op("Sub", graph.constant(1.0), confidence)
            doubt = graph.reshape(doubt, [0, 1, height, width], name="doubt")
        modulated = signal.modulate(block.spade, f"{name}.spade", x, scale)
        with graph.scope(name):
            mixed = graph.op("Add", attended, graph.op("Mul", doubt, modulated))
            mixed = positional_norm(graph, graph.op("Add", mixed, x, name="mixed"), channels)
            return self.residual_block(block.res_block, mixed), matches

    def dense_attention(self, inputs: list[str], width: int) -> tuple[str, str, str]:
        """Every key is a candidate; as `attention.dense_attention`."""
        graph = self.graph
        query, query_prune, key, key_prune, value = inputs
        scaled = graph.op("Mul", query, graph.constant(width**-0.5), name="scaled")
        logits = graph.op("MatMul", scaled, graph.transpose(key, 0, 2, 1), name="logits")
        prune_logits = graph.op(
            "MatMul", query_prune, graph.transpose(key_prune, 0, 2, 1), name="prune_logits"
        )
        keeps = is_kept(graph, prune_logits, lambda number: graph.constant(float(number)))
        mask = graph.op("Cast", keeps, to=1, name="mask")
        kept = graph.op("Mul", graph.op("Softmax", logits, axis=-1), mask, name="kept")
        attended = graph.op("MatMul", kept, value, name="attended")
        confidence = graph.op("ReduceSum", kept, graph.constant([-1]), keepdims=1, name="confidence")
        top, matches = graph.unique("best_logits"), graph.unique("matches64")
        graph.op("TopK", logits, graph.constant([self.config.top_k]), outputs=[top, matches], axis=-1)
        return attended, confidence, graph.op("Cast", matches, to=6, name="matches")

    def sparse_attention(
        self, inputs: list[str], matches: str, inter: bool, width: int
    ) -> tuple[str, str, str]:
        """A node of the attention operator; returns its three outputs, each `[N, L, ...]`."""
        graph = self.graph
        name = "InterScaleAttention" if inter else "InnerScaleAttention"
        outputs = [graph.unique(part) for part in ("attended", "confidence", "matches")]
        graph.op(
            name,
            *inputs,
            matches,
            name="attention",
            outputs=outputs,
            domain=DOMAIN,
            query_width=width,
            key_width=width,
            top_k=self.config.top_k,
            temperature=float(self.config.smooth),
            plugin_namespace=DOMAIN,
            plugin_version="1",
            aot=1,
        )
        return outputs[0], outputs[1], outputs[2]
