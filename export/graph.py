"""A small writer of ONNX graphs: one method per kind of layer, names that stay readable in Netron and in profiles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Graph:
    """Nodes and constants in the order in which they were added. Tensors are known by name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.value_info: dict[str, onnx.ValueInfoProto] = {}
        self._scope: list[str] = []
        self._taken: set[str] = set()
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names within are prefixed by `name`."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def unique(self, name: str) -> str:
        """A name that no node or tensor has yet: `name` inside the current scope, with a number where that is taken."""
        full = candidate = "/".join([*self._scope, name])
        number = 1
        while candidate in self._taken:
            number += 1
            candidate = f"{full}_{number}"
        self._taken.add(candidate)
        return candidate

    def op(
        self,
        op_type: str,
        *inputs: str,
        name: str | None = None,
        outputs: Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node; returns its first output. `outputs` names them all, exactly as written."""
        node_name = self.unique(name or op_type)
        outputs = list(outputs) if outputs is not None else [node_name]
        self._taken.update(outputs)
        node = helper.make_node(op_type, list(inputs), outputs, name=node_name, domain=domain, **attributes)
        self.nodes.append(node)
        return outputs[0]

    def split(self, x: str, sizes: Sequence[int], axis: int, name: str = "split") -> list[str]:
        """Add a node that cuts `x` along `axis` into parts of these sizes; returns their names."""
        node_name = self.unique(name)
        outputs = [f"{node_name}.{index}" for index in range(len(sizes))]
        self.op("Split", x, self.constant(sizes), name=name, outputs=outputs, axis=axis)
        return outputs

    def constant(self, values: Any, name: str = "constant", dtype: Any = None) -> str:
        """A constant tensor; integers are int64 and reals float32 unless `dtype` says otherwise."""
        array = np.asarray(values)
        if dtype is None:
            dtype = np.float32 if array.dtype.kind == "f" else np.int64
        array = np.ascontiguousarray(array, dtype)
        identity = (array.dtype.str, array.shape, array.tobytes())
        if identity not in self._shared:
            full = self.unique(name)
            self.initializers[full] = numpy_helper.from_array(array, full)
            self._shared[identity] = full
        return self._shared[identity]

    def conv3x3(
        self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str, stride: int = 1
    ) -> str:
        """A 3x3 convolution whose input `x` already carries a border of one pixel (`reflected`).

        weight `[O, C, 3, 3]`, bias `[O]`; returns the name of the result.
        """
        inputs = (self.constant(weight, f"{name}.weight"), self.constant(bias, f"{name}.bias"))
        return self.op("Conv", x, *inputs, name=name, kernel_shape=[3, 3], strides=[stride, stride])

    def state_channels(self, x: str, channels: int) -> None:
        """Write into the file that `x` is float32 `[N, channels, H, W]`."""
        shape = (None, channels, None, None)
        self.value_info[x] = helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, shape)

    def reflected(self, x: str) -> str:
        """`x` `[N, C, H, W]` with a border of one reflected pixel."""
        return self.op("Pad", x, self.constant([0, 0, 1, 1, 0, 0, 1, 1]), name="reflect", mode="reflect")

    def reshape(self, x: str, shape: Sequence[int], name: str = "reshape") -> str:
        """Add a node that gives `x` another shape; -1 and 0 mean what they do in ONNX."""
        return self.op("Reshape", x, self.constant(shape), name=name)

    def transpose(self, x: str, *permutation: int) -> str:
        """Add a node that permutes the axes of `x`."""
        return self.op("Transpose", x, name="transpose", perm=list(permutation))
