"""Label maps: one number for each pixel, as face parsers give them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.errors import DynastError

# fmt: off
FACE_PARSING = (
    "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r", "nose", "mouth", "u_lip",
    "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
)
"""What 1, 2, ... stand for in the maps of face-parsing.PyTorch (BiSeNet); 0 is the background."""

CELEBAMASK = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip",
    "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)
"""The same for the parser and the tools of CelebAMask-HQ, and for SegFormers trained after them."""
# fmt: on

ORDERS = {"face-parsing.PyTorch": FACE_PARSING, "CelebAMask-HQ": CELEBAMASK, "the parts": FACE_PARTS}
IGNORED_PARTS = frozenset(FACE_PARSING) - frozenset(FACE_PARTS) | {"background"}
"""Parts that face parsers know and conditions do not show."""

_BROWS, _EYES, _MOUTH = ("l_brow", "r_brow"), ("l_eye", "r_eye"), ("u_lip", "mouth", "l_lip")
_SMALL = (*_BROWS, *_EYES, "nose", *_MOUTH)
_MOST_SPREAD = 0.45  # of the skin's; noses and lips have less than 0.3, hair 0.67 and more
_ON_SKIN = (*_SMALL, "eye_g")


def order_of(labels: np.ndarray, what: str) -> tuple[str, ...]:
    """The first of `ORDERS` in which integers [H, W] show a face; `what` names the map in the error.

    In a face, however it is turned, brows are further from the mouth than eyes, and eyes further than the nose; no lip,
    eye, brow or nose spreads nearly as far as the skin. What a map does not show is not compared.

    Raises:
        DynastError: Where the array does not hold labels, or in none of the known orders.
    """
    numbers = np.unique(labels)
    if labels.dtype.kind not in "iu" or numbers[0] < 0:
        raise DynastError(f"{what} holds no labels, which are whole numbers from 0")
    for order in ORDERS.values():
        if numbers[-1] <= len(order) and _shows_a_face(labels, order):
            return order
    raise DynastError(
        f"{what} holds labels up to {numbers[-1]} in an unknown order; known are the orders of "
        f"{', '.join(ORDERS)} (docs/keypoints.md). Otherwise write one mask for each part"
    )


def parts_of(labels: np.ndarray, order: Sequence[str]) -> dict[str, np.ndarray]:
    """Bool [H, W] of every part that integers [H, W] show. The skin covers what lies on it, as in CelebAMask-HQ."""
    found = {part: labels == number for number, part in enumerate(order, start=1) if part in FACE_PARTS}
    for part in _ON_SKIN if found["skin"].any() else ():
        found["skin"] = found["skin"] | found[part]
    return {part: found[part] for part in FACE_PARTS if found[part].any()}


def _shows_a_face(labels: np.ndarray, order: Sequence[str]) -> bool:
    skin = _spread(labels, order, "skin")
    if skin and any(_spread(labels, order, part) > _MOST_SPREAD * skin for part in _SMALL):
        return False
    brows, eyes, nose, mouth = (_centre(labels, order, parts) for parts in (_BROWS, _EYES, ("nose",), _MOUTH))
    pairs = (brows, eyes), (eyes, nose), (brows, nose)
    return all(_further(one, other, mouth) for one, other in pairs)


def _spread(labels: np.ndarray, order: Sequence[str], part: str) -> float:
    """Root mean square distance of a part's pixels from their centre; 0 where there is none."""
    rows, columns = np.nonzero(labels == order.index(part) + 1)
    return float(np.hypot(rows.std(), columns.std())) if len(rows) else 0.0


def _centre(labels: np.ndarray, order: Sequence[str], parts: Sequence[str]) -> np.ndarray | None:
    """(y, x) of several parts together; None where there are none."""
    rows, columns = np.nonzero(np.isin(labels, [order.index(part) + 1 for part in parts]))
    return np.array([rows.mean(), columns.mean()]) if len(rows) else None


def _further(one: np.ndarray | None, other: np.ndarray | None, origin: np.ndarray | None) -> bool:
    """Whether `one` is not nearer to `origin` than `other`, as far as there are all three."""
    if one is None or other is None or origin is None:
        return True
    return bool(np.hypot(*(one - origin)) >= np.hypot(*(other - origin)))
