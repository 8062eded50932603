"""Made-up people and the JSON of OpenPose that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def body(count: int = 18, at: float = 100.0, spread: float = 40.0, seed: int = 0) -> np.ndarray:
    """Float32 [count, 3]: somebody around (at, at), every keypoint seen."""
    rng = np.random.default_rng(seed)
    points = np.column_stack([at + spread * rng.random((count, 2)), 0.4 + 0.5 * rng.random(count)])
    return points.astype(np.float32)


def frame(*people: Any, **more: Any) -> dict[str, Any]:
    return {"people": [{"pose_keypoints_2d": flat(person)} for person in people], **more}


def flat(person: Any) -> Any:
    return person.ravel().tolist() if isinstance(person, np.ndarray) else person


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path
