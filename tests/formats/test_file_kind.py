"""What a file is, is told by what it holds; what it is instead of an engine is said in one line."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of
from dynast_deploy.printable import shell_word


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, b"x" * 50)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["MODEL.ONNX", "model.engine", "model.trt", "noending", "model.pth"])
def test_an_onnx_file_is_one_under_any_name(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "style.onnx", tmp_path / name)
    assert kind_of(tmp_path / name) is FileKind.ONNX


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (archive("last/data.pkl", "last/data/0"), FileKind.CHECKPOINT),
        (b"\x80\x02}q\x00.", FileKind.CHECKPOINT),
        (b"\x02" + bytes(7) + b"{}", FileKind.SAFETENSORS),
        (archive("manifest.json", "encoder.plan"), FileKind.PLAN),
        (archive("photo.png"), FileKind.ARCHIVE),
    ],
)
def test_kinds_are_told_by_contents(content: bytes, kind: FileKind, tmp_path: Path) -> None:
    (tmp_path / "last.bin").write_bytes(content)
    assert kind_of(tmp_path / "last.bin") is kind


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<html>Quota exceeded</html>", "a web page"),
        (b"\n<!DOCTYPE html><title>Google Drive</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b'{"message": "Not found"}', "is text"),
        ("Accès refusé".encode(), "is text"),
        (gzip.compress(b"weights"), "a gzip archive: unpack it"),
        (b"ftrt" + bytes(90), "a bare TensorRT plan"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "a PNG picture"),
        (archive("last/data.pkl")[:60], "no whole checkpoint"),
        (archive("manifest.json")[:60], "no whole engine bundle"),
        (archive("net/data.pkl", "net/constants.pkl"), "a TorchScript program"),
        (bytes(range(255, 0, -1)), "no file of a kind known here"),
    ],
)
def test_other_files_are_called_what_they_are(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "last.pth").write_bytes(content)
    with pytest.raises(DynastError, match=words) as refused:
        kind_of(tmp_path / "last.pth")
    assert "code" not in str(refused.value).replace("which is code", "")


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="is a folder; name the engine or checkpoint in it"):
        kind_of(tmp_path)
    with pytest.raises(DynastError, match=r"no\.pth: no such file"):
        kind_of(tmp_path / "no.pth")


def test_text_of_a_file_is_one_word_of_a_command() -> None:
    assert shell_word("model.onnx") == "model.onnx"
    assert shell_word("x; rm -rf ~\n\x1b[2J") == "'x; rm -rf ~ \\x1b[2J'"
    assert shell_word("-o") == "./-o"
