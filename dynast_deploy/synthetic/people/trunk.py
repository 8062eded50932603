"""Neck, torso, hips and skirt."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.people.identity import Identity
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.sheet import Sheet, smooth
from dynast_deploy.synthetic.people.skeleton import Point, Skeleton

# Sheets of the trunk reach around the body by this angle to both sides, so that a turn uncovers more cloth.
AROUND = 1.95
# How far above the hip joints the waist is, in body heights.
_WAIST = 0.085


def bulge(u: np.ndarray, turn: float) -> np.ndarray:
    """Where the columns `u` of a round sheet stand, -1..1 across, when the body turns by `turn` radians.

    `u` may have any shape; the result has it too.
    """
    return np.sin(np.clip(u * AROUND + turn, -np.pi / 2, np.pi / 2))


class Trunk:
    """The trunk's sheets of one identity."""

    def __init__(self, who: Identity) -> None:
        p, top, bottom = who.proportions, who.top, who.bottom
        self.p = p
        chest = p.shoulder * (0.86 + 0.06 * p.build)
        hem = {"jumper": 0.03, "jacket": 0.035, "dress": -0.075, "vest": 0.03}.get(top.kind, 0.045)
        if top.tucked:
            hem = 0.02
        self.torso_length = p.torso + hem
        loose = top.slack if not top.tucked else 0.2
        waist = p.waist + (max(p.hip, chest) - p.waist) * 0.8 * loose
        hem_width = p.hip + 0.004 + 0.008 * loose
        if top.kind == "jumper":
            hem_width -= 0.004
        v = np.array([0, 0.035, 0.08, 0.14, 0.22, 0.32, 0.43, 0.54, 0.65, 0.76, 0.86, 0.94, 1.0])
        self.torso_widths = smooth(
            [
                (0, p.shoulder * 0.98),
                (0.09, p.shoulder * 0.985),
                (0.3, chest),
                (0.66, waist),
                (0.93, hem_width),
                (1, hem_width),
            ],
            v * (self.torso_length / (p.torso + 0.03)),
        )
        self.torso = Sheet(
            Part.TORSO,
            np.linspace(-1, 1, 13),
            v,
            2 * AROUND * chest,
            self.torso_length,
            facing=1,
            joins=(Part.SKIRT, 1.0) if top.kind == "dress" else None,
        )
        neck_width = 0.0265 * (0.5 + 0.5 * p.build)
        self.neck_widths = np.array(
            [neck_width * 0.98, neck_width * 0.96, neck_width * 1.05, neck_width * 1.5]
        )
        self.neck = Sheet(
            Part.NECK,
            np.array([-1.0, 0.0, 1.0]),
            np.linspace(0, 1, 4),
            np.pi * neck_width,
            p.neck + 0.055,
            facing=1,
        )
        self.pelvis = Sheet(
            Part.PELVIS, np.linspace(-1, 1, 9), np.linspace(0, 1, 8), 2 * AROUND * p.hip, 0.16, facing=1
        )
        y = self.pelvis.v * self.pelvis.length - _WAIST
        cloth = 0.002 + 0.006 * bottom.slack
        self.pelvis_widths = smooth(
            [
                (-_WAIST, p.waist + cloth),
                (-0.02, p.hip + cloth),
                (0.02, p.hip + cloth),
                (0.05, p.hip * 0.62),
                (0.075, p.hip * 0.12),
            ],
            y,
        )
        self.skirt: Sheet | None = None
        if bottom.kind == "skirt":
            self.skirt_length = bottom.length * p.leg
            self.skirt_flare = 0.012 + 0.10 * bottom.flare * bottom.length
            hem_width = 2 * (p.hip + self.skirt_flare)
            self.skirt = Sheet(
                Part.SKIRT,
                np.linspace(-1, 1, 13),
                np.linspace(0, 1, 10),
                hem_width * 1.25,
                self.skirt_length + _WAIST,
                facing=1,
            )

    def _curve(self, k: Skeleton, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The spine at `t` (0 neck, 1 hips, beyond: straight on): points [R, 2], across [R, 2], down [R,
        2]."""
        length = self.p.torso * k.scale
        start = np.array([-k.across_shoulders[1], k.across_shoulders[0]]) * length * 0.8
        end = np.array([-k.across_hips[1], k.across_hips[0]]) * length
        s = np.clip(t, 0, 1)[:, None]
        beyond = np.maximum(t - 1, 0)[:, None] + np.minimum(t, 0)[:, None]
        h00, h10 = 2 * s**3 - 3 * s**2 + 1, s**3 - 2 * s**2 + s
        h01, h11 = 3 * s**2 - 2 * s**3, s**3 - s**2
        points = h00 * k.neck + h10 * start + h01 * k.pelvis + h11 * end + beyond * end
        across = k.across_shoulders * (1 - s) + k.across_hips * s
        across /= np.hypot(across[:, :1], across[:, 1:])
        return points, across, np.stack([-across[:, 1], across[:, 0]], axis=1)

    def place_torso(self, k: Skeleton, turn: float, rest: tuple[Point, Point]) -> np.ndarray:
        """float64 [R, C, 2]; `rest` are the shoulder joints with hanging arms, which the cloth follows."""
        sheet, scale = self.torso, k.scale
        t = sheet.v * self.torso_length / self.p.torso
        middle, across, down = self._curve(k, t)
        x = bulge(sheet.u, turn)
        points = middle[:, None] + (self.torso_widths * scale)[:, None, None] * x[:, None] * across[:, None]
        slope = np.clip(1 - t / 0.4, 0, 1)[:, None] * (-0.014 + 0.021 * np.abs(x) ** 1.8)
        belly = 0.011 * np.clip((t - 0.5) / 0.5, 0, 1)[:, None] * (1 - x**2)
        points += (slope + belly)[..., None] * scale * down[:, None]
        pull = np.clip(1 - t / 0.45, 0, 1)[:, None] ** 1.5 * x**2
        for side in (0, 1):
            share = pull * (x < 0 if side == 0 else x > 0)
            points += share[..., None] * (k.shoulders[side] - rest[side])
        result: np.ndarray = points
        return result

    def place_neck(self, k: Skeleton) -> np.ndarray:
        """Points of the neck in the picture, `[rows, columns, 2]`."""
        top = k.neck + k.head_axis * (self.p.neck + 0.03) * k.scale
        bottom = k.neck - k.torso_axis * 0.02 * k.scale
        middle = top + (bottom - top) * self.neck.v[:, None]
        across = np.stack(
            [
                -k.head_axis[1] * (1 - self.neck.v) + k.across_shoulders[0] * self.neck.v,
                k.head_axis[0] * (1 - self.neck.v) + k.across_shoulders[1] * self.neck.v,
            ],
            axis=1,
        )
        result: np.ndarray = (
            middle[:, None]
            + self.neck.u[:, None] * (self.neck_widths * k.scale)[:, None, None] * across[:, None]
        )
        return result

    def place_pelvis(self, k: Skeleton, turn: float) -> np.ndarray:
        """Points of the pelvis in the picture, `[rows, columns, 2]`; `turn` from -1 to 1 is how far it is turned."""
        sheet = self.pelvis
        t = 1 + (sheet.v * sheet.length - _WAIST) / self.p.torso
        middle, across, down = self._curve(k, t)
        x = bulge(sheet.u, turn)
        points = (
            middle[:, None] + (self.pelvis_widths * k.scale)[:, None, None] * x[:, None] * across[:, None]
        )
        result: np.ndarray = points + (0.004 * k.scale * (1 - x**2))[None, :, None] * down[:, None]
        return result

    def place_skirt(self, k: Skeleton, turn: float, swing: float) -> np.ndarray:
        """A skirt that hangs from the waist around both thighs.

        Points in the picture, `[rows, columns, 2]`; `swing` as in `Pose`.
        """
        assert self.skirt is not None
        sheet, v = self.skirt, self.skirt.v[:, None]
        waist, across, _ = self._curve(k, np.array([1 - _WAIST / self.p.torso, 1.0]))
        right, left = (self._skirt_edge(k, side, waist, across, swing) for side in (-1, 1))
        x = bulge(sheet.u, turn)
        share = 0.5 + 0.5 * x[:, None]
        points = right[:, None] * (1 - share) + left[:, None] * share
        # The hem sags in the middle, waves with the folds, and where a leg lifts one end it levels a little.
        sag = v**2 * (0.012 * (1 - x**2) + 0.0045 * np.cos(sheet.u * 19)) * (0.5 + self.skirt_flare * 9)
        level = max(right[-1, 1], left[-1, 1])
        points[..., 1] += sag * k.scale + v**2 * 0.35 * (level - points[-1, :, 1])
        return points

    def _skirt_edge(
        self, k: Skeleton, side: int, waist: np.ndarray, across: np.ndarray, swing: float
    ) -> np.ndarray:
        """One side of a skirt, float64 [R, 2], from the waist over the hip to the hem.

        `waist` and `across` [2, 2] are the spine's points and directions at the waist and the hips.
        """
        assert self.skirt is not None
        v = self.skirt.v[:, None]
        top = waist[0] + side * (self.p.waist + 0.004) * k.scale * across[0]
        hip = waist[1] + side * (self.p.hip + 0.008) * k.scale * across[1]
        joint = 0 if side < 0 else 1
        bone = k.knees[joint] - k.hips[joint]
        down = bone / max(float(np.hypot(*bone)), 1e-6)
        # Cloth spans what the thighs spread and hangs down from there.
        spread = np.array([down[0], max(down[1], 0.75)])
        out = side * (self.p.hip * 0.5 + self.skirt_flare) + 0.25 * swing * self.skirt_length
        hem = k.hips[joint] + spread / np.hypot(*spread) * self.skirt_length * k.scale
        hem = hem + np.array([out * k.scale, 0.0])
        hips_at = _WAIST / self.skirt.length
        rounded = np.sin(np.clip(v / hips_at, 0, 1) * np.pi / 2)
        lower = (v - hips_at) / (1 - hips_at)
        result: np.ndarray = np.where(
            v < hips_at, top * (1 - rounded) + hip * rounded, hip + (hem - hip) * lower
        )
        return result
