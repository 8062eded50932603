"""How coherent an engine's matches are: how often its inner-scale layers read the same keys.

    python benchmarks/match_coherence.py [ENGINE.onnx]

The example's engine unless told (a pose engine), with the first exemplar of the examples and a frame from the middle of
their dance. For each inner-scale layer: the share of queries whose best match is the left neighbour's moved along by
one, and the share of candidates that are different keys in tiles of 8x8 queries and in the whole frame. The two
patterns of `python -m dynast_deploy.bench.operators` stand below, at 256x256.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx

from dynast_deploy.bench.attention_case import AttentionCase
from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.keypoints import read_poses
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.onnxruntime_session import make_session
from dynast_deploy.plugins import onnxruntime_library

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TILE = 8


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES / "marionette.onnx"
    print(f"{'layer':28} {'moves along':>11} {'different in a tile':>20} {'in the frame':>13}")
    for name, matches, width in engine_matches(path):
        print_row(name, matches, width)
    for scattered in (False, True):
        case = AttentionCase("inner", 256, 1, 1, 1, "float32", scattered, 1)
        pattern = "scattered" if scattered else "smooth"
        print_row(f"bench, {pattern} 256x256", case.arrays()["matches"][0], 256)


def print_row(name: str, matches: np.ndarray, width: int) -> None:
    """Print how coherent one layer's matches are."""
    candidates = inner_candidates(matches, width)
    height = len(candidates)
    best = matches.reshape(height, width, -1)[:, :, 0]
    along = float((best[:, 1:] == best[:, :-1] + 1).mean())
    tiles = candidates[: height // TILE * TILE, : width // TILE * TILE]
    tiles = tiles.reshape(height // TILE, TILE, width // TILE, TILE, -1).swapaxes(1, 2)
    tiles = tiles.reshape(len(tiles) * tiles.shape[1], -1)
    different = np.mean([len(np.unique(tile)) / tile.size for tile in tiles])
    overall = len(np.unique(candidates)) / candidates.size
    print(f"{name:28} {along:11.1%} {different:20.1%} {overall:13.1%}")


def inner_candidates(matches: np.ndarray, width: int) -> np.ndarray:
    """`[L, K]` -> `[H, W, 5K]`: own matches and the neighbours', moved back, as the layer forms them."""
    grid = matches.reshape(-1, width, matches.shape[-1])
    rows, columns = np.divmod(grid, width)
    parts = [grid]
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        y = np.clip(np.arange(len(grid)) - dy, 0, len(grid) - 1)
        x = np.clip(np.arange(width) - dx, 0, width - 1)
        row = np.clip(rows[y][:, x] + dy, 0, len(grid) - 1)
        column = np.clip(columns[y][:, x] + dx, 0, width - 1)
        parts.append(row * width + column)
    return np.concatenate(parts, -1)


def engine_matches(path: Path) -> list[tuple[str, np.ndarray, int]]:
    """Of each inner-scale layer: its name, the matches that it is given `[L, K]`, and the width of its map."""
    model = onnx.load(path)
    layers = [node for node in model.graph.node if node.op_type == "InnerScaleAttention"]
    for node in layers:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.input[5]))
    session = make_session(model.SerializeToString(), operators=onnxruntime_library())
    size = next(x.shape[-1] for x in session.get_inputs() if x.name == "condition")
    found = session.run([node.input[5] for node in layers], inputs(size))
    widths = [next(a.i for a in node.attribute if a.name == "query_width") for node in layers]
    names = [
        f"{node.name or node.output[0]} {width}x{width}" for node, width in zip(layers, widths, strict=True)
    ]
    return [(name, x[0], width) for name, x, width in zip(names, found, widths, strict=True)]


def inputs(size: int) -> dict[str, np.ndarray]:
    """The network's inputs of an example picture at `size`, float32."""
    picture_path = min(EXAMPLES.glob("*.png"))
    picture = read_picture(picture_path)
    poses, dance = (
        read_poses(picture_path.with_suffix(".poses.npz")),
        read_poses(EXAMPLES / "dance.poses.npz"),
    )
    frame = dance.keypoints[len(dance) // 2]
    conditions = [
        pose_condition(keypoints, (picture.shape[1], picture.shape[0]), size)[None].astype(np.float32) / 255
        for keypoints in (frame, poses.keypoints[0])
    ]
    return {
        "condition": conditions[0],
        "exemplar": picture_tensor(picture, size)[None],
        "exemplar_condition": conditions[1],
    }


if __name__ == "__main__":
    main()
