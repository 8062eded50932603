"""Who a drawn face is, from a random generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.common.traits import Motif
from dynast_deploy.synthetic.common.wardrobe import sample_cloth
from dynast_deploy.synthetic.faces.traits import (
    Backdrop,
    Brows,
    Clothing,
    Complexion,
    Eyes,
    Glasses,
    Hair,
    Mouth,
    Skull,
)

FIRST_EVALUATION_SEED = 1_000_000

HAIR_STYLES = ("crop", "side", "fringe", "bob", "long", "curls", "bun", "shaved")

_IRISES: tuple[Colour, ...] = (
    (74, 46, 28),
    (48, 32, 24),
    (76, 118, 160),
    (92, 132, 86),
    (128, 92, 48),
    (110, 128, 136),
)
_SHADOWS: tuple[Colour, ...] = (
    (120, 84, 140),
    (70, 110, 160),
    (150, 90, 70),
    (60, 140, 130),
    (190, 110, 150),
)
_PAINTS: tuple[Colour, ...] = ((220, 60, 60), (50, 110, 210), (250, 210, 60), (250, 250, 250), (60, 170, 90))
_MOTIFS = dict.fromkeys(Motif, 1.0) | {Motif.PLAIN: 4.0}


@dataclass(frozen=True)
class Face:
    """A person. Equal seeds give equal people."""

    skull: Skull
    complexion: Complexion
    eyes: Eyes
    brows: Brows
    nose: float
    mouth: Mouth
    hair: Hair
    glasses: Glasses | None
    clothing: Clothing
    backdrop: Backdrop
    light: float
    seed: int

    @staticmethod
    def of_seed(seed: int) -> Face:
        """The person of a seed (0 or more): seeds below `FIRST_EVALUATION_SEED` train, those from it on evaluate."""
        rng = np.random.default_rng([seed, 7])
        skin = colours.jitter(colours.SKINS[rng.integers(len(colours.SKINS))], rng, 0.5)
        made_up = bool(rng.random() < 0.4)
        hair = sample_hair(rng, skin)
        return Face(
            skull=Skull(rng.uniform(0.68, 0.77), rng.uniform(0, 1), rng.uniform(1.0, 1.15)),
            complexion=sample_complexion(rng, skin, hair, made_up),
            eyes=Eyes(
                iris=colours.jitter(_IRISES[rng.integers(len(_IRISES))], rng),
                size=rng.uniform(0.88, 1.18),
                gap=rng.uniform(0.27, 0.315),
                slant=rng.uniform(-0.08, 0.16),
                crease=rng.uniform(0.03, 0.07),
                shadow=colours.jitter(_SHADOWS[rng.integers(len(_SHADOWS))], rng) if made_up else None,
                lashes=rng.uniform(0.6, 1.0) if made_up else rng.uniform(0.15, 0.6),
            ),
            brows=Brows(
                colour=colours.darker(colours.mix(hair.colour, skin, 0.15), 0.25),
                thickness=rng.uniform(0.55, 1.5),
                arch=rng.uniform(0.2, 1.6),
                lift=rng.uniform(-0.03, 0.04),
            ),
            nose=rng.uniform(0.8, 1.3),
            mouth=sample_mouth(rng, skin, made_up),
            hair=hair,
            glasses=sample_glasses(rng) if rng.random() < 0.25 else None,
            clothing=Clothing(
                cloth=sample_cloth(rng, _MOTIFS),
                neckline=str(rng.choice(("round", "vee", "collar"))),
                earring=colours.any_cloth(rng) if rng.random() < 0.3 else None,
            ),
            backdrop=sample_backdrop(rng),
            light=rng.uniform(-0.7, 0.7),
            seed=seed,
        )


def sample_hair(rng: np.random.Generator, skin: Colour) -> Hair:
    """Hair that can be told from the skin; one head in three is dyed in two colours."""
    style = str(rng.choice(HAIR_STYLES, p=(0.15, 0.15, 0.12, 0.14, 0.18, 0.12, 0.08, 0.06)))
    palette = colours.DYED_HAIRS if rng.random() < 0.15 else colours.HAIRS
    colour = colours.jitter(palette[rng.integers(len(palette))], rng, 0.7)
    for _ in range(8):
        if colours.difference(colour, skin) > 70:
            break
        colour = colours.jitter(colours.HAIRS[rng.integers(len(colours.HAIRS))], rng, 0.7)
    dye = str(rng.choice(("plain", "streaks", "tips", "half"), p=(0.62, 0.18, 0.12, 0.08)))
    second = colours.any_cloth(rng) if rng.random() < 0.5 else colours.lighter(colour, 0.35)
    side = {"bob": (0.6, 1.0), "long": (1.3, 1.9), "curls": (0.2, 1.1), "fringe": (-0.1, 0.5)}
    volume = {"curls": (0.2, 0.36), "shaved": (0.025, 0.045), "bun": (0.06, 0.1), "crop": (0.1, 0.2)}
    low, high = side.get(style, (-0.25, -0.05))
    hairline = rng.uniform(-0.42, -0.3) if style in ("fringe", "bob") else rng.uniform(-0.66, -0.5)
    return Hair(
        style=style,
        colour=colour,
        second=second,
        dye=dye,
        hairline=float(hairline),
        side=float(rng.uniform(low, high)),
        back=float({"bob": 0.95, "long": 1.9, "curls": 0.9}.get(style, 0.55) + rng.uniform(-0.1, 0.1)),
        sweep=float(rng.normal(0, 0.22)) if style in ("side", "long", "bob") else float(rng.normal(0, 0.05)),
        volume=float(rng.uniform(*volume.get(style, (0.1, 0.17)))),
        wave=1.0 if style == "curls" else float(rng.uniform(0, 0.7)),
    )


def sample_complexion(rng: np.random.Generator, skin: Colour, hair: Hair, made_up: bool) -> Complexion:
    """Draw skin, blush, freckles and stubble; stubble only with short hair and without make-up."""
    bearded = not made_up and hair.style not in ("bob", "long", "bun") and rng.random() < 0.6
    return Complexion(
        skin=skin,
        blush=rng.uniform(0.3, 0.8) if made_up else rng.uniform(0.05, 0.4),
        freckles=rng.uniform(0.3, 1.0) if rng.random() < 0.18 else 0.0,
        stubble=rng.uniform(0.2, 0.8) if bearded and rng.random() < 0.5 else 0.0,
        beard=str(rng.choice(("none", "full", "goatee", "moustache"))) if bearded else "none",
        lines=rng.uniform(0, 1) if rng.random() < 0.35 else 0.0,
        mark=(float(rng.uniform(-0.45, 0.45)), float(rng.uniform(0.15, 0.75)))
        if rng.random() < 0.25
        else None,
        paint=str(rng.choice(("stripes", "dots"))) if rng.random() < 0.12 else "none",
        paint_colour=_PAINTS[rng.integers(len(_PAINTS))],
    )


def sample_mouth(rng: np.random.Generator, skin: Colour, made_up: bool) -> Mouth:
    """Draw lips, painted where `made_up`, else near the skin's colour."""
    natural = colours.mix(colours.darker(skin, 0.2), (190.0, 70.0, 80.0), rng.uniform(0.3, 0.6))
    painted: tuple[Colour, ...] = ((190, 30, 50), (150, 30, 70), (220, 80, 110), (120, 40, 60), (200, 90, 60))
    lips = colours.jitter(painted[rng.integers(len(painted))], rng) if made_up else natural
    return Mouth(lips, rng.uniform(0.85, 1.15), rng.uniform(0.75, 1.35), (244, 240, 228))


def sample_glasses(rng: np.random.Generator) -> Glasses:
    """Draw a frame's colour, size, roundness and thickness."""
    dark: Colour = (40, 38, 42)
    colour = dark if rng.random() < 0.5 else colours.any_cloth(rng)
    return Glasses(colour, rng.uniform(0.9, 1.15), rng.uniform(0, 1), rng.uniform(0.014, 0.032))


def sample_backdrop(rng: np.random.Generator) -> Backdrop:
    """Draw the kind, the two colours and the seed of what is behind a head."""
    kind = str(rng.choice(("plain", "gradient", "bokeh", "stripes", "leaves")))
    first = colours.backdrop(rng) if rng.random() < 0.4 else colours.any_cloth(rng)
    return Backdrop(kind, first, colours.mix(first, colours.any_cloth(rng), 0.5), int(rng.integers(2**31)))
