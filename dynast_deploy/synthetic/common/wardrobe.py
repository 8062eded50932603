"""What a marionette may look like and wear: the random choices behind an identity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.common.traits import Bottom, Cloth, Face, Hair, Motif, Shoes, Top

SHAPES = ("star", "heart", "flower", "disc", "leaf", "drop", "cross", "ring")
PRINTS = (
    "star",
    "heart",
    "flower",
    "sun",
    "moon",
    "rainbow",
    "letter",
    "cat",
    "bolt",
    "peaks",
    "ring",
    "badge",
)
HAIR_STYLES = ("short", "side", "fringe", "bob", "long", "tail", "bun", "curls", "shaved")

# Relative frequency of motifs; patterned cloth is what a correspondence can be seen by.
_TOP_MOTIFS = {
    Motif.PLAIN: 5,
    Motif.STRIPES: 5,
    Motif.UPRIGHT_STRIPES: 1,
    Motif.DIAGONALS: 1,
    Motif.CHECKS: 2,
    Motif.PLAID: 2,
    Motif.DOTS: 3,
    Motif.DIAMONDS: 1,
    Motif.ZIGZAG: 1,
    Motif.SPRINKLE: 3,
    Motif.BLOCKS: 2,
    Motif.CLOUDS: 1,
}
_BOTTOM_MOTIFS = {
    Motif.PLAIN: 9,
    Motif.UPRIGHT_STRIPES: 1,
    Motif.CHECKS: 1,
    Motif.PLAID: 1,
    Motif.DOTS: 1,
    Motif.SPRINKLE: 1,
    Motif.ZIGZAG: 0.5,
    Motif.CLOUDS: 0.5,
}


def sample_hair(rng: np.random.Generator, skin: Colour) -> Hair:
    """Hair that stands out from the skin, now and then under a hat."""
    style = str(rng.choice(HAIR_STYLES))
    palette = colours.DYED_HAIRS if rng.random() < 0.05 else colours.HAIRS
    colour = colours.jitter(palette[rng.integers(len(palette))], rng, 0.6)
    for _ in range(8):
        if colours.difference(colour, skin) > 70:
            break
        colour = colours.jitter(colours.HAIRS[rng.integers(len(colours.HAIRS))], rng, 0.6)
    side = {"bob": rng.uniform(0.55, 0.95), "long": rng.uniform(0.9, 1.5), "curls": rng.uniform(0.2, 0.8)}
    back = {"bob": rng.uniform(0.75, 1.05), "long": rng.uniform(1.5, 2.5), "curls": rng.uniform(0.5, 1.2)}
    volume = {
        "curls": rng.uniform(0.28, 0.5),
        "shaved": 0.035,
        "fringe": rng.uniform(0.1, 0.17),
        "bun": 0.09,
        "tail": 0.09,
    }
    return Hair(
        style=style,
        colour=colour,
        hairline=rng.uniform(-0.26, -0.1) if style in ("fringe", "bob") else rng.uniform(-0.52, -0.36),
        parting=rng.uniform(-0.5, 0.5),
        volume=volume.get(style, rng.uniform(0.13, 0.24)),
        side=side.get(style, rng.uniform(0.02, 0.2)),
        back=back.get(style, 0.45),
        hat=colours.any_cloth(rng) if rng.random() < 0.12 and style not in ("bun", "curls") else None,
    )


def sample_face(rng: np.random.Generator, skin: Colour, hair: Hair) -> Face:
    """A friendly face."""
    lips = colours.mix(colours.darker(skin, 0.25), (190.0, 60.0, 70.0), rng.uniform(0.25, 0.75))
    bearded = hair.style in ("short", "side", "shaved", "curls") and sum(hair.colour) < sum(skin) - 90
    irises: tuple[Colour, ...] = ((70, 45, 30), (45, 30, 25), (70, 110, 150), (80, 120, 80), (120, 85, 45))
    return Face(
        eye=irises[rng.integers(len(irises))],
        eye_size=rng.uniform(0.9, 1.25),
        eye_gap=rng.uniform(0.92, 1.1),
        brow=rng.uniform(0.7, 1.5),
        brow_lift=rng.uniform(-0.03, 0.05),
        nose=rng.uniform(0.8, 1.25),
        mouth=rng.uniform(0.85, 1.25),
        smile=rng.uniform(0.2, 1.0),
        open_mouth=bool(rng.random() < 0.35),
        lips=lips,
        blush=rng.uniform(0.1, 0.5),
        freckles=bool(rng.random() < 0.12),
        glasses=bool(rng.random() < 0.14),
        beard=str(rng.choice(("none", "stubble", "full", "moustache"), p=(0.55, 0.2, 0.15, 0.1)))
        if bearded
        else "none",
    )


def sample_top(rng: np.random.Generator) -> Top:
    """A T-shirt, jumper, shirt, jacket, vest or dress."""
    kind = str(
        rng.choice(
            ("tee", "jumper", "shirt", "jacket", "vest", "dress"), p=(0.3, 0.2, 0.14, 0.14, 0.06, 0.16)
        )
    )
    cloth = sample_cloth(rng, _TOP_MOTIFS)
    sleeve = {
        "tee": rng.uniform(0.28, 0.5),
        "vest": 0.0,
        "dress": float(rng.choice((0.0, rng.uniform(0.2, 0.42), 0.93))),
        "shirt": float(rng.choice((0.4, 0.94), p=(0.3, 0.7))),
    }
    slack = {"jumper": rng.uniform(0.3, 0.7), "jacket": rng.uniform(0.35, 0.65), "vest": 0.0}
    necklines = {
        "jumper": ("round", "high", "vee"),
        "shirt": ("collar",),
        "jacket": ("lapel",),
        "vest": ("scoop",),
        "dress": ("scoop", "round", "collar"),
    }
    trim = colours.contrasting_cloth(rng, cloth.base, least=60)
    printable = cloth.motif in (Motif.PLAIN, Motif.BLOCKS) and kind in ("tee", "jumper", "vest", "dress")
    return Top(
        kind=kind,
        cloth=cloth,
        sleeve=sleeve.get(kind, rng.uniform(0.88, 0.97)),
        slack=slack.get(kind, rng.uniform(0.05, 0.4)),
        neckline=str(rng.choice(necklines.get(kind, ("round", "round", "vee")))),
        trim=trim if rng.random() < 0.5 else colours.darker(cloth.base, 0.14),
        inner=colours.contrasting_cloth(rng, cloth.base, least=80),
        print_shape=str(rng.choice(PRINTS)) if printable and rng.random() < 0.8 else "none",
        print_colour=colours.contrasting_cloth(rng, cloth.base, least=110),
        print_size=rng.uniform(0.052, 0.078) if rng.random() < 0.75 else 0.02,
        tucked=bool(kind in ("tee", "shirt", "vest") and rng.random() < 0.4),
    )


def sample_bottom(rng: np.random.Generator, top: Top, skin: Colour) -> Bottom:
    """Trousers, jeans, shorts, a skirt or leggings; under a dress, the dress's own skirt."""
    belt = colours.contrasting_cloth(rng, top.cloth.base) if rng.random() < 0.6 else None
    if top.kind == "dress":
        return Bottom("skirt", top.cloth, rng.uniform(0.36, 0.75), 0.3, rng.uniform(0.2, 1.0), belt)
    kind = str(
        rng.choice(("trousers", "jeans", "shorts", "skirt", "leggings"), p=(0.3, 0.24, 0.2, 0.18, 0.08))
    )
    cloth = sample_cloth(rng, _BOTTOM_MOTIFS)
    for _ in range(8):
        if colours.difference(cloth.base, top.cloth.base) > 75 and colours.difference(cloth.base, skin) > 70:
            break
        cloth = sample_cloth(rng, _BOTTOM_MOTIFS)
    if kind == "jeans":
        base = colours.jitter(colours.DENIMS[rng.integers(len(colours.DENIMS))], rng, 0.7)
        cloth = Cloth(Motif.PLAIN, base, colours.lighter(base, 0.25), base, 0.05, "disc", 0)
    length = {"shorts": rng.uniform(0.3, 0.5), "skirt": rng.uniform(0.3, 0.8)}
    slack = {"leggings": 0.02, "jeans": rng.uniform(0.1, 0.4), "shorts": rng.uniform(0.25, 0.6)}
    return Bottom(
        kind=kind,
        cloth=cloth,
        length=length.get(kind, rng.uniform(0.9, 0.98)),
        slack=slack.get(kind, rng.uniform(0.15, 0.6)),
        flare=rng.uniform(0.1, 1.0),
        belt=belt if kind != "leggings" else None,
    )


