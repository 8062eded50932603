"""What makes a drawn face a person: plain immutable records.

Lengths are in half head heights: -1 is the crown, 1 the chin, y grows downwards; sizes are factors around 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.common.traits import Cloth


@dataclass(frozen=True)
class Skull:
    """`width` is half the head's width, `jaw` goes from pointed (0) to square (1), `depth` is depth over width."""

    width: float
    jaw: float
    depth: float


@dataclass(frozen=True)
class Eyes:
    """`gap` is from the middle of the face to an eye's; `slant` lifts the outer corners; `crease` is how far over the
    lid its fold lies; `shadow` is make-up on the lids and `lashes` how heavy the line of the lashes is (0..1)."""

    iris: Colour
    size: float
    gap: float
    slant: float
    crease: float
    shadow: Colour | None
    lashes: float


@dataclass(frozen=True)
class Brows:
    """`thickness` and `arch` are factors, `lift` is a distance."""

    colour: Colour
    thickness: float
    arch: float
    lift: float


@dataclass(frozen=True)
class Mouth:
    """`width` and `fullness` are factors; `lips` is the colour, painted or not; `teeth` their colour."""

    lips: Colour
    width: float
    fullness: float
    teeth: Colour


@dataclass(frozen=True)
class Complexion:
    """Skin and what is on it; `blush`, `freckles`, `stubble` and `lines` go from 0 to 1; `beard` is none, full, goatee
    or moustache; `mark` is the place (a, y) of a mole; `paint` is face paint: colour and kind (none, stripes, dots)."""

    skin: Colour
    blush: float
    freckles: float
    stubble: float
    beard: str
    lines: float
    mark: tuple[float, float] | None
    paint: str
    paint_colour: Colour


@dataclass(frozen=True)
class Hair:
    """`style` is a key of `HAIR_STYLES`; `dye` is plain, streaks, tips or half, in `second`.

    `hairline` is the height at which hair begins over the forehead, `side` and `back` the heights to which it falls,
    `sweep` how much lower the fringe ends on one side, `volume` how far hair stands off, `wave` its waviness (0..1).
    """

    style: str
    colour: Colour
    second: Colour
    dye: str
    hairline: float
    side: float
    back: float
    sweep: float
    volume: float
    wave: float


@dataclass(frozen=True)
class Glasses:
    """`square` goes from round rims (0) to square ones (1)."""

    colour: Colour
    size: float
    square: float
    rim: float


@dataclass(frozen=True)
class Clothing:
    """`neckline` is round, vee or collar."""

    cloth: Cloth
    neckline: str
    earring: Colour | None


@dataclass(frozen=True)
class Backdrop:
    """`kind` is plain, gradient, bokeh, stripes or leaves."""

    kind: str
    first: Colour
    second: Colour
    seed: int
