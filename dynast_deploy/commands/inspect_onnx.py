"""What an ONNX file holds: one of our engines, or any other model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx

from dynast_deploy.commands.show import megabytes
from dynast_deploy.formats.onnx_check import check_weights
from dynast_deploy.formats.onnx_model import DOMAIN, PREFIX, ModelMetadata, load_model


def describe_onnx(file: Path) -> dict[str, Any]:
    """Metadata, inputs, outputs, operators and sizes of an ONNX file, for `commands.show`.

    An engine of this project also has its cut tensors, and what will compute its attention on this machine.

    Raises:
        DynastError: Where it cannot be read or is a damaged engine.
    """
    model = load_model(file)
    graph = model.graph
    weights = sum(_size(tensor.data_type, tensor.dims) for tensor in graph.initializer)
    initialised = {tensor.name for tensor in graph.initializer}
    info = _engine_info(model, file)
    found: dict[str, Any] = {"kind": "engine" if info is not None else "ONNX model"}
    if info is not None:
        found |= {
            "task": info.task,
            "height": info.height,
            "width": info.width,
            "precision": info.precision,
            "configuration": info.config,
            "producer_version": info.producer_version,
            "source_sha256": info.source_sha256,
        }
    else:
        found |= {
            "not_an_engine": "it has no metadata of this project",
            "metadata": {entry.key: entry.value for entry in model.metadata_props},
        }
        found["producer"] = f"{model.producer_name} {model.producer_version}".strip() or None
    found |= {
        "opsets": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
        "weights_mb": megabytes(weights),
        "nodes": len(graph.node),
    }
    if info is not None:
        nodes = Counter(node.op_type for node in graph.node if node.domain == DOMAIN)
        found |= {"attention_nodes": dict(nodes), "attention_runs_here": _attention_here()}
    found["inputs"] = [_value(value) for value in graph.input if value.name not in initialised]
    found["outputs"] = [_value(value) for value in graph.output]
    if info is not None:
        cuts = _cut_tensors(model, info)
        found["cut_tensors_total_mb"] = round(sum(cut["size_mb"] for cut in cuts), 3)
        found["cut_tensors"] = cuts
    operators = Counter(
        f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in graph.node
    )
    found["operators"] = [{"operator": name, "count": count} for name, count in operators.most_common()]
    return found


def _engine_info(model: onnx.ModelProto, file: Path) -> ModelMetadata | None:
    """The engine's metadata; None for a model of another project.

    Raises:
        DynastError: Where the weights or the metadata of an engine are damaged.
    """
    if not any(entry.key.startswith(PREFIX) for entry in model.metadata_props):
        return None
    info = ModelMetadata.read(model, str(file))
    check_weights(model, str(file))
    return info


def _attention_here() -> str:
    """What computes the attention nodes where ONNX Runtime runs an engine on this machine."""
    from dynast_deploy.plugins.bindings import library

    if native := library.find(library.ONNXRUNTIME):
        return f"natively, by {native}"
    return f"by the functions in the file, slower; build the native operators with: {library.BUILD_COMMAND}"


def _cut_tensors(model: onnx.ModelProto, info: ModelMetadata) -> list[dict[str, Any]]:
    """The tensors between exemplar encoder and frame renderer, sizes for one exemplar."""
    values = {value.name: value for value in model.graph.value_info}
    rows = []
    for name in info.cut_tensors:
        row = _value(values[name])
        sides = [side if isinstance(side, int) else 1 for side in row["shape"]]
        rows.append(row | {"size_mb": megabytes(_size(values[name].type.tensor_type.elem_type, sides))})
    return rows


def _value(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    sides = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    return {"name": value.name, "type": kind, "shape": sides}


def _size(data_type: int, sides: Iterable[int]) -> int:
    """Bytes of a tensor."""
    return math.prod(sides) * int(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize)
