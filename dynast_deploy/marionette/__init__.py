"""The marionette: procedural dressed people with exact correspondences."""

from dynast_deploy.marionette.identity import FIRST_EVALUATION_SEED, Identity
from dynast_deploy.marionette.parts import Part
from dynast_deploy.marionette.pose import Arm, Leg, Pose, sample_pose
from dynast_deploy.marionette.render import Figure, render

__all__ = ["FIRST_EVALUATION_SEED", "Arm", "Figure", "Identity", "Leg", "Part", "Pose", "render", "sample_pose"]
