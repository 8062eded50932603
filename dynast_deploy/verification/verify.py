"""The same frames through an engine, ONNX Runtime and PyTorch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of
from dynast_deploy.formats.onnx_model import ModelMetadata, sha256
from dynast_deploy.formats.onnx_reader import read_graph
from dynast_deploy.formats.precision import Precision
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.frames.read_frames import read_data
from dynast_deploy.frames.request import FrameRequest
from dynast_deploy.progress import Progress
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.engine import EncodedExemplar, Engine, ShowsExemplars
from dynast_deploy.verification.exemplar_tensors import ExemplarTensorErrors
from dynast_deploy.verification.matches import MatchDifferences, match_reader
from dynast_deploy.verification.picture_errors import PictureErrors

ENGINE, ONNX, CHECKPOINT = "engine", "ONNX Runtime", "PyTorch"


@dataclass(frozen=True)
class VerificationRequest:
    """engine: the file to be verified; onnx: what it was made from; checkpoint: what that was exported from.

    target: dB instead of those of the engine's precision. stages: compare what lies between the halves, and matches.
    """

    engine: Path
    onnx: Path
    data: FrameRequest
    checkpoint: Path | None = None
    target: float | None = None
    stages: bool = False


def verify(request: VerificationRequest) -> dict[str, Any]:
    """A document for `show`; its `verdict` begins with "passed" or "failed".

    Data without a name are those that ship for the task.

    Raises:
        DynastError: A file cannot be read or run, or files and data do not fit together.
    """
    info = ModelMetadata.read(read_graph(request.onnx), str(request.onnx))
    precision = _check_origin(request, info)
    wanted = request.data if request.data.data else replace(request.data, data=_shipped(info, request.onnx))
    data = read_data(wanted, info, str(request.onnx))
    # The reference runs on the CPU, in float32 sums, whatever the engine runs on.
    with ExitStack() as stack:
        engines = {
            ENGINE: stack.enter_context(load_engine(request.engine)),
            ONNX: stack.enter_context(load_engine(request.onnx, "cpu")),
        }
        if request.checkpoint is not None:
            engines[CHECKPOINT] = stack.enter_context(load_engine(request.checkpoint, "cpu"))
        _check_sizes(engines)
        pictures, tensors = _compare(engines, data, request.stages)
    target = request.target if request.target is not None else precision.target_psnr
    found = pictures[ENGINE, ONNX]
    document: dict[str, Any] = {
        "engine": str(request.engine),
        "runs_on": f"{engines[ENGINE].info.backend}, {engines[ENGINE].info.device}",
        "precision": precision,
        "frames": f"{len(data)} of {data.source}, {data.exemplar_count} exemplars",
        "pictures": [errors.row(f"{a} and {b}") for (a, b), errors in pictures.items()],
    }
    if request.stages:
        if tensors is not None:
            document["exemplar_tensors"] = tensors.table()
        document["differing_matches"] = _matches(request, data)
    passed = found.worst >= target
    document["verdict"] = (
        f"{'passed' if passed else 'failed'}: {found.worst:.1f} dB in the frame that differs most, {target:g} dB asked"
    )
    return document


def _shipped(info: ModelMetadata, onnx: Path) -> str:
    """The name of the data that ship for the model's task.

    Raises:
        DynastError: The model has no task, or PyTorch, which draws the data, is not installed.
    """
    if info.task is None:
        raise DynastError(f"{onnx}: no data ship for it; name your own: --data VIDEO --exemplar PICTURE")
    try:
        from dynast_deploy.tasks.training_data import SHIPPED
    except ImportError:
        raise DynastError(
            "the data that ship need PyTorch; name your own: --data VIDEO --exemplar PICTURE, or pip install torch"
        ) from None
    return SHIPPED[Task(info.task)]


def _check_origin(request: VerificationRequest, info: ModelMetadata) -> Precision:
    """The engine's precision.

    Raises:
        DynastError: The engine was made from another ONNX file.
    """
    kind = kind_of(request.engine)
    if kind is FileKind.PLAN:
        from dynast_deploy.formats.plan import read_manifest

        manifest = read_manifest(request.engine)
        if manifest.source_sha256 != sha256(request.onnx):
            raise DynastError(
                f"{request.engine} was built from another file than {request.onnx} (it was {manifest.source} then); "
                "name that file by --onnx, or build the engine again"
            )
        return manifest.precision
    if kind is FileKind.ONNX:
        other = ModelMetadata.read(read_graph(request.engine), str(request.engine))
        if other.source_sha256 != info.source_sha256:
            raise DynastError(
                f"{request.engine} and {request.onnx} were exported from different checkpoints; name files of one"
            )
        return other.precision
    return Precision.FP32


def _check_sizes(engines: dict[str, Engine]) -> None:
    sizes = {
        name: (engine.info.channels, engine.info.height, engine.info.width)
        for name, engine in engines.items()
    }
    reference = sizes[ONNX]
    for name, size in sizes.items():
        if size != reference:
            raise DynastError(
                f"{engines[name].info.source} takes conditions of {_shape(size)} and {engines[ONNX].info.source} of "
                f"{_shape(reference)}; they are not of one network"
            )


def _shape(size: tuple[int, int, int]) -> str:
    return f"{size[0]} channels at {size[1]}x{size[2]}"


def _compare(
    engines: dict[str, Engine],
    data: CalibrationData,
    with_stages: bool,
) -> tuple[dict[tuple[str, str], PictureErrors], ExemplarTensorErrors | None]:
    pictures = {pair: PictureErrors() for pair in combinations(engines, 2)}
    readable = [engine for engine in (engines[ENGINE], engines[ONNX]) if isinstance(engine, ShowsExemplars)]
    tensors = ExemplarTensorErrors() if with_stages and len(readable) == 2 else None
    encoded: dict[str, EncodedExemplar] = {}
    current = -1
    with Progress("verify", len(data)) as progress:
        for exemplar, condition in data.frames():
            if exemplar != current:
                current = exemplar
                encoded = {
                    name: engine.encode_exemplar(*data.exemplar(exemplar)) for name, engine in engines.items()
                }
                if tensors is not None:
                    found, expected = (
                        engine.exemplar_tensors(encoded[name])
                        for name, engine in zip((ENGINE, ONNX), readable, strict=True)
                    )
                    tensors.add(found, expected)
            images = {name: engine.render(encoded[name], condition)[0] for name, engine in engines.items()}
            for (first, second), errors in pictures.items():
                errors.add(images[first], images[second])
            progress.advance(1)
    return pictures, tensors


def _matches(request: VerificationRequest, data: CalibrationData) -> list[dict[str, Any]] | str:
    """A row for each two files that show their matches: shares of queries whose best match differs."""
    files = {ENGINE: request.engine, ONNX: request.onnx, CHECKPOINT: request.checkpoint}
    readers = {name: match_reader(path) for name, path in files.items() if path is not None}
    shown = {name: reader for name, reader in readers.items() if reader is not None}
    if len(shown) < 2:
        return "a plan keeps its matches to itself; --checkpoint compares the ONNX file's"
    found = {pair: MatchDifferences() for pair in combinations(shown, 2)}
    for exemplar, condition in data.frames():
        inputs = _floats(condition), *map(_floats, data.exemplar(exemplar))
        best = {name: reader.best(*inputs) for name, reader in shown.items()}
        for (first, second), errors in found.items():
            errors.add(best[first], best[second])
    return [{"compared": f"{a} and {b}", **errors.table()} for (a, b), errors in found.items()]


def _floats(array: np.ndarray) -> np.ndarray:
    return array if array.dtype != np.uint8 else np.divide(array, 255, dtype=np.float32)
