"""Whether `model.onnx` is what its metadata says, before anything is computed from either. Needs no PyTorch.

Whatever is read here comes from a file that may be damaged or made by anybody, so every value has a type and a range.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.config import SCALES, GeneratorConfig, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Precision
from dynast_deploy.printable import printable
from dynast_deploy.size import Size

MOST_SIDE = 8192
"""Pixels of a picture's height or width. A frame takes 5 kB of memory for each pixel and more (docs/speed.md)."""
MOST_OF_A_SETTING = 1 << 16
"""Of the generator's whole numbers: channels, layers, matches, pixels."""
LONGEST_TEXT = 200
"""Letters of a version, a SHA-256 or a name of a tensor."""
EXPORT = "export it again: dynast export ckpt.pth"
PICTURE_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16)


class Rule(NamedTuple):
    """What a value of the metadata must fulfil, and how a message says it."""

    holds: Callable[[Any], bool]
    words: str


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def _is_side(value: object) -> bool:
    return _whole(value, 8, MOST_SIDE) and value % 8 == 0  # type: ignore[operator]


def _is_configuration(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    whole = {name: each for name, each in value.items() if name != "smooth"}
    smooth = value.get("smooth", GeneratorConfig.smooth)
    is_number = isinstance(smooth, (int, float)) and not isinstance(smooth, bool)
    if not is_number or not 0 < smooth < math.inf:
        return False
    if not all(_whole(each, 1, MOST_OF_A_SETTING) for each in whole.values()):
        return False
    return "semantic_nc" in value and value.keys() <= {field.name for field in fields(GeneratorConfig)}


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(_is_text(name) and name for name in value) and len(set(value)) == len(value)


_TASKS, _PRECISIONS = [task.value for task in Task], [precision.value for precision in Precision]
RULES = {
    "config": Rule(_is_configuration, "the settings of a generator"),
    "task": Rule(lambda value: value is None or value in _TASKS, f"null or one of {', '.join(_TASKS)}"),
    "height": Rule(_is_side, f"a multiple of 8 in 8..{MOST_SIDE}"),
    "width": Rule(_is_side, f"a multiple of 8 in 8..{MOST_SIDE}"),
    "producer_version": Rule(_is_text, "a version"),
    "source_sha256": Rule(_is_text, "a checksum"),
    "precision": Rule(lambda value: value in _PRECISIONS, f"one of {', '.join(_PRECISIONS)}"),
    "cut_tensors": Rule(_are_names, "a list of the names of tensors"),
}


def metadata_values(texts: dict[str, str], source: str) -> dict[str, Any]:
    """The values behind the metadata's names (without `dynast.`), each of its type and in its range.

    Raises:
        DynastError: Names the entry at fault; for a file without them, says what makes an engine.
    """
    if texts.keys() != RULES.keys():
        raise DynastError(
            f"{source}: not an engine of this project (its `dynast.` metadata is missing or of another version); "
            "make one with: dynast export ckpt.pth"
        )
    values: dict[str, Any] = {}
    for name, rule in RULES.items():
        try:
            values[name] = json.loads(texts[name])
            holds = rule.holds(values[name])
        except (ValueError, TypeError, RecursionError):
            holds = False
        if not holds:
            raise DynastError(
                f"{source}: its metadata `dynast.{name}` is {_shown(texts[name])}, not {rule.words}; {EXPORT}"
            )
    return values


def check_ends(
    graph: onnx.GraphProto, channels: int, size: Size, cut_tensors: list[str], source: str
) -> None:
    """Check that inputs, output and cut tensors of a whole model are what its metadata says.

    Cut tensors have the tokens `L = H/2^k * W/2^k` of a scale.

    Raises:
        DynastError: Where they are not; it names `source`, the file.
    """
    inputs = {value.name: value for value in graph.input}
    outputs = {value.name: value for value in graph.output}
    inner = {value.name: value for value in graph.value_info}
    ends = {"condition": channels, "exemplar": 3, "exemplar_condition": channels}
    for name, wanted in ends.items():
        _check_picture(name, inputs.get(name), wanted, size, f"{source}: its input")
    _check_picture("image", outputs.get("image"), 3, size, f"{source}: its output")
    made = {name for node in graph.node for name in node.output}
    lengths = {size.height * size.width // 4 ** (scale - 1) for scale in SCALES}
    for name in cut_tensors:
        shape = _shape(inner[name]) if name in inner and name in made else None
        if shape is None or len(shape) != 3 or shape[1] not in lengths or not shape[2]:
            raise DynastError(
                f"{source}: its metadata names {_shown(name)} as a cut tensor, and the graph states none of that name "
                f"for pictures of {size.height}x{size.width}; {EXPORT}"
            )


def _check_picture(
    name: str, value: onnx.ValueInfoProto | None, channels: int, size: Size, what: str
) -> None:
    if value is None:
        raise DynastError(f"{what} {name} is missing; {EXPORT}")
    kind = value.type.tensor_type.elem_type
    if kind not in PICTURE_TYPES:
        raise DynastError(f"{what} {name} is {_type_name(kind)}; it must be float32 or float16; {EXPORT}")
    shape, expected = _shape(value), [channels, *size]
    if len(shape) != 4 or shape[1:] != expected or not _is_batch(value.type.tensor_type.shape.dim[0]):
        raise DynastError(
            f"{what} {name} has shape {shape}; its metadata says [N, {', '.join(map(str, expected))}]; {EXPORT}"
        )


def _is_batch(side: onnx.TensorShapeProto.Dimension) -> bool:
    return not side.HasField("dim_value") or 1 <= side.dim_value <= MOST_OF_A_SETTING


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    """The stated sides; 0 for one that is not a fixed number."""
    return [side.dim_value for side in value.type.tensor_type.shape.dim]


def _type_name(kind: int) -> str:
    return TensorProto.DataType.Name(kind).lower() if kind in TensorProto.DataType.values() else str(kind)


def check_parts(model: onnx.ModelProto, source: str) -> None:
    """Check that names are UTF-8, and that tensors have as many values as their shapes say.

    Raises:
        DynastError: Where one of these does not hold; it names `source`, the file.
    """
    if not all(map(_is_utf8, _messages(model))):
        raise DynastError(f"{source}: damaged, or not an ONNX file (a name in it is not UTF-8)")
    for tensor in model.graph.initializer:
        if tensor.HasField("raw_data"):
            check_tensor(tensor, len(tensor.raw_data), source)
        elif tensor.data_location != TensorProto.EXTERNAL:
            try:
                numpy_helper.to_array(tensor)
            except (ValueError, TypeError, KeyError, OverflowError):
                raise DynastError(
                    f"{source}: damaged: its tensor {_shown(tensor.name)} has values that do not fit its shape"
                ) from None


def check_versions(model: onnx.ModelProto, source: str) -> None:
    """Check that the installed package knows the file's version of ONNX and its operators.

    Raises:
        DynastError: Where the file is of a later version; it names `source`, the file.
    """
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    known = onnx.defs.onnx_opset_version()
    if model.ir_version > onnx.IR_VERSION or opset > known:
        raise DynastError(
            f"{source}: is of version {model.ir_version} of the ONNX format with operators of version {opset}; onnx "
            f"{onnx.__version__} here knows them up to {onnx.IR_VERSION} and {known}: pip install --upgrade onnx, or "
            "export it again with this package"
        )


def check_tensor(tensor: onnx.TensorProto, length: int, source: str) -> None:
    """Check that a tensor's shape takes the `length` bytes of raw data that it has.

    Raises:
        DynastError: Where it does not; it names `source`, the file, and the tensor.
    """
    sides, kind = list(tensor.dims), tensor.data_type
    bits = _bits(kind)
    # A side of 0 makes nothing of sides whose product NumPy cannot count.
    is_countable = all(side >= 0 for side in sides) and math.prod(filter(None, sides)) < 2**58
    if not is_countable or bits is None or -(-math.prod(sides) * bits // 8) != length:
        raise DynastError(
            f"{source}: damaged: its tensor {_shown(tensor.name)} has {length} bytes for shape {sides} of "
            f"{_type_name(kind)}"
        )


def check_finite(name: str, array: np.ndarray, source: str) -> None:
    """Check that weights hold neither NaN nor infinite values. `array` may have any shape.

    Raises:
        DynastError: Where they do; it names `source`, the file, and the weights, `name`.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DynastError(
            f"{source}: its weights {_shown(name)} hold NaN or infinite values; the training that gave them diverged, "
            "or the file is damaged: export an earlier checkpoint"
        )


def check_weights(model: onnx.ModelProto, source: str) -> None:
    """`check_finite` for all weights that lie in the model itself.

    Raises:
        DynastError: Where some are not finite; it names `source`, the file.
    """
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL and tensor.data_type in PICTURE_TYPES:
            check_finite(tensor.name, numpy_helper.to_array(tensor), source)


def _bits(kind: int) -> int | None:
    """Of one value; None for types that have no fixed size."""
    if kind in (TensorProto.INT4, TensorProto.UINT4, getattr(TensorProto, "FLOAT4E2M1", -1)):
        return 4
    try:
        item = helper.tensor_dtype_to_np_dtype(kind)
    except KeyError:
        return None
    return None if item.hasobject else int(item.itemsize) * 8


def _is_utf8(message: Message) -> bool:
    try:
        for field, value in message.ListFields():
            if field.type == field.TYPE_STRING:
                texts = [value] if isinstance(value, (str, bytes)) else value
                if any(isinstance(text, bytes) for text in texts):
                    return False
    except UnicodeDecodeError:  # protobuf before version 5
        return False
    return True


def _messages(message: Message) -> Iterator[Message]:
    """The message and all within it, but for what tensors hold."""
    pending = [message]
    while pending:
        current = pending.pop()
        yield current
        for field, value in current.ListFields():
            if field.type == field.TYPE_MESSAGE:
                pending += [value] if isinstance(value, Message) else value


def _shown(value: object) -> str:
    """A value from a file for a message: one line, printable, not long."""
    text = printable(str(value))
    return f"`{text if len(text) <= 40 else f'{text[:37]}...'}`"
