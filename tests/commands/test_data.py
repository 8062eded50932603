"""`dynast data`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from miniature_data import write_deepfashion
from PIL import Image
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from dynast_deploy.cli import app  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.tasks.training_data import training_data  # noqa: E402
from dynast_deploy.training.contact_sheet import warp_by_correspondence  # noqa: E402


def data(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if isinstance(result.exception, DynastError):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(("task", "columns"), [("pose", 5), ("style", 4)])
def test_the_sheet_shows_every_sample_in_a_row(task: str, columns: int, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    status, said = data("--task", task, "--count", 2, "--size", 48, "--out", out)
    assert status == 0
    assert len(said.splitlines()) == 3
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (18 + 2 * 50 - 2, columns * 50 - 2, 3)
    target = training_data(Task(task), None, 48, 0)[1]["target"].numpy()
    left = 3 * 50
    shown = sheet[18 + 50 :, left : left + 48].transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(shown, target, atol=1 / 127)


def test_a_folder_is_drawn_and_its_damage_reported(tmp_path: Path) -> None:
    write_deepfashion(tmp_path / "set")
    broken = sorted((tmp_path / "set" / "img").rglob("*.jpg"))[0]
    broken.write_bytes(b"nothing")
    status, said = data(
        "--task", "pose", "--data", tmp_path / "set", "--size", 32, "--out", tmp_path / "sheet.png"
    )
    assert status == 0
    assert "same identity" in said
    assert f"skipped: {broken}" in said
    assert Image.open(tmp_path / "sheet.png").size == (4 * 34 - 2, 18 + 4 * 34 - 2)


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="no such folder"):
        data("--task", "face", "--data", tmp_path / "missing", "--out", tmp_path / "sheet.png")
    with pytest.raises(DynastError, match="pictures are written as"):
        data("--task", "style", "--count", 1, "--size", 16, "--out", tmp_path / "sheet.gif")


def test_a_correspondence_moves_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    x, y = np.meshgrid((np.arange(8) + 0.5) / 8, (np.arange(8) + 0.5) / 8)
    visible = x > 0.2
    moved = warp_by_correspondence(picture, np.stack([1 - x, y, visible]).astype(np.float32))
    assert (moved == picture[:, ::-1] * visible[..., None]).all()
