"""JSON of poses, read piece by piece: the same whatever the pieces, within the memory of its poses."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from dancer import dancer

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import json_stream, read_poses

PERSON = {"pose_keypoints_2d": dancer().ravel().tolist()}


def test_json_is_read_the_same_whatever_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [
        {"people": [{"pose_keypoints_2d": dancer(10 * at).ravel().tolist()}], "n": at} for at in range(5)
    ]
    path = tmp_path / "walk.json"
    for text in (json.dumps(frames), json.dumps(frames, indent=3), "\ufeff" + json.dumps(frames)):
        path.write_text(text, encoding="utf-8")
        monkeypatch.undo()
        whole = read_poses(path).keypoints
        monkeypatch.setattr(json_stream, "CHUNK", 7)
        np.testing.assert_array_equal(read_poses(path).keypoints, whole)
    path.write_text(json.dumps(frames), encoding="utf-16")
    np.testing.assert_array_equal(read_poses(path).keypoints, whole)


@pytest.mark.parametrize(
    "text",
    ["[12", "[12,", "[12 13]", '{"a" 1}', '{"a": 1,}', "{1: 2}", "[] []", '{"a": 1} x', "12 13", "nul"],
)
def test_damaged_json_is_named_with_its_place(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "damaged.json"
    path.write_text(text)
    with pytest.raises(DynastError, match=r"damaged\.json: not whole JSON \(.*char \d+\)"):
        list(json_stream.read_pieces(path))
    monkeypatch.setattr(json_stream, "CHUNK", 1)
    with pytest.raises(DynastError, match=r"damaged\.json: not whole JSON \(.* at character \d+\)"):
        list(json_stream.read_pieces(path))


def test_a_long_json_needs_memory_for_its_poses_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1 << 14)
    frame = {"people": [PERSON | {"face_keypoints_2d": [1.5] * 2000}]}
    path = tmp_path / "long.json"
    path.write_text("[" + ",".join([json.dumps(frame)] * 100) + "]")
    tracemalloc.start()
    assert len(read_poses(path)) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 1e6
    assert peak < 5e5
