"""Runs the TensorRT plugin's Python code with shapes of its own instead of a network's; prints what it gave as JSON.

Called with stub libraries on LD_LIBRARY_PATH by test_plugins_tensorrt.py; standard input has a list of layers.
"""

import json
import re
import sys

try:
    import tensorrt
except ImportError:  # the bindings by themselves go by this name
    import tensorrt_bindings as tensorrt

    sys.modules["tensorrt"] = tensorrt
    import tensorrt_bindings.plugin

    sys.modules["tensorrt.plugin"] = tensorrt_bindings.plugin
    for name, module in list(sys.modules.items()):
        if name.startswith("tensorrt_bindings."):
            sys.modules[name.replace("tensorrt_bindings", "tensorrt", 1)] = module

import tensorrt.plugin as trtp
from tensorrt.plugin._lib import QDP_REGISTRY
from tensorrt.plugin._tensor import SymIntExpr

from dynast_deploy.plugins import tensorrt_plugin

OPERATIONS = {
    "SUM": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "PROD": lambda a, b: a * b,
    "FLOOR_DIV": lambda a, b: a // b,
    "CEIL_DIV": lambda a, b: -(-a // b),
    "MAX": max,
    "MIN": min,
    "EQUAL": lambda a, b: int(a == b),
    "LESS": lambda a, b: int(a < b),
}


class Dimension(tensorrt.IDimensionExpr):
    """A number in the place of TensorRT's symbolic one."""

    def is_constant(self):
        return True

    def get_constant_value(self):
        return self.number


def dimension(number):
    result = Dimension.__new__(Dimension)
    result.number = number
    return result


class Builder:
    def constant(self, number):
        return dimension(number)

    def operation(self, operation, a, b):
        return dimension(OPERATIONS[operation.name](a.number, b.number))


def tensor(shape, dtype):
    return trtp.from_shape_expr(tuple(trtp.ShapeExpr(dimension(n)) for n in shape), dtype)


def numbers(expressions):
    return [expression._expr.number for expression in expressions]


def drive(layer):
    dtype = getattr(tensorrt, layer["dtype"])
    plugin = QDP_REGISTRY[f"dynast::{layer['operator']}"]
    inputs = [tensor(shape, dtype) for shape in layer["shapes"][:5]] + [
        tensor(layer["shapes"][5], tensorrt.int32)
    ]
    attributes = [layer["attributes"][n] for n in ("query_width", "key_width", "top_k", "temperature")]
    outputs = plugin.register_func(*inputs, *attributes)
    combinations = plugin.autotune_func(*inputs, *attributes, outputs)
    name, ptx, launch, arguments = plugin.aot_impl_func(*inputs, *attributes, outputs, layer["tactic"])
    entry = re.search(r"\.entry (\w+)\(([^)]*)\)", ptx.decode())
    sizes = ("grid_x", "grid_y", "grid_z", "block_x", "block_y", "block_z", "shared_mem")
    return {
        "outputs": [[numbers(output.shape_expr), output.dtype.name] for output in outputs],
        "kernel": name,
        "entry": entry[1],
        "parameters": re.findall(r"\.param (\.\w+)", entry[2]),
        "entries": ptx.count(b".entry"),
        "launch": numbers(getattr(launch, size) for size in sizes),
        "arguments": numbers(arguments),
        "types": [type(argument).__name__ for argument in arguments],
        "tactics": [list(combination._tactics) for combination in combinations],
    }


tensorrt_plugin.register_plugins(lazy=True)
SymIntExpr._exprBuilder = Builder()
json.dump(
    {"version": tensorrt.__version__, "layers": [drive(layer) for layer in json.load(sys.stdin)]}, sys.stdout
)
