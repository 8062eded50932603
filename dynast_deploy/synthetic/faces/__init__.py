"""Drawn faces: procedural portraits with exact masks of their parts and exact correspondences.

    who = Face.of_seed(7)
    target = render(who, sample_view(rng), size=256)      # picture, masks, surface
    exemplar = render(who, sample_view(rng), size=256)
    position, visible = correspondence(target, exemplar)  # where the exemplar shows what the target shows

Training uses seeds below `FIRST_EVALUATION_SEED`, evaluation the seeds from there on.
"""

from dynast_deploy.synthetic.faces.correspondence import correspondence
from dynast_deploy.synthetic.faces.identity import FIRST_EVALUATION_SEED, Face
from dynast_deploy.synthetic.faces.labels import FaceLayer
from dynast_deploy.synthetic.faces.render import Portrait, render
from dynast_deploy.synthetic.faces.view import View, sample_view

__all__ = [
    "FIRST_EVALUATION_SEED",
    "Face",
    "FaceLayer",
    "Portrait",
    "View",
    "correspondence",
    "render",
    "sample_view",
]
