"""Who a marionette is: build, face, hair, clothes and backdrop, drawn from a random generator.

The identity of seed `s` is `Identity.of_seed(s)`. Training draws its identities from seeds below
`FIRST_EVALUATION_SEED`, evaluation from that seed on, so that no garment, pattern or face that a
network was trained on (all of them are sampled with the identity) is ever evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.synthetic.common import colours, wardrobe
from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.common.traits import Bottom, Face, Hair, Proportions, Shoes, Top

FIRST_EVALUATION_SEED = 1_000_000


@dataclass(frozen=True)
class Identity:
    """A dressed person and the backdrop of their photographs. Equal seeds give equal identities."""

    proportions: Proportions
    skin: Colour
    face: Face
    hair: Hair
    top: Top
    bottom: Bottom
    shoes: Shoes
    wall: Colour
    floor: Colour

    @staticmethod
    def sample(rng: np.random.Generator) -> Identity:
        """Draw a person; everything about them comes from `rng`."""
        skin = colours.jitter(colours.SKINS[rng.integers(len(colours.SKINS))], rng, 0.4)
        hair = wardrobe.sample_hair(rng, skin)
        top = wardrobe.sample_top(rng)
        bottom = wardrobe.sample_bottom(rng, top, skin)
        wall = colours.backdrop(rng)
        for _ in range(8):
            if colours.difference(wall, top.cloth.base) > 60:
                break
            wall = colours.backdrop(rng)
        return Identity(
            proportions=_sample_proportions(rng),
            skin=skin,
            face=wardrobe.sample_face(rng, skin, hair),
            hair=hair,
            top=top,
            bottom=bottom,
            shoes=wardrobe.sample_shoes(rng),
            wall=wall,
            floor=colours.mix(colours.darker(wall, rng.uniform(0.03, 0.12)), colours.backdrop(rng), 0.35),
        )

    @staticmethod
    def of_seed(seed: int) -> Identity:
        """The person of a seed (0 or more); see the module's text on which seeds train and which evaluate."""
        return Identity.sample(np.random.default_rng(seed))


def _sample_proportions(rng: np.random.Generator) -> Proportions:
    head = rng.uniform(0.158, 0.188)
    neck = rng.uniform(0.026, 0.036)
    foot = rng.uniform(0.036, 0.042)
    leg = rng.uniform(0.447, 0.478)
    build = float(np.clip(rng.normal(1.0, 0.11), 0.82, 1.28))
    shoulder = rng.uniform(0.096, 0.114) * (0.7 + 0.3 * build)
    hip = rng.uniform(0.082, 0.094) * (0.45 + 0.55 * build)
    return Proportions(
        head=head,
        head_width=rng.uniform(0.78, 0.88),
        jaw=rng.uniform(0.0, 1.0),
        neck=neck,
        torso=1.0 - head - neck - leg - foot,
        leg=leg,
        foot=foot,
        upper_arm=rng.uniform(0.148, 0.162),
        forearm=rng.uniform(0.132, 0.144),
        hand=rng.uniform(0.068, 0.078),
        shoulder=shoulder,
        waist=hip * rng.uniform(0.80, 0.98),
        hip=hip,
        build=build,
    )
