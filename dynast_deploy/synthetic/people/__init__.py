"""The marionette: procedural dressed people with exact correspondences.

    who = Identity.of_seed(7)
    target = render(who, sample_pose(rng), size=256)      # picture, keypoints, surface
    exemplar = render(who, sample_pose(rng), size=256)
    position, visible = correspondence(target, exemplar)  # where the exemplar shows what the target shows

Training uses seeds below `FIRST_EVALUATION_SEED`, evaluation the seeds from there on.
"""

from dynast_deploy.synthetic.people.animate import animate
from dynast_deploy.synthetic.people.correspondence import correspondence
from dynast_deploy.synthetic.people.identity import FIRST_EVALUATION_SEED, Identity
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.pose import Arm, Leg, Pose
from dynast_deploy.synthetic.people.poses import sample_pose
from dynast_deploy.synthetic.people.render import Figure, render

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
