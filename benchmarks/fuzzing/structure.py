"""Damage that keeps a file's format: archives, arrays, JSON, TOML and the protocol buffers of ONNX."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from random import Random
from typing import Any

from fuzzing.damage import damaged_bytes

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**62, 2**70, -(2**70), 1e308, -1e308, 1e-320, 0.5, float("nan"),
    float("inf"), "", "0", "12", "abc", "\x1b[31mred", "line\nline", "\ud800", "é" * 300, [], [[]], {}, {"a": {}},
    [1, "2", None], "x" * 5000,
)  # fmt: skip
"""What stands in the place of a value; NaN and infinity as Python's JSON writes them."""

_SHAPES = (
    "(1000000000000,)", "(200000000, 18, 3)", "(99999999999999999999,)", "(True, 18, 3)", "(-1, 3)", "(0, 18, 3)",
    "()", "(1, 18, 3", "'abc'", "(2.5, 3)", "(1,)" * 40,
)  # fmt: skip
_TYPES = (
    "'|O'",
    "'<U9'",
    "'<f2'",
    "'>f8'",
    "'<c16'",
    "'|V8'",
    "'<m8[s]'",
    "'|b1'",
    "'<i8'",
    "'nonsense'",
    "[('a', '<f4')]",
)


def damaged_archive(data: bytes, rng: Random) -> bytes:
    """A zip archive with one entry damaged, lost, twice there, renamed, very long or compressed otherwise."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    number = rng.randrange(len(entries))
    name, content = entries[number]
    kind = rng.choice(
        ("content", "content", "content", "header", "header", "lost", "twice", "renamed", "long")
    )
    if kind == "content":
        content = _inside(name, content, rng)
    elif kind == "header":
        content = damaged_array(content, rng) if content[:6] == b"\x93NUMPY" else damaged_bytes(content, rng)
    elif kind == "renamed":
        name = rng.choice(
            ("", "a", "../a", "labels.npy", "keypoints.npy", "x" * 3000, "\x1b[31m.npy", f"{name}.npy")
        )
    elif kind == "long":
        content += bytes(rng.choice((1 << 20, 50 << 20)))
    entries[number] = name, content
    if kind == "lost":
        del entries[number]
    elif kind == "twice":
        entries.append((name, damaged_bytes(content, rng) if content else b""))
    warnings.filterwarnings("ignore", "Duplicate name", UserWarning)  # it is meant
    packed = io.BytesIO()
    small = sum(len(content) for _, content in entries) < 1 << 20
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    method = rng.choice(methods) if small else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(packed, "w", method, compresslevel=1) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name or "empty"), content, method)
    return packed.getvalue()


def _inside(name: str, content: bytes, rng: Random) -> bytes:
    if name.endswith(".json"):
        return damaged_json(content, rng)
    return damaged_bytes(content, rng) if content else content


def damaged_array(data: bytes, rng: Random) -> bytes:
    """A `.npy` whose header states another shape, type or order."""
    change = rng.choice(("shape", "descr", "order", "text"))
    header = data[10 : 10 + int.from_bytes(data[8:10], "little")].decode("latin-1")
    if change == "shape":
        header = re.sub(r"'shape': \([^)]*\)", lambda _: f"'shape': {rng.choice(_SHAPES)}", header)
    elif change == "descr":
        header = re.sub(r"'descr': '[^']*'", lambda _: f"'descr': {rng.choice(_TYPES)}", header)
    elif change == "order":
        header = header.replace(
            "'fortran_order': False", f"'fortran_order': {rng.choice(('True', '7', 'None'))}"
        )
    else:
        header = damaged_bytes(header.encode("latin-1"), rng).decode("latin-1")
    written = header.encode("latin-1", "replace")[:60000]
    return data[:8] + len(written).to_bytes(2, "little") + written + data[10 + len(header) :]


def damaged_json(data: bytes, rng: Random) -> bytes:
    """JSON, or JSON lines, with values replaced, lost, renamed or nested deeply."""
    try:
        lines = [json.loads(data)]
    except ValueError:
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
    for _ in range(rng.choice((1, 1, 2, 4))):
        number = rng.randrange(len(lines))
        lines[number] = _changed(lines[number], rng, rng.choice((0, 1, 2, 3, 5, 8)))
    text = "\n".join(json.dumps(line) for line in lines)
    if rng.random() < 0.05:
        text = "[" * 100_000 + text + "]" * 100_000
    encoded = text.encode("utf-8", "surrogatepass")
    return damaged_bytes(encoded, rng) if rng.random() < 0.1 else encoded


def _changed(value: Any, rng: Random, depth: int) -> Any:
    """`value` with one part, at most `depth` levels down, replaced, lost or renamed."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return rng.choice(STRANGE)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        rest = value[at + 1 :]
        return value[:at] + ([] if rng.random() < 0.15 else [_changed(value[at], rng, depth - 1)]) + rest
    key = rng.choice(list(value))
    found = dict(value)
    if rng.random() < 0.15:
        del found[key]
    elif rng.random() < 0.15:
        found[rng.choice(("", "a", "people", "keypoints", "\x1b[31m"))] = found.pop(key)
    else:
        found[key] = _changed(value[key], rng, depth - 1)
    return found


