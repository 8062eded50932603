"""Manifests of engine bundles that say what cannot be, or are made to harm, are refused in one line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from plan_manifest import MANIFEST

from dynast_deploy.commands.inspect_plan import describe_plan
from dynast_deploy.commands.show import plain_lines
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.plan import MOST_MANIFEST, read_manifest


def bundle(path: Path, manifest: str, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("encoder.plan", "x")
        archive.writestr("renderer.plan", "x")
    return path


def values(**changes: Any) -> str:
    return json.dumps(json.loads(MANIFEST.to_json()) | changes)


TENSOR = {"name": "condition", "dtype": "uint8", "shape": [-1, 20, 32, 48]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": float("nan")}, "height is nan"),
        ({"height": "abc"}, "height is 'abc'"),
        ({"height": -5}, "height is -5"),
        ({"width": True}, "width is True"),
        ({"width": 10**40}, "width is 1000"),
        ({"compute_capabilities": [8.9]}, "compute_capabilities is"),
        ({"compute_capabilities": []}, "compute_capabilities is"),
        ({"renderer_inputs": [TENSOR | {"shape": ["N", 20]}]}, "renderer_inputs is"),
        ({"renderer_inputs": [TENSOR | {"dtype": "float3"}]}, "renderer_inputs is"),
        ({"renderer_inputs": TENSOR}, "renderer_inputs is"),
        ({"batch": {"min": 4, "opt": 2, "max": 1}}, "batch is"),
        ({"precision": "fp16; rm -rf ~"}, "precision is"),
        ({"task": "dance"}, "task is 'dance'"),
        ({"version_compatible": "no"}, "version_compatible is 'no'"),
        ({"source": ["model.onnx"]}, "source is"),
        ({"colour": "red"}, "too much"),
    ],
)
def test_values_that_cannot_be_are_named(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=words):
        read_manifest(bundle(tmp_path / "model.plan", values(**changes)))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("[" * 100_000, "nested too deep|cannot be used"),
        ("{" + " " * (MOST_MANIFEST + 1) + "}", "more than 4,000,000 bytes"),
        ("[]", "not a manifest of this project"),
        ("{", "cannot be used"),
    ],
)
def test_manifests_made_to_harm_are_refused(manifest: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=words):
        read_manifest(bundle(tmp_path / "model.plan", manifest, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 99)])
def test_encrypted_and_unknown_entries_are_refused(at: int, value: int, tmp_path: Path) -> None:
    path = bundle(tmp_path / "model.plan", values())
    content = bytearray(path.read_bytes())
    content[at] = value  # of the first entry's header: flags (1 is encrypted), compression method
    content[content.index(b"PK\x01\x02") + at + 2] = value
    path.write_bytes(content)
    with pytest.raises(DynastError, match=r"manifest\.json cannot be used"):
        read_manifest(path)


def test_what_a_manifest_says_does_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    evil = "model.onnx\x1b]0;owned\x07\nrm -rf ~; $(reboot) \u202e"
    path = bundle(tmp_path / "model.plan", values(source=evil, gpu=evil))
    lines = plain_lines(describe_plan(path))
    assert all(line.isprintable() for line in lines)
    (command,) = [line for line in lines if line.startswith("rebuild command")]
    assert "--onnx 'model.onnx\\x1b]0;owned\\x07 rm -rf ~; $(reboot) \\u202e' --fp16" in command
