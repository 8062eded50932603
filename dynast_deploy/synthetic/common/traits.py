"""The traits that make up an identity: build, face, hair and clothes, as plain immutable records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dynast_deploy.synthetic.common.colours import Colour


class Motif(StrEnum):
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
    """Features of a face.

    Sizes are factors around 1, `smile` and `blush` go from 0 to 1, `brow_lift` is in half head heights and
    `beard` is none, stubble, full or moustache.
    """

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
    """Hair: the style's name (see wardrobe.HAIR_STYLES) and its measures in half head heights.

    `hairline`, `side` and `back` are heights on the head, -1 at the crown and 1 at the chin: where the hair
    begins over the forehead and how far it falls at the sides and behind. `parting` goes from the picture's
    left (-1) to its right (1), `volume` is how far hair stands off. `hat` is a knitted hat's colour.
    """

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
    """The upper garment: tee, jumper, shirt, jacket, vest or dress.

    `sleeve` is the covered share of the arm, `slack` how loose it hangs (0..1), `inner` the colour of what an
    open jacket shows, `print_size` the radius in body heights of a print (see wardrobe.PRINTS, or none).
    """

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
    """The lower garment: trousers, jeans, shorts, leggings or skirt (a dress's own skirt too).

    `length` is the covered share of the leg; `slack` and `flare` (0..1) are how loose and how bell-shaped it
    hangs.
    """

    kind: str
    cloth: Cloth
    length: float
    slack: float
    flare: float
    belt: Colour | None


@dataclass(frozen=True)
class Shoes:
    """Shoes (trainer, plain or boot) and socks; `sock` is the covered share of the lower leg."""

    kind: str
    colour: Colour
    sole: Colour
    accent: Colour
    sock_colour: Colour
    sock: float