_TOML_VALUES = (
    "", "nan", "-inf", "1e400", str(2**70), "-1", "0", "true", '"abc"', "[]", "{}", "[1, 2]", "1979-05-27", "'''",
    "[" * 50_000 + "]" * 50_000, "1" * 6000, '"\\u0000"',
)  # fmt: skip


def damaged_toml(data: bytes, rng: Random) -> bytes:
    """Lines whose value is another, doubled, lost, or nested deeply."""
    lines = data.decode().splitlines()
    number = rng.randrange(len(lines))
    name = lines[number].partition("=")[0]
    value = rng.choice(_TOML_VALUES)
    kind = rng.choice(("value", "value", "value", "value", "twice", "lost", "table"))
    if kind == "value":
        lines[number] = f"{name}= {value}"
    elif kind == "twice":
        lines.append(lines[number])
    elif kind == "lost":
        del lines[number]
    else:
        lines.insert(number, rng.choice(("[a]", "[[a]]", "[a.b.c]", "a.b.c = 1", "[", "task = 3", "\x00")))
    return "\n".join(lines).encode()


def damaged_safetensors(data: bytes, rng: Random) -> bytes:
    """A header of JSON with values replaced, or a wrong length before it."""
    length = int.from_bytes(data[:8], "little")
    header = damaged_json(data[8 : 8 + length], rng)
    stated = rng.choice((len(header), len(header), len(header), length, 2**40, 2**63, 0))
    return stated.to_bytes(8, "little") + header + data[8 + length :]


def damaged_onnx(data: bytes, rng: Random) -> bytes:
    """A model with metadata, inputs, weights or nodes changed."""
    import onnx

    model = onnx.load_model_from_string(data)
    graph = model.graph
    kind = rng.choice(
        ("metadata", "metadata", "metadata", "shape", "dims", "lost", "names", "opset", "attribute")
    )
    if kind == "metadata" and model.metadata_props:
        entry = rng.choice(model.metadata_props)
        try:
            changed = _changed(json.loads(entry.value), rng, rng.choice((0, 0, 1, 2)))
        except ValueError:
            changed = rng.choice(STRANGE)
        entry.value = json.dumps(changed)
    elif kind == "shape":
        value = rng.choice([*graph.input, *graph.output])
        for side in value.type.tensor_type.shape.dim:
            if rng.random() < 0.5:
                side.dim_value = rng.choice((0, -1, 1, 7, 1_000_000, 2**62))
    elif kind == "dims" and graph.initializer:
        tensor = rng.choice(graph.initializer)
        if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice((0, -1, 1, 3, 2**31, 2**62))
    elif kind == "lost":
        part = rng.choice((graph.input, graph.output, graph.initializer, graph.node, model.metadata_props))
        if part:
            del part[rng.randrange(len(part))]
    elif kind == "names":
        rng.choice([*graph.input, *graph.output, *graph.node]).name = rng.choice(
            ("", "a", "\x1b[31m", "x" * 5000)
        )
    elif kind == "opset":
        rng.choice(model.opset_import).version = rng.choice((0, 1, 99, 2**40))
    elif kind == "attribute":
        attributes = [each for node in graph.node for each in node.attribute]
        if attributes:
            rng.choice(attributes).i = rng.choice((0, -1, 2**31, 2**62))
    return model.SerializeToString()
