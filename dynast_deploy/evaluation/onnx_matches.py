"""The matches inside an exported ONNX file: tensors of the graph, made outputs of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx

from dynast_deploy.evaluation.matching import BlockMatches
from dynast_deploy.formats.onnx_model import DOMAIN, load_engine_model

_BLOCK = re.compile(r"^transformer_(\d)\.(\d+)/")


class OnnxMatches:
    """A second session of the whole file, on the CPU, that gives matches alone."""

    def __init__(self, path: Path) -> None:
        from dynast_deploy.onnxruntime_session import import_onnxruntime, make_session, refusing
        from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

        operators = operators_or_warning(import_onnxruntime())
        model, info = load_engine_model(path)
        self._side = info.width
        self._tensors = matches_tensors(model)
        del model.graph.output[:]
        names = [name for _, _, name in self._tensors]
        model.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT32, None) for name in names
        )
        with refusing(str(path)):
            self._session = make_session(model.SerializeToString(), operators=operators)

    def best(
        self, condition: np.ndarray, exemplar: np.ndarray, exemplar_condition: np.ndarray
    ) -> list[BlockMatches]:
        """Every block's best matches, coarsest first, for one condition and exemplar as `Engine` takes them."""
        inputs = {"condition": condition, "exemplar": exemplar, "exemplar_condition": exemplar_condition}
        found = self._session.run(None, inputs)
        blocks = []
        for (scale, layer, _), matches in zip(self._tensors, found, strict=True):
            side = self._side // 2 ** (scale - 1)
            blocks.append(BlockMatches(scale, layer, matches[0, :, 0].reshape(side, side)))
        return blocks


def matches_tensors(model: onnx.ModelProto) -> list[tuple[int, int, str]]:
    """Scale, layer and name of every block's matches that the graph holds: a sparse block gives and takes them.

    The last block's are an output that nothing takes; coarse blocks before the last keep theirs to themselves.
    """
    tensors: dict[str, tuple[int, int, str]] = {}
    makers = {output: node.name for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.domain == DOMAIN and len(node.input) > 5 and len(node.output) > 2:
            for name in (node.input[5], node.output[2]):
                if block := _BLOCK.match(makers.get(name, "")):
                    tensors[name] = (int(block[1]), int(block[2]), name)
    return sorted(tensors.values(), key=lambda found: (-found[0], found[1]))
