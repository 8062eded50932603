"""Damaged checkpoints, bundles and settings: whatever byte is wrong, one line says so and nothing else happens."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from plan_manifest import MANIFEST  # noqa: E402
from safetensors_bytes import safetensors_bytes  # noqa: E402

from dynast_deploy.checkpoint import load_generator  # noqa: E402
from dynast_deploy.commands.inspect import describe  # noqa: E402
from dynast_deploy.commands.show import plain_lines  # noqa: E402
from dynast_deploy.config import GeneratorConfig  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.formats.plan import write_plan_file  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402

CONFIG = GeneratorConfig(
    semantic_nc=3, crop_size=16, ngf=2, max_multi=1, n_layers=1, pos_dim=1, prune_dim=1, top_k=2
)
MUTANTS = 40
"""Of each kind of file."""


def checkpoint() -> bytes:
    torch.manual_seed(0)
    stream = io.BytesIO()
    generator = Generator(CONFIG)
    contents = {"format": "dynast-deploy", "version": 1, "config": CONFIG.to_dict(), "step": 3}
    torch.save(contents | {"generator": generator.state_dict()}, stream)
    return stream.getvalue()


def legacy() -> bytes:
    torch.manual_seed(0)
    stream = io.BytesIO()
    torch.save({"state_dict": Generator(CONFIG).state_dict()}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def safetensors() -> bytes:
    torch.manual_seed(0)
    return safetensors_bytes(Generator(CONFIG).state_dict())


def plan(folder: Path) -> bytes:
    write_plan_file(folder / "whole.plan", MANIFEST, b"encoder", b"renderer")
    return (folder / "whole.plan").read_bytes()


def mutant(whole: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or cut off, most of them where the structure of the file is."""
    content = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if len(content) < 64:
            return bytes(content)
        front = chance.random() < 0.5
        at = chance.randrange(min(len(content), 6000)) if front else chance.randrange(len(content))
        kind = chance.randrange(6)
        if kind < 3:
            content[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256), content[at] ^ 1))
        elif kind == 3:
            del content[at : at + chance.choice((1, 4, 100))]
        elif kind == 4:
            content[at:at] = content[at : at + chance.choice((1, 8, 64))]
        elif chance.random() < 0.2:
            del content[at:]
    return bytes(content)


def pickle_mutant(whole: bytes, chance: random.Random) -> bytes:
    """The archive whole and its checksums right, only the description of what it holds changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                data = mutant(data, chance)
            new.writestr(entry.filename, data)
    return stream.getvalue()


def kinds(folder: Path) -> dict[str, Callable[[random.Random], bytes]]:
    whole, old, tensors, bundle = checkpoint(), legacy(), safetensors(), plan(folder)
    return {
        "archive": lambda chance: mutant(whole, chance),
        "pickle": lambda chance: pickle_mutant(whole, chance),
        "legacy": lambda chance: mutant(old, chance),
        "safetensors": lambda chance: mutant(tensors, chance),
        "plan": lambda chance: mutant(bundle, chance),
    }


def attempt(path: Path) -> None:
    """Everything that reads it may refuse it in one line; any other error fails the test."""
    for read in (describe, load_generator):
        try:
            found = read(path)
        except DynastError:
            continue
        if isinstance(found, dict):
            assert all(line.isprintable() for line in plain_lines(found))


@pytest.mark.parametrize("kind", ["archive", "pickle", "legacy", "safetensors", "plan"])
def test_no_mutant_gets_past_in_any_other_way(kind: str, tmp_path: Path) -> None:
    make = kinds(tmp_path)[kind]
    for number in range(MUTANTS):
        path = tmp_path / f"mutant-{number}"
        path.write_bytes(make(random.Random(f"{kind} {number}")))
        attempt(path)
