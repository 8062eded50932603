"""Where a frame's time goes: ONNX Runtime's profile, added up by what the operators are there for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

STAGE_OF_OPERATOR = {
    "Conv": "convolutions",
    "FusedConv": "convolutions",
    "ReorderInput": "layout of convolutions",
    "ReorderOutput": "layout of convolutions",
    "Pad": "reflected borders",
    "Resize": "upsampling",
    "InstanceNormalization": "instance norms",
    "InterScaleAttention": "sparse attention",
    "InnerScaleAttention": "sparse attention",
    "DenseAttention": "coarse attention",
    "MatMul": "projections",
    "FusedMatMul": "projections",
    "Gemm": "projections",
    "Transpose": "tokens and maps",
    "Split": "tokens and maps",
    "Slice": "tokens and maps",
    "ReduceL2": "unit length",
}
OTHER = "modulation, sums, activations"
STAGE_OF_LAYER = {
    "Convolution": "convolutions",
    "InstanceNorm": "instance norms",
    "Upsampling": "upsampling",
    "Modulation": OTHER,
    "Fusion": OTHER,
}
"""Our layers' operators (`runtime/onnxrt/cpu_layers.py`), norms, borders and activations with them."""
COARSE_ATTENTION = {
    "scaled",
    "logits",
    "prune_logits",
    "Softmax",
    "Greater",
    "mask",
    "kept",
    "attended",
    "confidence",
    "TopK",
    "matches",
}
"""Names of the dense layers' nodes within their block, see `export.network`."""


@dataclass(frozen=True)
class StageTime:
    """One row of the table: milliseconds a frame, and share of the frame's sum."""

    name: str
    milliseconds: float
    share: float
    nodes: int


def stage_of(operator: str, node: str) -> str:
    """The stage of a node by its operator and name, which starts with the checkpoint's module."""
    if operator in STAGE_OF_LAYER:
        return STAGE_OF_LAYER[operator]
    module, *rest = node.split("/")
    if "positional_norm" in rest:
        return "positional norms"
    if "ScaleAttention" in node:  # of a function body
        return "sparse attention"
    if module.startswith("transformer_4.") and rest and rest[0] in COARSE_ATTENTION:
        return "coarse attention"
    return STAGE_OF_OPERATOR.get(operator, OTHER)


def stage_times(profile: Path, skip: int = 1) -> list[StageTime]:
    """Longest first, from a profile that ONNX Runtime wrote; its first `skip` frames warm up and do not count."""
    events = json.loads(profile.read_text())
    starts = sorted(event["ts"] for event in events if event["name"] == "model_run")
    counted = len(starts) - skip
    milliseconds: Counter[str] = Counter()
    nodes: Counter[str] = Counter()
    for event in events:
        name = event["name"]
        if event["cat"] != "Node" or not name.endswith("_kernel_time") or event["ts"] < starts[skip]:
            continue
        stage = stage_of(event["args"]["op_name"], name.removesuffix("_kernel_time"))
        milliseconds[stage] += event["dur"] / 1000 / counted
        nodes[stage] += 1
    total = sum(milliseconds.values())
    return [
        StageTime(stage, spent, spent / total, nodes[stage] // counted)
        for stage, spent in milliseconds.most_common()
    ]
