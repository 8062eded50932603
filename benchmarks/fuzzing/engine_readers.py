"""Readers of checkpoints, engines and native libraries."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from fuzzing.damage import damaged_bytes
from fuzzing.reader import ARCHIVE_DAMAGES, Reader, examples
from fuzzing.structure import damaged_onnx, damaged_safetensors


def _checkpoint_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.checkpoint import save_generator, save_published
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    config = GeneratorConfig(3, 16, ngf=2, max_multi=1, n_layers=1, pos_dim=2, prune_dim=2, smooth=0.1)
    generator = Generator(config).eval()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, save in (("a.pth", save_generator), ("p.pth", save_published)):
            save(generator, Path(folder) / name)
            found.append((name, (Path(folder) / name).read_bytes()))
    return found


def _safetensors_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    config = GeneratorConfig(3, 16, ngf=2, max_multi=1, n_layers=1, pos_dim=2, prune_dim=2, smooth=0.1)
    header: dict[str, object] = {}
    data = b""
    for name, tensor in Generator(config).state_dict().items():
        values = tensor.detach().numpy().astype(np.float32)
        end = len(data) + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    return [("a.safetensors", len(text).to_bytes(8, "little") + text + data)]


def _read_checkpoint(path: Path) -> None:
    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.commands.inspect import describe

    describe(path)
    load_generator(path)


def _describe(path: Path) -> None:
    from dynast_deploy.commands.inspect import describe

    describe(path)


def _onnx_seeds() -> list[tuple[str, bytes]]:
    """An engine without most of its weights' bytes would be refused, so a whole one: the smallest that ships."""
    return examples("style.onnx")()


def _load_engine(path: Path) -> None:
    from dynast_deploy.runtime import load_engine

    load_engine(path, "cpu")


def _plan_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.formats.manifest import BatchSizes, Manifest, PlanKind, TensorSpec
    from dynast_deploy.formats.plan import write_plan_file

    cut = TensorSpec("block0.key", "float16", (1, 24, 16))
    picture, condition = (TensorSpec(name, "uint8", (1, 3, 32, 48)) for name in ("exemplar", "condition"))
    image = TensorSpec("image", "uint8", (-1, 3, 32, 48))
    manifest = Manifest(
        PlanKind.TENSORRT, "10.9.0.34", "a GPU", ("8.9",), "fp16", "style", 3, 32, 48, BatchSizes(1, 2, 4), False,
        False, (picture, condition), (cut,), (condition, cut), (image,), (cut.name,), "model.onnx", "0" * 64, "1", "0",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "a.plan"
        write_plan_file(plan, manifest, b"encoder" * 50, b"renderer" * 50)
        return [("a.plan", plan.read_bytes())]


def _read_plan(path: Path) -> None:
    from dynast_deploy.commands.inspect import describe
    from dynast_deploy.formats.plan import read_manifest, read_plans

    describe(path)
    read_manifest(path)
    read_plans(path)


def _library_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.plugins.bindings import library

    name = library.file_name(library.CPU)
    return (
        [(name, (library.FOLDER / name).read_bytes())]
        if (library.FOLDER / name).exists()
        else [(name, b"\x7fELF")]
    )


def _find_library(path: Path) -> None:
    """Whether a library is taken for ours; a damaged one that is must not be executed here."""
    from dynast_deploy.plugins.bindings import library

    library._identifier(path)


READERS = {
    "checkpoints": Reader(_read_checkpoint, _checkpoint_seeds, ARCHIVE_DAMAGES, "torch"),
    "safetensors": Reader(
        _read_checkpoint, _safetensors_seeds, (damaged_safetensors, damaged_bytes), "torch"
    ),
    "onnx": Reader(_describe, _onnx_seeds, (damaged_onnx, damaged_bytes)),
    "onnx-engine": Reader(_load_engine, _onnx_seeds, (damaged_onnx,), "onnxruntime"),
    "plans": Reader(_read_plan, _plan_seeds, ARCHIVE_DAMAGES),
    "libraries": Reader(_find_library, _library_seeds),
}
