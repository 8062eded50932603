"""How well the example engine paints marionettes it has never seen, beside two ways of painting without a network.

    python benchmarks/example_engine.py [ENGINE] [--pairs N]

For each held-out identity a second pose is painted from a first one. Compared with the true picture, in dB of PSNR over
0..255, on the whole picture and on the pixels that the figure covers:
engine: what the engine renders. copy: the exemplar as it is. parts: every body part in its mean colour in the exemplar
(with the true silhouette of the target, which the engine does not have), the exemplar's mean backdrop behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dynast_deploy.conditions import picture_tensor, pose_condition, tensor_picture
from dynast_deploy.marionette import FIRST_EVALUATION_SEED, Figure, Identity, render, sample_pose
from dynast_deploy.runtime import load_engine

CANVAS = 256


def part_colours(target: Figure, exemplar: Figure) -> np.ndarray:
    """The target's parts in the exemplar's mean colours; a part that is hidden there gets the figure's mean."""
    parts, seen = target.surface[..., 0].astype(int), exemplar.surface[..., 0].astype(int)
    painted = np.empty(target.picture.shape, np.float64)
    for part in np.unique(parts):
        where = seen == part if (seen == part).any() else seen > 0
        painted[parts == part] = exemplar.picture[where].mean(0)
    return painted


def reduced(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 `[H, W, 3]` at the engine's size, as float64."""
    resized = Image.fromarray(np.rint(picture).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(resized, np.float64)


def psnr(error: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("engine", nargs="?", default="examples/marionette.onnx", type=Path)
    parser.add_argument("--pairs", type=int, default=100)
    options = parser.parse_args()

    engine = load_engine(options.engine)
    height, width = engine.info.height, engine.info.width
    scores: dict[str, list[tuple[float, float]]] = {"engine": [], "copy": [], "parts": []}
    for number in range(options.pairs):
        rng = np.random.default_rng(number)
        identity = Identity.of_seed(FIRST_EVALUATION_SEED + 1000 + number)
        exemplar, target = (render(identity, sample_pose(rng), CANVAS) for _ in range(2))
        conditions = [
            pose_condition(figure.keypoints, (CANVAS, CANVAS), (height, width))[None]
            for figure in (exemplar, target)
        ]
        encoded = engine.encode_exemplar(
            picture_tensor(exemplar.picture, (height, width))[None], conditions[0]
        )
        truth = reduced(target.picture, width, height)
        figure = reduced(np.repeat((target.surface[..., :1] > 0) * 255, 3, 2), width, height)[..., 0] > 127
        painted = {
            "engine": tensor_picture(engine.render(encoded, conditions[1])[0]).astype(np.float64),
            "copy": reduced(exemplar.picture, width, height),
            "parts": reduced(part_colours(target, exemplar), width, height),
        }
        for name, picture in painted.items():
            error = picture - truth
            scores[name].append((psnr(error), psnr(error[figure])))
    print(
        f"{options.engine}, {width}x{height}, {options.pairs} pairs of held-out identities; mean PSNR in dB"
    )
    print(f"{'':8}{'picture':>10}{'figure':>10}")
    for name, values in scores.items():
        whole, body = np.mean(values, axis=0)
        print(f"{name:8}{whole:10.2f}{body:10.2f}")


if __name__ == "__main__":
    main()
