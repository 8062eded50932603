"""Prints the interface of pycuda's driver module and of cuda.bindings' as a line of JSON, in the form of
`describe_tensorrt.py`.

    python describe_pycuda.py pycuda-2026.1/src/wrapper/wrap_cudadrv.cpp

pycuda is C++ that needs a driver to be imported, so it is read off its source, where every function and method is
declared on a line of its own; cuda.bindings (in this environment) states signatures in its docstrings.
"""

import json
import re
import sys
from pathlib import Path

from cuda.bindings import driver

CLASS = re.compile(r'py::class_<.*?>\s*\(\s*"(\w+)"', re.DOTALL)
METHOD = re.compile(r'\.(?:def\("(\w+)"|DEF_SIMPLE_METHOD(?:_WITH_ARGS)?\((\w+))')
PROPERTY = re.compile(r'\.add_property\("(\w+)"')
FUNCTION = re.compile(r'(?:py::def\("(\w+)"|DEF_SIMPLE_FUNCTION(?:_WITH_ARGS)?\((\w+))')
ENUM = re.compile(r'py::enum_<\w+>\("(\w+)"\)(.*?);', re.DOTALL)
EXCEPTION = re.compile(r"DECLARE_EXC\((\w+),")
RETURNED = {("Device", "retain_primary_context"): "Context", (None, "mem_alloc"): "DeviceAllocation"}


def method(owner, name):
    return {
        "kind": "method",
        "calls": [None],
        **({"type": RETURNED[owner, name]} if (owner, name) in RETURNED else {}),
    }


def pycuda(text):
    types, module = {}, {}
    starts = [(found.start(), found[1]) for found in CLASS.finditer(text)]
    for (start, name), (end, _) in zip(starts, [*starts[1:], (len(text), None)], strict=True):
        body = text[start : text.find(";\n", start) if text.find(";\n", start) < end else end]
        members = {a or b: method(name, a or b) for a, b in METHOD.findall(body)}
        members |= {found: {"kind": "property", "type": "int"} for found in PROPERTY.findall(body)}
        types[name] = {"bases": [], "members": members}
        module[name] = {"kind": "type", "type": name}
    for name, body in ENUM.findall(text):
        values = re.findall(r'\.value\("(\w+)"', body)
        types[name] = {"bases": [], "members": {value: {"kind": "value", "type": name} for value in values}}
        module[name] = {"kind": "type", "type": name}
    for a, b in FUNCTION.findall(text):
        module[(a or b).removeprefix("py_")] = method(None, a or b)
    for name in EXCEPTION.findall(text):
        module[name] = {"kind": "value", "type": "Exception"}
    return {"types": types, "module": module}


def bindings():
    types, module = {}, {}
    for name, value in vars(driver).items():
        if isinstance(value, type) and hasattr(value, "__members__"):
            members = {member: {"kind": "value", "type": name} for member in value.__members__}
            types[name] = {"bases": [], "members": members}
            module[name] = {"kind": "type", "type": name}
        elif callable(value) and name.startswith("cu"):
            head = re.match(rf"{name}\((.*?)\)", value.__doc__ or "")
            names = [re.findall(r"\w+", part)[-1] for part in head[1].split(",")] if head and head[1] else []
            if head and ":" in head[1]:
                names = [
                    re.match(r".*?(\w+)(?=:|$)", part.strip().split(":")[0])[1] for part in head[1].split(",")
                ]
            module[name] = {"kind": "method", "calls": [[names, "tuple"]] if head else [None]}
    return {"types": types, "module": module}


print(json.dumps({"pycuda": pycuda(Path(sys.argv[1]).read_text()), "bindings": bindings()}))
