"""Parts of a face from MediaPipe's face mesh, run by ONNX Runtime, for the face condition.

Approximate. The published conditions were made from masks drawn by hand; the mesh gives smooth outlines of
skin, brows, eyes, nose, lips and mouth, and nothing of ears, glasses and hair. A face parser's masks are the
better input.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dynast_deploy.keypoints.detector import Detection, Detector
from dynast_deploy.keypoints.mediapipe_models import MediaPipeNetwork, open_network
from dynast_deploy.keypoints.regions import Region
from dynast_deploy.size import Size

FACE_NETWORKS = (MediaPipeNetwork.FACE_DETECTOR, MediaPipeNetwork.FACE_LANDMARKS)
STRIDES = (8, 16, 16, 16)
REGION_SCALE = 1.5
MIN_PRESENCE = 0.5
MESH = 468
"""Landmarks of the mesh; networks with irises have some more after them."""

# Landmarks of the mesh, from the picture's left to its right, for a face that looks at the camera.
# fmt: off
_UPPER_LIP_TOP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_UPPER_LIP_BOTTOM = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER_LIP_TOP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_LOWER_LIP_BOTTOM = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)

OUTLINES = {
    "skin": (
        10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
    ),
    "l_brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "r_brow": (336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
    "l_eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "r_eye": (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
    "nose": (168, 122, 174, 198, 48, 64, 98, 97, 2, 326, 327, 294, 278, 420, 399, 351),
    "u_lip": (*_UPPER_LIP_TOP, *reversed(_UPPER_LIP_BOTTOM)),
    "mouth": (*_UPPER_LIP_BOTTOM, *reversed(_LOWER_LIP_TOP)),
    "l_lip": (*_LOWER_LIP_TOP, *reversed(_LOWER_LIP_BOTTOM)),
}
# fmt: on
"""Outline of each part in the mesh. `l_` is taken for the left of the picture, not of the person."""


class FaceMesh:
    """MediaPipe's face networks: finds the largest face of a picture and the mesh of its landmarks."""

    def __init__(self, models: Path) -> None:
        """Load the networks in `models`, a bundle, wheel or folder of MediaPipe's.

        Raises:
            DynastError: Where they cannot be read or ONNX Runtime is missing.
        """
        self._detect = Detector(open_network(models, MediaPipeNetwork.FACE_DETECTOR), STRIDES)
        self._landmarks = open_network(models, MediaPipeNetwork.FACE_LANDMARKS)

    def __call__(self, photo: np.ndarray) -> np.ndarray | None:
        """Float64 [468, 2] in pixels of a photo, uint8 [H, W, 3] RGB, or None where no face is found.

        Raises:
            DynastError: Where the networks give something else than MediaPipe's do.
        """
        faces = [region_of(face) for face in self._detect(photo)]
        if not faces:
            return None
        region = max(faces, key=lambda face: face.side)
        network = self._landmarks
        outputs = network(region.crop(photo, network.size) / np.float32(255))
        mesh = network.pick(outputs, lambda each: each.size % 3 == 0 and each.size >= 3 * MESH).reshape(-1, 3)
        presence = network.pick(outputs, lambda each: each.size == 1)
        if 1 / (1 + np.exp(-presence.item())) < MIN_PRESENCE:
            return None
        return region.to_picture(mesh[:MESH, :2].astype(np.float64) / network.size)


def region_of(face: Detection) -> Region:
    """The square around a face, upright by the line between its eyes."""
    low, high = face.box[:2], face.box[2:]
    right_eye, left_eye = face.points[:2]
    angle = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
    return Region((low + high) / 2, REGION_SCALE * float((high - low).max()), angle)


def face_masks(photo: np.ndarray, mesh: FaceMesh) -> dict[str, np.ndarray]:
    """Masks of the parts of the one face in a photo, for `face_condition`.

    Args:
        photo: uint8 [H, W, 3], RGB.
        mesh: Finds the landmarks.

    Returns:
        Part name (keys of `OUTLINES`) to bool [H, W]. Parts overlap: the skin covers all of the face. Empty where no
        face is found.

    Raises:
        DynastError: Where the networks give something else than MediaPipe's do.
    """
    points = mesh(photo)
    return {} if points is None else masks_of_mesh(points, Size.of(photo))


def masks_of_mesh(points: np.ndarray, size: Size) -> dict[str, np.ndarray]:
    """Bool [H, W] masks of every part from the mesh, float [468, 2] in pixels; `size` is the picture's."""
    masks = {}
    for part, outline in OUTLINES.items():
        mask = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, [np.rint(points[list(outline)]).astype(np.int32)], (1,))
        masks[part] = mask.astype(bool)
    return masks
