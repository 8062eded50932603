"""Prints the interface of TensorRT's Python bindings as a line of JSON: classes, functions, values, and signatures.

Called with stub libraries on LD_LIBRARY_PATH by `tensorrt_api.py`; the argument is the name of the bindings' module.

    {"version": ..., "types": {class: {"bases": [...], "members": {name: member}}}, "module": {name: member},
     "plugin": {name: member}}

A member is {"kind": "method", "calls": [[[parameter, ...], returned type], ...]}, a parameter with a default ending in
"?"; {"kind": "property", "type": ...}, {"kind": "type", "type": ...} or {"kind": "value", "type": ...}.
"""

import contextlib
import importlib
import inspect
import json
import re
import sys

HEAD = re.compile(r"^(?:\d+\. )?([A-Za-z_]\w*)\((.*)\)(?: -> (.*))?$")


def split(text):
    """At the commas that are in no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([<{") - (character in ")]>}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def plain(name):
    """A type as the docstring has it, without its module."""
    return re.sub(r"\b\w+_bindings\.\w+\.", "", name or "None").strip()


def calls(function):
    """Signatures out of a pybind11 docstring; None takes anything."""
    found = []
    for line in (function.__doc__ or "").splitlines():
        head = HEAD.match(line.strip())
        if head is None or head[1] != function.__name__ or head[2].startswith("*args"):
            continue
        names = []
        for part in split(re.sub(r"<[^<>]*>", "0", head[2].replace("->", ""))):
            name = re.match(r"\**\w+", part)
            if name is not None:
                names.append(name[0] + ("?" if "=" in part else ""))
        found.append([names, plain(head[3])])
    return found or [None]


def member(value, owner=None):
    if inspect.isclass(value):
        return {"kind": "type", "type": f"{owner}.{value.__name__}" if owner else value.__name__}
    if isinstance(value, property):
        returned = re.search(r"-> (.*)", (value.fget.__doc__ or "") if value.fget else "")
        return {"kind": "property", "type": plain(returned[1]) if returned else None}
    if callable(value):
        return {"kind": "method", "calls": calls(value)}
    return {"kind": "value", "type": type(value).__qualname__}


def describe_type(value, name, types):
    members = {}
    for key, entry in vars(value).items():
        if key in ("__init__", "__call__") or not key.startswith("_"):
            entry = entry.__func__ if isinstance(entry, staticmethod) else entry
            members[key] = member(entry, name if inspect.isclass(entry) else None)
            if inspect.isclass(entry):
                describe_type(entry, f"{name}.{key}", types)
    types[name] = {"bases": [base.__name__ for base in value.__bases__], "members": members}


def python_member(value):
    """Of TensorRT's plugin module, which is Python."""
    if not callable(value):
        return {"kind": "value", "type": type(value).__qualname__}
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return {"kind": "method", "calls": [None]}
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
        return {"kind": "method", "calls": [None]}
    names = [one.name + ("" if one.default is one.empty else "?") for one in parameters]
    return {"kind": "method", "calls": [[names, "Any"]]}


library = importlib.import_module(sys.argv[1])
types = {}
module = {"__version__": {"kind": "value", "type": "str"}}
for name, value in vars(library).items():
    if not name.startswith("_") and not inspect.ismodule(value):
        module[name] = member(value)
        if inspect.isclass(value):
            describe_type(value, name, types)
# The plugin module knows the library by its installed name.
sys.modules.setdefault("tensorrt", library)
plugin = {}
with contextlib.suppress(ModuleNotFoundError):  # TensorRT-RTX has none
    plugin_module = importlib.import_module(f"{sys.argv[1]}.plugin")
    plugin = {name: python_member(value) for name, value in vars(plugin_module).items() if name[0] != "_"}
# The library's logger writes to standard output too: the JSON is its last line.
print(json.dumps({"version": library.__version__, "types": types, "module": module, "plugin": plugin}))
