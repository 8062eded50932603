"""An engine's weights stay in its file until they are needed, so the file must be the one that was opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy import DynastError
from dynast_deploy.runtime import load_engine

PICTURE, CONDITION = np.zeros((1, 3, 32, 32), np.float32), np.full((1, 20, 32, 32), 100, np.uint8)


def test_a_link_to_an_engine_of_another_name_and_folder_runs(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "latest.onnx").symlink_to(write_tiny_engine(tmp_path / "store"))
    engine = load_engine(tmp_path / "latest.onnx")
    image = engine.render(engine.encode_exemplar(PICTURE, CONDITION), CONDITION)
    assert image.shape == (1, 3, 32, 32)
    assert np.isfinite(image).all()


def test_an_engine_whose_file_was_replaced_says_so(tmp_path: Path) -> None:
    path = write_tiny_engine(tmp_path)
    engine = load_engine(path)
    shutil.copy(write_tiny_engine(tmp_path, 3), path)
    with pytest.raises(DynastError, match="changed while it was in use; load the engine again"):
        engine.encode_exemplar(PICTURE, CONDITION)
