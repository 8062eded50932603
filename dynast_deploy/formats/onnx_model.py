"""Where `model.onnx` is cut in two, and what its metadata says. Needs no PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of
from dynast_deploy.formats.float_ends import with_float32_ends
from dynast_deploy.formats.onnx_check import (
    EXPORT,
    check_ends,
    check_parts,
    check_versions,
    check_weights,
    metadata_values,
)
from dynast_deploy.formats.precision import Precision
from dynast_deploy.size import Size

PREFIX = "dynast."
DOMAIN = "dynast"
"""Of our operators in ONNX graphs."""
ENCODER_INPUTS = ("exemplar", "exemplar_condition")
RENDERER_INPUTS = ("condition",)
RENDERER_OUTPUTS = ("image",)


@dataclass(frozen=True)
class ModelMetadata:
    """What the metadata of `model.onnx` says (keys under `dynast.`, values in JSON).

    config: the generator's configuration; task: "pose", "face", "style" or None; height, width: picture size in
    pixels; producer_version: of dynast-deploy; source_sha256: of the checkpoint; precision: of the graph;
    cut_tensors: names of the tensors between exemplar encoder and frame renderer.
    """

    config: dict[str, Any]
    task: str | None
    height: int
    width: int
    producer_version: str
    source_sha256: str
    precision: Precision
    cut_tensors: list[str]

    @property
    def channels(self) -> int:
        """Channels of the condition."""
        return int(self.config["semantic_nc"])

    def write(self, model: onnx.ModelProto) -> None:
        """Add the metadata to a model, which is changed."""
        for name, value in vars(self).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = PREFIX + name, json.dumps(value)

    @classmethod
    def read(cls, model: onnx.ModelProto, source: str) -> ModelMetadata:
        """The metadata of a whole model, every value checked, and compared with the graph's inputs and outputs.

        Raises:
            DynastError: Where the file was not written by this project's exporter, or was changed since so that graph
                and metadata do not fit.
        """
        texts = {
            entry.key.removeprefix(PREFIX): entry.value
            for entry in model.metadata_props
            if entry.key.startswith(PREFIX)
        }
        values = metadata_values(texts, source)
        info = cls(**values | {"precision": Precision(values["precision"])})
        GeneratorConfig.from_dict(info.config, source)
        task = Task(info.task) if info.task else None
        if task is not None and task.semantic_nc != info.channels:
            raise DynastError(
                f"{source}: its metadata says {info.channels} channels for the task {task}, which has "
                f"{task.semantic_nc}; {EXPORT}"
            )
        check_ends(model.graph, info.channels, Size(info.height, info.width), info.cut_tensors, source)
        return info


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in an ONNX file, checked.

    Raises:
        DynastError: Where the file is missing, damaged or not an ONNX file.
    """
    path = Path(path)
    if not path.is_file():
        raise DynastError(f"{path}: no such ONNX file")
    try:
        model = onnx.load(path)
        check_parts(model, str(path))
        check_versions(model, str(path))
        onnx.checker.check_model(model)
    except DynastError:
        raise
    except Exception as error:  # protobuf and the checker raise many classes, none of which says which file
        if (kind := _kind(path)) not in (None, FileKind.ONNX):
            raise DynastError(
                f"{path}: is not an ONNX file, but of the kind {kind}; make one with: dynast export ckpt.pth"
            ) from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DynastError(f"{path}: damaged, or not an ONNX file ({reason})") from None
    return model


def _kind(path: Path) -> FileKind | None:
    try:
        return kind_of(path)
    except DynastError:
        return None


def load_engine_model(path: str | os.PathLike[str]) -> tuple[onnx.ModelProto, ModelMetadata]:
    """An engine of this project with its weights, which are all finite, and its metadata.

    Raises:
        DynastError: For any other file.
    """
    model = load_model(path)
    info = ModelMetadata.read(model, str(path))
    check_weights(model, str(path))
    return model, info


def split_encoder_renderer(
    model: onnx.ModelProto, info: ModelMetadata
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The exemplar encoder (-> cut tensors) and the frame renderer (condition, cut tensors -> image).

    Pictures and conditions are float32, whatever they are in `model`.
    """
    encoder = extract(model, list(ENCODER_INPUTS), info.cut_tensors)
    renderer = extract(model, [*RENDERER_INPUTS, *info.cut_tensors], list(RENDERER_OUTPUTS))
    return with_float32_ends(encoder), with_float32_ends(renderer)


def extract(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """The part of `model` that computes `outputs` from `inputs`, with its functions and metadata.

    Copies only what that part needs: `onnx.utils.Extractor` copies the whole model several times over on the way, which
    at the published size is the peak of a process's memory.
    """
    graph = model.graph
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needed, pending = set(inputs), [name for name in outputs if name not in inputs]
    kept: set[int] = set()
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in makers:
            kept.add(makers[name])
            pending += [source for source in graph.node[makers[name]].input if source]
    values = {value.name: value for value in [*graph.input, *graph.output, *graph.value_info]}
    half = onnx.ModelProto()
    half.ir_version, half.producer_name = model.ir_version, model.producer_name
    half.producer_version = model.producer_version
    half.opset_import.extend(model.opset_import)
    half.functions.extend(model.functions)
    half.metadata_props.extend(model.metadata_props)
    half.graph.name = graph.name
    half.graph.node.extend(node for index, node in enumerate(graph.node) if index in kept)
    half.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    half.graph.input.extend(values[name] for name in inputs)
    half.graph.output.extend(values[name] for name in outputs)
    outside = {*inputs, *outputs}
    half.graph.value_info.extend(
        value for value in graph.value_info if value.name in needed and value.name not in outside
    )
    return half


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
