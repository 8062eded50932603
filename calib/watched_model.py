"""Both halves of a model in memory, run on ONNX Runtime's CPU kernels, with any of their tensors for inspection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from dynast_deploy.export.quantizable import ancestors
from dynast_deploy.export.tensor_extremes import rounded_like_a_gpu
from dynast_deploy.formats.onnx_model import ENCODER_INPUTS, ModelMetadata, extract
from dynast_deploy.onnxruntime_session import import_onnxruntime, make_session, refusing
from dynast_deploy.runtime.onnxrt.cpu_graph import for_cpu
from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

Encoded = dict[str, np.ndarray]
"""The cut tensors by name."""
IMAGE = "image"
THE_MODEL = "the model"
"""In messages: a graph that is measured is in memory, with changes that its file does not have."""


class WatchedModel:
    """The two halves of `model`, each with a session of its own that is made when it is first needed.

    `watched` names tensors that `encode` and `render` return in addition to their results; a tensor is returned by the
    half that makes it. `as_stored` computes every node by itself and rounds float16 tensors to float16, as a GPU does:
    ONNX Runtime's optimised CPU graph computes them in float32.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        info: ModelMetadata,
        watched: Sequence[str] = (),
        as_stored: bool = False,
    ) -> None:
        self._model, self._info, self._as_stored = model, info, as_stored
        made = {name: node for node in model.graph.node for name in node.output}
        by_encoder = ancestors(info.cut_tensors, made)
        inputs = [value.name for value in model.graph.input]
        known = [name for name in watched if name in made]
        self._watched = {
            "encoder": [name for name in known if name in by_encoder and name not in info.cut_tensors],
            "renderer": [name for name in known if name not in by_encoder and name != IMAGE],
        }
        self._given = [name for name in watched if name in inputs]
        self._sessions: dict[str, Any] = {}

    def encode(self, exemplar: np.ndarray, condition: np.ndarray) -> tuple[Encoded, dict[str, np.ndarray]]:
        """exemplar float32 `[1, 3, H, W]` in -1..1, condition uint8 `[1, S, H, W]` -> cut tensors, watched tensors.

        Raises:
            DynastError: Where ONNX Runtime cannot run the model.
        """
        feed = dict(zip(ENCODER_INPUTS, (exemplar, as_float(condition)), strict=True))
        return self._run("encoder", feed, self._info.cut_tensors)

    def render(self, encoded: Encoded, condition: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """condition uint8 `[N, S, H, W]` -> image float32 `[N, 3, H, W]`, watched tensors.

        Raises:
            DynastError: Where ONNX Runtime cannot run the model.
        """
        results, watched = self._run("renderer", {**encoded, "condition": as_float(condition)}, [IMAGE])
        return results[IMAGE], watched

    def _run(
        self, half: str, feed: dict[str, np.ndarray], outputs: list[str]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        if half not in self._sessions:
            self._sessions[half] = self._session(half, list(feed), [*outputs, *self._watched[half]])
        session = self._sessions[half]
        names = [output.name for output in session.get_outputs()]
        wanted = {entry.name for entry in session.get_inputs()}
        with refusing(THE_MODEL):
            values = session.run(names, {name: value for name, value in feed.items() if name in wanted})
        found = dict(zip(names, values, strict=True))
        results = {name: found.pop(name) for name in outputs}
        return results, found | {name: feed[name] for name in self._given if name in feed}

    def _session(self, half: str, inputs: list[str], outputs: list[str]) -> Any:
        if half == "renderer":
            inputs = [*self._info.cut_tensors, "condition"]
        part = with_outputs(self._model, inputs, outputs)
        operators = operators_or_warning(import_onnxruntime())
        part = rounded_like_a_gpu(part) if self._as_stored else for_cpu(part)
        with refusing(THE_MODEL):
            return make_session(
                part.SerializeToString(),
                operators=operators,
                optimize=not self._as_stored,
                spin=False,
                plan_memory=False,
                # Quantized values stay what the file says, and constant weights are dequantized once.
                settings={"session.disable_quant_qdq": "1"},
            )


def with_outputs(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """The part of `model` that computes `outputs`, of which any tensor may be one."""
    stated = {value.name for value in [*model.graph.output, *model.graph.value_info]}
    shell = onnx.ModelProto()
    shell.CopyFrom(model)
    for name in outputs:
        if name not in stated:
            shell.graph.value_info.add(name=name)
    return extract(shell, inputs, outputs)


def as_float(condition: np.ndarray) -> np.ndarray:
    """uint8 0..255 as float32 0..1; float32 as it is. Of any shape."""
    return np.divide(condition, 255, dtype=np.float32) if condition.dtype == np.uint8 else condition
