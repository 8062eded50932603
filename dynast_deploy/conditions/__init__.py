"""What the network sees of a pose, a face or a picture.

Conditions are uint8 [S, H, W]; the network takes them as float32, divided by 255. Poses have S = 20, faces
15, content pictures of style transfer 3.
"""

from dynast_deploy.conditions.face import FACE_PARTS, face_condition
from dynast_deploy.conditions.picture import picture_tensor, style_condition, tensor_picture
from dynast_deploy.conditions.pose import pose_condition

__all__ = [
    "FACE_PARTS",
    "face_condition",
    "picture_tensor",
    "pose_condition",
    "style_condition",
    "tensor_picture",
]
