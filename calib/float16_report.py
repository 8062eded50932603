"""Which nodes compute in float32 while the rest is float16: by their kind, and by their tensors' measured values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from dynast_deploy.export.float16 import LARGEST, float32_nodes
from dynast_deploy.export.quantizable import readers_of
from dynast_deploy.export.tensor_extremes import Range

ROOM = 2.0
"""Other frames may reach further than the measured ones by this factor."""
SMALLEST_NORMAL = 2.0**-14
"""Below it float16 loses digits with every halving, and below 2**-25 everything."""


@dataclass(frozen=True)
class Float32Node:
    """A node that computes in float32 and why. largest: magnitude of its tensors; measured: whether that is why."""

    node: str
    reason: str
    largest: float
    measured: bool


def nodes_in_float32(graph: onnx.GraphProto, ranges: Iterable[Range]) -> list[Float32Node]:
    """The nodes that stay in float32, in the graph's order.

    A tensor that overflows or underflows needs float32 in the node that makes it and in all that read it. A tensor
    underflows if all of it lies below float16's normal numbers; small values next to large ones may become zero.
    """
    by_kind = float32_nodes(graph)
    measured = {found.tensor: found for found in ranges}
    readers = readers_of(graph)
    needed: dict[str, str] = {}
    for found in measured.values():
        if reason := _trouble(found):
            for name in (found.node, *(reader.name for reader in readers.get(found.tensor, []))):
                needed.setdefault(name, reason if name == found.tensor else f"{found.tensor} {reason}")
    makers = {name: node for node in graph.node for name in node.output}
    stays = []
    for node in graph.node:
        if node.name not in by_kind and node.name not in needed:
            continue
        seen = [measured[name].largest for name in (*node.output, *node.input) if name in measured]
        reason = needed.get(node.name) or _kind(node, makers)
        stays.append(Float32Node(node.name, reason, max(seen, default=0.0), node.name in needed))
    return stays


def report(stays: Sequence[Float32Node], graph: onnx.GraphProto) -> list[str]:
    """A line for each reason that lies in what nodes do, and one for each node that stays for what was measured."""
    lines = [f"float32: {len(stays)} of {len(graph.node)} nodes, the rest is float16"]
    groups: dict[str, list[Float32Node]] = {}
    for stay in stays:
        if not stay.measured:
            groups.setdefault(stay.reason, []).append(stay)
    for reason, members in groups.items():
        reach = max(member.largest for member in members)
        lines.append(f"  {len(members)} nodes: {reason} (values up to {reach:.3g})")
    measured = [f"  {stay.node}: {stay.reason}" for stay in stays if stay.measured]
    return [*lines, *(measured or [f"  no other tensor reaches 1/{ROOM:g} of {LARGEST:.0f} or vanishes"])]


def constants_that_vanish(graph: onnx.GraphProto, stays: Sequence[Float32Node]) -> list[str]:
    """A line for each constant that float16 turns to zero and that a float16 node reads."""
    in_float32 = {stay.node for stay in stays}
    readers = readers_of(graph)
    lines = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        largest = float(np.abs(onnx.numpy_helper.to_array(tensor)).max(initial=0))
        halves = [node.name for node in readers.get(tensor.name, []) if node.name not in in_float32]
        if 0 < largest < SMALLEST_NORMAL and halves:
            lines.append(f"  {tensor.name}: no value above {largest:.3g}, read in float16 by {halves[0]}")
    return lines


def _trouble(found: Range) -> str | None:
    if not found.finite or found.largest * ROOM > LARGEST:
        return f"overflows: it reaches {found.largest:.3g} of {LARGEST:.0f}"
    if 0 < found.largest < SMALLEST_NORMAL:
        return f"underflows: it reaches {found.largest:.3g}, and float16 loses digits below {SMALLEST_NORMAL:.3g}"
    return None


def _kind(node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]) -> str:
    """Why a node of a sensitive kind stays."""
    if "positional_norm" in node.name or node.op_type == "InstanceNormalization":
        return "norms, whose means and deviations are sums over many values"
    if node.op_type == "Tanh":
        return "the picture's last step"
    sources = [makers[name].op_type for name in node.input if name in makers]
    if node.op_type == "ReduceL2" or "ReduceL2" in sources or node.name.split("/")[-1].startswith("unit"):
        return "unit lengths, whose 1e-10 float16 takes for zero"
    return "the coarse attention's logits and softmax"
