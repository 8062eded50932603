"""The form of a half of the model that is fastest on CPUs."""

from __future__ import annotations

import onnx

from dynast_deploy.runtime.onnxrt.cpu_dense import dense_in_one_pass
from dynast_deploy.runtime.onnxrt.cpu_graph import for_cpu, name_nodes
from dynast_deploy.runtime.onnxrt.cpu_layers import channels_last


def form_for_cpus(part: onnx.ModelProto, has_operators: bool, native_layers: bool) -> onnx.ModelProto:
    """A copy of `part` rewritten for CPUs.

    `has_operators`: our operators are there to run attention and, with `native_layers`, layers too.
    """
    fast = onnx.ModelProto()
    fast.CopyFrom(part)
    name_nodes(fast.graph)
    if has_operators and native_layers:
        channels_last(fast.graph)
    for_cpu(fast)
    if has_operators:
        dense_in_one_pass(fast.graph)
    return fast
