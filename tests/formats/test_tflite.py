"""TensorFlow Lite networks as ONNX models: every operator against plain numpy, at sizes that do not divide evenly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("flatbuffers", reason="flatbuffers writes the files; ONNX Runtime brings it")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the models")

from tflite_files import FileOperator, FileTensor, SparseLevel, tflite_file  # noqa: E402

from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.formats.tflite import onnx_of_tflite  # noqa: E402
from dynast_deploy.formats.tflite.graph import Operation, read_graph  # noqa: E402

RANDOM = np.random.default_rng(7)
PICTURE = RANDOM.normal(size=(1, 7, 5, 4)).astype(np.float32)
SAME, VALID = 0, 1
RELU, RELU6 = 1, 3


def run(data: bytes, picture: np.ndarray = PICTURE) -> list[np.ndarray]:
    model = onnx_of_tflite(data, "net.tflite").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: picture}))


def one_operator(
    operation: Operation,
    shape: tuple[int, ...],
    *constants: np.ndarray,
    options: dict[int, tuple[str, int]] | None = None,
    picture: np.ndarray = PICTURE,
) -> np.ndarray:
    """What a network of one operator makes of `picture` and the constants; `shape` is the result's."""
    tensors = [
        FileTensor(picture.shape),
        *(FileTensor(each.shape, each) for each in constants),
        FileTensor(shape),
    ]
    last = len(tensors) - 1
    operator = FileOperator(operation, range(last), [last], options or {})
    (result,) = run(tflite_file(tensors, [operator], [0], [last]), picture)
    assert result.shape == shape
    return result


