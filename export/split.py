"""Where `model.onnx` is cut in two, and what its metadata says. Needs no PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from dynast_deploy.errors import DynastError

PREFIX = "dynast."
ENCODER_INPUTS = ("exemplar", "exemplar_condition")
RENDERER_INPUTS = ("condition",)
RENDERER_OUTPUTS = ("image",)


@dataclass(frozen=True)
class ModelInfo:
    """What the metadata of `model.onnx` says (keys under `dynast.`, values in JSON).

    config: the generator's configuration; task: "pose", "face", "style" or None; height, width: picture size in
    pixels; producer_version: of dynast-deploy; source_sha256: of the checkpoint; precision: "fp32", ...;
    cut_tensors: names of the tensors between exemplar encoder and frame renderer.
    """

    config: dict[str, Any]
    task: str | None
    height: int
    width: int
    producer_version: str
    source_sha256: str
    precision: str
    cut_tensors: list[str]

    @property
    def channels(self) -> int:
        """Channels of the condition."""
        return self.config["semantic_nc"]

    def write(self, model: onnx.ModelProto) -> None:
        for name, value in vars(self).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = PREFIX + name, json.dumps(value)

    @classmethod
    def read(cls, model: onnx.ModelProto, source: str) -> ModelInfo:
        """Raises DynastError if the file was not written by this project's exporter."""
        found = {
            entry.key.removeprefix(PREFIX): entry.value
            for entry in model.metadata_props
            if entry.key.startswith(PREFIX)
        }
        try:
            return cls(**{name: json.loads(value) for name, value in found.items()})
        except (TypeError, ValueError):
            raise DynastError(
                f"{source}: no engine of this project (its `dynast.` metadata is missing or of another version); "
                "make one with: python export/to_onnx.py ckpt.pth"
            ) from None


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Read an ONNX file; DynastError if it is missing, damaged or none."""
    path = Path(path)
    if not path.is_file():
        raise DynastError(f"{path}: no such ONNX file")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise many classes, none of which says which file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DynastError(f"{path}: damaged, or no ONNX file ({reason})") from None
    return model


def halves(model: onnx.ModelProto, info: ModelInfo) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The exemplar encoder (-> cut tensors) and the frame renderer (condition, cut tensors -> image)."""
    encoder = extract(model, list(ENCODER_INPUTS), info.cut_tensors)
    renderer = extract(model, [*RENDERER_INPUTS, *info.cut_tensors], list(RENDERER_OUTPUTS))
    return encoder, renderer


def extract(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """The part of `model` that computes `outputs` from `inputs`, with its functions and metadata.

    Copies only what that part needs: `onnx.utils.Extractor` copies the whole model several times over on the way, which
    at the published size is the peak of a process's memory.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    needed, pending = set(inputs), [name for name in outputs if name not in inputs]
    kept: set[str] = set()
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in makers:
            kept.add(makers[name].output[0])
            pending += [source for source in makers[name].input if source]
    values = {value.name: value for value in [*graph.input, *graph.output, *graph.value_info]}
    half = onnx.ModelProto()
    half.ir_version, half.producer_name = model.ir_version, model.producer_name
    half.producer_version = model.producer_version
    half.opset_import.extend(model.opset_import)
    half.functions.extend(model.functions)
    half.metadata_props.extend(model.metadata_props)
    half.graph.name = graph.name
    half.graph.node.extend(node for node in graph.node if node.output[0] in kept)
    half.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    half.graph.input.extend(values[name] for name in inputs)
    half.graph.output.extend(values[name] for name in outputs)
    outside = {*inputs, *outputs}
    half.graph.value_info.extend(
        value for value in graph.value_info if value.name in needed and value.name not in outside
    )
    return half


def sha256(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
