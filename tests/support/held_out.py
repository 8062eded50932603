"""Inputs that the example engine was not trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.synthetic.people import FIRST_EVALUATION_SEED, Identity, render, sample_pose


def held_out_pairs(count: int, height: int, width: int) -> Iterator[dict[str, np.ndarray]]:
    """The network's inputs by name, float32: a held-out marionette as exemplar, and another pose of it."""
    for number in range(count):
        rng = np.random.default_rng(number)
        identity = Identity.of_seed(FIRST_EVALUATION_SEED + 1000 + number)
        exemplar, target = (render(identity, sample_pose(rng), 256) for _ in range(2))
        conditions = [
            np.divide(pose_condition(figure.keypoints, (256, 256), (height, width)), 255, dtype=np.float32)[
                None
            ]
            for figure in (exemplar, target)
        ]
        yield {
            "condition": conditions[1],
            "exemplar": picture_tensor(exemplar.picture, (height, width))[None],
            "exemplar_condition": conditions[0],
        }