def same_padded(picture: np.ndarray, kernel: int, stride: int, fill: float) -> np.ndarray:
    margins = []
    for length in picture.shape[1:3]:
        extra = max(0, (-(-length // stride) - 1) * stride + kernel - length)
        margins.append((extra // 2, extra - extra // 2))
    return np.pad(picture, ((0, 0), *margins, (0, 0)), constant_values=fill)


def windows(picture: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """[h, w, kernel, kernel, C]"""
    view = np.lib.stride_tricks.sliding_window_view(picture[0], (kernel, kernel), axis=(0, 1))
    return view[::stride, ::stride].transpose(0, 1, 3, 4, 2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("activation", "limit"), [(0, None), (RELU, np.inf), (RELU6, 6)])
def test_convolutions(stride: int, activation: int, limit: float | None) -> None:
    kernel = 3 * RANDOM.normal(size=(6, 3, 3, 4)).astype(np.float32)
    bias = RANDOM.normal(size=6).astype(np.float32)
    seen = windows(same_padded(PICTURE, 3, stride, 0), 3, stride)
    expected = np.einsum("hwijc,oijc->hwo", seen, kernel) + bias
    if limit is not None:
        expected = np.clip(expected, 0, limit)
    options = {0: ("b", SAME), 1: ("i", stride), 2: ("i", stride), 3: ("b", activation)}
    result = one_operator(Operation.CONV_2D, (1, *expected.shape), kernel, bias, options=options)
    np.testing.assert_allclose(result[0], expected, atol=1e-4)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_convolutions(multiplier: int) -> None:
    kernel = RANDOM.normal(size=(1, 3, 3, 4 * multiplier)).astype(np.float32)
    bias = RANDOM.normal(size=4 * multiplier).astype(np.float32)
    each = kernel[0].reshape(3, 3, 4, multiplier)
    expected = np.einsum("hwijc,ijcm->hwcm", windows(PICTURE, 3, 1), each).reshape(5, 3, -1) + bias
    options = {
        0: ("b", VALID), 1: ("i", 1), 2: ("i", 1), 3: ("i", multiplier), 4: ("b", RELU), 5: ("i", 1), 6: ("i", 1)
    }  # fmt: skip
    result = one_operator(
        Operation.DEPTHWISE_CONV_2D, (1, 5, 3, 4 * multiplier), kernel, bias, options=options
    )
    np.testing.assert_allclose(result[0], np.maximum(expected, 0), atol=1e-4)


def test_pooling() -> None:
    options = {0: ("b", SAME), 1: ("i", 2), 2: ("i", 2), 3: ("i", 2), 4: ("i", 2)}
    expected = windows(same_padded(PICTURE, 2, 2, -np.inf), 2, 2).max(axis=(2, 3))
    result = one_operator(Operation.MAX_POOL_2D, (1, 4, 3, 4), options=options)
    np.testing.assert_array_equal(result[0], expected)


CHANNELS = RANDOM.normal(size=4).astype(np.float32)


@pytest.mark.parametrize(
    ("operation", "constants", "expected"),
    [
        (Operation.ADD, [CHANNELS], PICTURE + CHANNELS),
        (Operation.MUL, [PICTURE], PICTURE * PICTURE),
        (Operation.RELU, [], np.maximum(PICTURE, 0)),
        (Operation.LOGISTIC, [], 1 / (1 + np.exp(-PICTURE))),
        (Operation.PRELU, [CHANNELS.reshape(1, 1, 4)], np.where(PICTURE > 0, PICTURE, PICTURE * CHANNELS)),
        (Operation.RESHAPE, [np.array([1, 35, 4], np.int32)], PICTURE.reshape(1, 35, 4)),
        (Operation.RESHAPE, [np.array([1, 5, 14, 2], np.int32)], PICTURE.reshape(1, 5, 14, 2)),
        (
            Operation.PAD,
            [np.array([[0, 0], [1, 2], [0, 3], [2, 0]], np.int32)],
            np.pad(PICTURE, ((0, 0), (1, 2), (0, 3), (2, 0))),
        ),
    ],
    ids=["add", "mul", "relu", "logistic", "prelu", "reshape to 3-D", "reshape to 4-D", "pad"],
)
def test_simple_operators(operation: Operation, constants: list[np.ndarray], expected: np.ndarray) -> None:
    result = one_operator(operation, expected.shape, *constants)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def test_concatenation_along_channels_and_rows() -> None:
    for axis in (1, 3, -1):
        expected = np.concatenate([PICTURE, PICTURE], axis)
        result = one_operator(Operation.CONCATENATION, expected.shape, PICTURE, options={0: ("i", axis)})
        np.testing.assert_array_equal(result, expected)


def test_channels_become_blocks_of_pixels() -> None:
    expected = PICTURE[0].reshape(7, 5, 2, 2, 1).transpose(0, 2, 1, 3, 4).reshape(1, 14, 10, 1)
    result = one_operator(Operation.DEPTH_TO_SPACE, expected.shape, options={0: ("i", 2)})
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({2: ("b", 0), 3: ("b", 1)}, lambda i: np.clip((i + 0.5) / 2 - 0.5, 0, 6)),
        ({2: ("b", 1), 3: ("b", 0)}, lambda i: i * 6 / 13),
        ({2: ("b", 0), 3: ("b", 0)}, lambda i: np.clip(i / 2, 0, 6)),
    ],
    ids=["half pixels", "aligned corners", "plain"],
)
def test_bilinear_resizing(
    options: dict[int, tuple[str, int]], place: Callable[[np.ndarray], np.ndarray]
) -> None:
    ramp = np.arange(7, dtype=np.float32).reshape(1, 7, 1, 1) * np.ones((1, 7, 5, 1), np.float32)
    size = np.array([14, 10], np.int32)
    result = one_operator(Operation.RESIZE_BILINEAR, (1, 14, 10, 1), size, options=options, picture=ramp)
    expected = np.minimum(place(np.arange(14)), 6)
    np.testing.assert_allclose(result[0, :, 3, 0], expected, atol=1e-5)


def test_constants_of_16_bits_become_float32() -> None:
    half = CHANNELS.astype(np.float16)
    tensors = [FileTensor(PICTURE.shape), FileTensor([4], half), FileTensor([4]), FileTensor(PICTURE.shape)]
    operators = [FileOperator(Operation.DEQUANTIZE, [1], [2]), FileOperator(Operation.ADD, [0, 2], [3])]
    (result,) = run(tflite_file(tensors, operators, [0], [3]))
    np.testing.assert_allclose(result, PICTURE + half.astype(np.float32), rtol=1e-6)


SPARSE = np.array([[1, 0, 0, 2], [0, 0, 3, 0], [0, 0, 0, 0], [0, 4, 0, 0]], np.float32)


def sparse_file(tensor: FileTensor) -> bytes:
    tensors = [FileTensor([4, 4]), tensor, FileTensor([4, 4]), FileTensor([4, 4])]
    operators = [FileOperator(Operation.DENSIFY, [1], [2]), FileOperator(Operation.ADD, [0, 2], [3])]
    return tflite_file(tensors, operators, [0], [3])


BY_ROWS = FileTensor(
    [4, 4],
    np.array([1, 2, 3, 4], np.float32),
    order=[0, 1],
    levels=[SparseLevel(4), SparseLevel(segments=[0, 2, 3, 3, 4], indices=[0, 3, 2, 1])],
)
BY_COLUMNS = FileTensor(
    [4, 4],
    np.array([1, 4, 3, 2], np.float32),
    order=[1, 0],
    levels=[SparseLevel(4), SparseLevel(segments=[0, 1, 2, 3, 4], indices=[0, 3, 1, 0])],
)
BY_BLOCKS = FileTensor(  # blocks of 2 x 2: three of the four are stored
    [4, 4],
    np.array([1, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 4], np.float32),
    order=[0, 1, 2, 3],
    blocks=[0, 1],
    levels=[
        SparseLevel(2),
        SparseLevel(segments=[0, 2, 3], indices=[0, 1, 0]),
        SparseLevel(2),
        SparseLevel(2),
    ],
)


@pytest.mark.parametrize("tensor", [BY_ROWS, BY_COLUMNS, BY_BLOCKS], ids=["rows", "columns", "blocks"])
def test_sparse_constants_are_filled_up(tensor: FileTensor) -> None:
    (result,) = run(sparse_file(tensor), np.zeros((4, 4), np.float32))
    np.testing.assert_array_equal(result, SPARSE)


def test_what_is_not_supported_is_named() -> None:
    tensors = [FileTensor([1, 2]), FileTensor([1, 2])]
    with pytest.raises(DynastError, match=r"net\.tflite: operator 40 of TensorFlow Lite is not supported"):
        read_graph(tflite_file(tensors, [FileOperator(40, [0], [1])], [0], [1]), "net.tflite")
    with pytest.raises(DynastError, match="not a TensorFlow Lite model"):
        read_graph(b"PK\x03\x04 no model", "net.tflite")
    huge = [FileTensor([1, 1 << 20, 1 << 10]), FileTensor([1, 2])]
    with pytest.raises(DynastError, match=r"damaged .*tensor0"):
        read_graph(tflite_file(huge, [FileOperator(Operation.RELU, [0], [1])], [0], [1]), "net.tflite")


def test_damaged_files_are_one_line() -> None:
    """Cut anywhere, or with bytes changed: a DynastError, or a model all the same."""
    whole = sparse_file(BY_BLOCKS)
    broken = [whole[:length] for length in range(0, len(whole), 5)]
    for _ in range(400):
        changed = bytearray(whole)
        for place in RANDOM.integers(8, len(whole), 3):
            changed[place] = RANDOM.integers(256)
        broken.append(bytes(changed))
    refused = 0
    for data in broken:
        try:
            onnx_of_tflite(data, "net.tflite")
        except DynastError:
            refused += 1
    assert refused > len(broken) / 4
