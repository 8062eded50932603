"""The marionette: procedural dressed people with exact correspondences.

    who = Identity.of_seed(7)
    target = render(who, sample_pose(rng), size=256)      # picture, keypoints, surface
    exemplar = render(who, sample_pose(rng), size=256)
    position, visible = correspondence(target, exemplar)  # where the exemplar shows what the target shows

Training uses seeds below `FIRST_EVALUATION_SEED`, evaluation the seeds from there on.
"""

from dynast_deploy.marionette.animate import animate
from dynast_deploy.marionette.correspondence import correspondence
from dynast_deploy.marionette.identity import FIRST_EVALUATION_SEED, Identity
from dynast_deploy.marionette.parts import Part
from dynast_deploy.marionette.pose import Arm, Leg, Pose
from dynast_deploy.marionette.poses import sample_pose
from dynast_deploy.marionette.render import Figure, render

__all__ = [
    "FIRST_EVALUATION_SEED",
    "Arm",
    "Figure",
    "Identity",
    "Leg",
    "Part",
    "Pose",
    "animate",
    "correspondence",
    "render",
    "sample_pose",
]
