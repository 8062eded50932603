"""The traits that make up an identity: build, face, hair and clothes, as plain immutable records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dynast_deploy.marionette.colours import Colour


class Motif(str, Enum):
    """What a garment's cloth shows."""

    PLAIN = "plain"
    STRIPES = "stripes"
    UPRIGHT_STRIPES = "upright stripes"
    DIAGONALS = "diagonals"
    CHECKS = "checks"
    PLAID = "plaid"
    DOTS = "dots"
    DIAMONDS = "diamonds"
    ZIGZAG = "zigzag"
    SPRINKLE = "sprinkle"
    BLOCKS = "blocks"
    CLOUDS = "clouds"


@dataclass(frozen=True)
class Cloth:
    """A cloth: motif, its three colours, its period (body heights) and the shape a sprinkle repeats."""

    motif: Motif
    base: Colour
    second: Colour
    third: Colour
    period: float
    shape: str
    seed: int


@dataclass(frozen=True)
class Proportions:
    """Lengths and half-widths of a body whose standing height is 1; `build` scales the widths."""

    head: float
    head_width: float
    jaw: float
    neck: float
    torso: float
    leg: float
    foot: float
    upper_arm: float
    forearm: float
    hand: float
    shoulder: float
    waist: float
    hip: float
    build: float

    @property
    def thigh(self) -> float:
        """Hip joint to knee; knee to ankle is as long."""
        return self.leg / 2


@dataclass(frozen=True)
class Face:
    """Features of a face; sizes are factors around 1."""

    eye: Colour
    eye_size: float
    eye_gap: float
    brow: float
    brow_lift: float
    nose: float
    mouth: float
    smile: float
    open_mouth: bool
    lips: Colour
    blush: float
    freckles: bool
    glasses: bool
    beard: str


@dataclass(frozen=True)
class Hair:
    """Hair style by its name and measures: hairline, how far the sides and the back fall (head heights /
    2)."""

    style: str
    colour: Colour
    hairline: float
    parting: float
    volume: float
    side: float
    back: float
    hat: Colour | None


@dataclass(frozen=True)
class Top:
    """The upper garment; `sleeve` is the covered share of the arm, `hem` below or above the hip line."""

    kind: str
    cloth: Cloth
    sleeve: float
    slack: float
    neckline: str
    trim: Colour
    inner: Colour
    print_shape: str
    print_colour: Colour
    print_size: float
    tucked: bool


@dataclass(frozen=True)
class Bottom:
    """The lower garment; `length` is the covered share of the leg."""

    kind: str
    cloth: Cloth
    length: float
    slack: float
    flare: float
    belt: Colour | None


@dataclass(frozen=True)
class Shoes:
    """Shoes and socks; `sock` is the covered share of the lower leg."""

    kind: str
    colour: Colour
    sole: Colour
    accent: Colour
    sock_colour: Colour
    sock: float