def sample_shoes(rng: np.random.Generator) -> Shoes:
    """Trainers, plain shoes or boots."""
    colour = colours.any_cloth(rng)
    sole = (240.0, 238.0, 232.0) if rng.random() < 0.55 else colours.darker(colour, 0.45)
    return Shoes(
        kind=str(rng.choice(("trainer", "plain", "boot"), p=(0.5, 0.25, 0.25))),
        colour=colour,
        sole=sole,
        accent=colours.contrasting_cloth(rng, colour),
        sock_colour=colours.any_cloth(rng) if rng.random() < 0.5 else (244.0, 242.0, 238.0),
        sock=float(rng.choice((0.0, rng.uniform(0.12, 0.3), rng.uniform(0.5, 0.8)), p=(0.3, 0.5, 0.2))),
    )


def sample_cloth(rng: np.random.Generator, weights: Mapping[Motif, float]) -> Cloth:
    """A cloth whose motif is drawn by `weights` and whose colours differ visibly."""
    motifs = list(weights)
    chances = np.array([weights[m] for m in motifs], dtype=np.float64)
    motif = motifs[int(rng.choice(len(motifs), p=chances / chances.sum()))]
    base = colours.any_cloth(rng)
    second = colours.contrasting_cloth(rng, base, least=120)
    return Cloth(
        motif=motif,
        base=base,
        second=second,
        third=colours.contrasting_cloth(rng, base, second, least=80),
        # 11 to 26 pixels of a 256-pixel picture: a match that is 3 pixels off still falls into the same stripe.
        period=float(np.exp(rng.uniform(np.log(0.05), np.log(0.12)))),
        shape=str(rng.choice(SHAPES)),
        seed=int(rng.integers(2**31)),
    )
