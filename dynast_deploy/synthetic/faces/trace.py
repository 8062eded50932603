"""What picture positions show of a drawn face: layer after layer, from the backdrop to the glasses."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from dynast_deploy.synthetic.faces.backdrop import LENS, paint_glasses, paint_torso
from dynast_deploy.synthetic.faces.geometry import RADIUS, head_width, unnod
from dynast_deploy.synthetic.faces.hair import paint_back, paint_shell, shell_width
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import PART_NUMBER, FaceLayer, among
from dynast_deploy.synthetic.faces.scene import GLASSES_OFF, Scene
from dynast_deploy.synthetic.faces.skin import paint_ear, paint_eyes, paint_mouth, paint_skin
from dynast_deploy.synthetic.faces.texture import Texture

_EAR_PART = {FaceLayer.LEFT_EAR: PART_NUMBER["l_ear"], FaceLayer.RIGHT_EAR: PART_NUMBER["r_ear"]}


def paint_textures(face: Face) -> dict[FaceLayer, Texture]:
    """All painted surfaces of a face."""
    ear = paint_ear(face)
    textures = {
        FaceLayer.HAIR_BACK: paint_back(face),
        FaceLayer.TORSO: paint_torso(face),
        FaceLayer.LEFT_EAR: ear,
        FaceLayer.RIGHT_EAR: ear,
        FaceLayer.SKIN: paint_skin(face),
        FaceLayer.EYES: paint_eyes(face),
        FaceLayer.MOUTH: paint_mouth(face),
        FaceLayer.HAIR: paint_shell(face),
    }
    if face.glasses is not None:
        textures[FaceLayer.GLASSES] = paint_glasses(face)
    return textures


@dataclass(frozen=True)
class Traced:
    """What picture positions show; all arrays are of one shape.

    `layer` and `label` (part number) uint8, the place (`a`, `y`) float32, `angle` between a round surface and the line
    of sight float32, and, bool, whether the position lies in the outline of the bare face and behind a lens.
    """

    layer: np.ndarray
    label: np.ndarray
    a: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    face: np.ndarray
    lens: np.ndarray

    @staticmethod
    def nothing(count: int) -> Traced:
        """`count` points at which no surface is seen."""
        numbers = (
            np.zeros(count, dtype)
            for dtype in (np.uint8, np.uint8, np.float32, np.float32, np.float32, bool, bool)
        )
        return Traced(*numbers)

    def shaped(self, shape: tuple[int, ...]) -> Traced:
        """The same with every array in another shape of as many points."""
        return Traced(*(getattr(self, field.name).reshape(shape) for field in fields(self)))


@dataclass(frozen=True)
class Tracer:
    """Looks at a scene whose surfaces are painted with `textures`."""

    scene: Scene
    textures: dict[FaceLayer, Texture]

    def trace(self, x: np.ndarray, y: np.ndarray) -> Traced:
        """What the picture positions (shares of its side, float32 [...]) show."""
        seen, frame = Traced.nothing(x.size), self.scene.frame
        torso_x, torso_y = frame.torso(x.ravel(), y.ravel())
        across, down = frame.head(x.ravel(), y.ravel())
        self._trace_flat(seen, FaceLayer.HAIR_BACK, across, down)
        self._trace_flat(seen, FaceLayer.TORSO, torso_x, torso_y)
        ears = {layer: self.scene.ear(layer).near for layer in (FaceLayer.LEFT_EAR, FaceLayer.RIGHT_EAR)}
        for layer in (layer for layer, near in ears.items() if not near):
            self._trace_ear(seen, layer, across, down)
        self._trace_skin(seen, across, down)
        for layer in (layer for layer, near in ears.items() if near):
            self._trace_ear(seen, layer, across, down)
        self._trace_shell(seen, across, down)
        if FaceLayer.GLASSES in self.textures:
            self._trace_glasses(seen, across, down)
        return seen.shaped(x.shape)

    def _cover(
        self, seen: Traced, layer: FaceLayer, at: np.ndarray, a: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        """Lay a layer's labelled texels over what was seen so far at positions number `at` (int [M]), which show its
        places (a, y) [M]; returns which of the M."""
        label = self.textures[layer].labels(a, y)
        inside = label > 0
        covered = at[inside]
        seen.layer[covered] = layer
        seen.label[covered] = _EAR_PART.get(layer, label[inside])
        seen.a[covered], seen.y[covered] = a[inside], y[inside]
        seen.angle[covered] = 0
        return inside

    def _trace_flat(self, seen: Traced, layer: FaceLayer, across: np.ndarray, down: np.ndarray) -> None:
        box = self.textures[layer].box
        at = np.flatnonzero(
            (across > box.left) & (across < box.right) & (down > box.top) & (down < box.bottom)
        )
        self._cover(seen, layer, at, across[at], down[at])

    def _trace_skin(self, seen: Traced, across: np.ndarray, down: np.ndarray) -> None:
        at = np.flatnonzero(
            (np.abs(across) < 1.2 * self.scene.face.skull.width)
            & (down > -1)
            & (down < 1 + self.scene.expression.drop)
        )
        height = self.scene.expression.unjaw(down[at])
        seen_a, inside = self.scene.turn.trace(across[at], head_width(self.scene.face.skull, height))
        at, seen_a, height = at[inside], seen_a[inside], height[inside]
        seen_y = unnod(height, seen_a, self.scene.view.pitch)
        a = self.scene.expression.unspread(seen_a, seen_y)
        y, eye, mouth = self.scene.expression.unmove(a, seen_y)
        skin = ~eye & ~mouth
        gaze = self.scene.gaze
        self._cover(seen, FaceLayer.SKIN, at[skin], a[skin], y[skin])
        self._cover(seen, FaceLayer.EYES, at[eye], a[eye] - gaze[0], seen_y[eye] - gaze[1])
        self._cover(seen, FaceLayer.MOUTH, at[mouth], a[mouth], seen_y[mouth])
        seen.face[at] = True
        seen.angle[at] = seen_a / RADIUS + self.scene.turn.shift

    def _trace_shell(self, seen: Traced, across: np.ndarray, down: np.ndarray) -> None:
        top, bottom = (
            -1 - self.scene.face.hair.volume,
            max(self.scene.face.hair.side, self.scene.face.hair.hairline + 0.6) + 0.4,
        )
        at = np.flatnonzero((np.abs(across) < 1.3) & (down > top) & (down < bottom))
        across, down = across[at], down[at]
        # The shell pitches with the head: its height follows from the place, and that from the width at that height.
        y = down
        for _ in range(4):
            a, inside = self.scene.turn.trace(across, shell_width(self.scene.face, y))
            y = down - self.scene.shell_slide(a, y)
        inside &= y > top
        a = a[inside]
        covered = self._cover(seen, FaceLayer.HAIR, at[inside], a, y[inside])
        seen.angle[at[inside][covered]] = (a / RADIUS + self.scene.turn.shift)[covered]

    def _trace_glasses(self, seen: Traced, across: np.ndarray, down: np.ndarray) -> None:
        before = among(
            seen.layer,
            FaceLayer.SKIN,
            FaceLayer.EYES,
            FaceLayer.BACKDROP,
            FaceLayer.TORSO,
            FaceLayer.HAIR_BACK,
        )
        at = np.flatnonzero((np.abs(across) < 1) & (np.abs(down) < 0.8) & before)
        width = GLASSES_OFF * head_width(self.scene.face.skull, down[at])
        a, inside = self.scene.turn.trace(across[at], width)
        at, a = at[inside], a[inside]
        y = unnod(down[at], a, self.scene.view.pitch)
        label = self.textures[FaceLayer.GLASSES].labels(a, y)
        seen.lens[at[label == LENS]] = True
        rim = label != LENS
        covered = self._cover(seen, FaceLayer.GLASSES, at[rim], a[rim], y[rim])
        seen.angle[at[rim][covered]] = (a / RADIUS + self.scene.turn.shift)[rim][covered]

    def _trace_ear(self, seen: Traced, layer: FaceLayer, across: np.ndarray, down: np.ndarray) -> None:
        ear = self.scene.ear(layer)
        if not ear.seen:
            return
        a, y = (across - ear.x) / ear.length, (down - ear.y) / ear.half
        at = np.flatnonzero((a > 0) & (a < 1) & (np.abs(y) < 1))
        self._cover(seen, layer, at, a[at], y[at])
