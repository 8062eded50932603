"""Keypoints from COCO's annotations: images by their ids, and people that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.json_people import NO_PEOPLE, canvas_of, pose_of, stacked
from dynast_deploy.keypoints.recording import Frame, Recording, named, picture_name, printable


@dataclass
class CocoAnnotations:
    """COCO's annotations: `images` and `annotations` come in any order."""

    path: Path
    images: dict[Any, Frame] = field(default_factory=dict)
    poses: dict[Any, list[np.ndarray | None]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is anything of them."""
        return bool(self.images or self.poses)

    def add_image(self, image: Any) -> None:
        """Add one of `images`.

        Raises:
            DynastError: Where it has no id.
        """
        if not isinstance(image, dict) or not isinstance(image.get("id"), (int, str)):
            raise DynastError(f"{self.path}: not COCO's keypoint annotations (an image without id)")
        number = image["id"]
        name = image.get("file_name")
        canvas = canvas_of(image, f"{self.path}, image {printable(number)}")
        picture = picture_name(name) if isinstance(name, str) else None
        self.images[number] = Frame(NO_PEOPLE, canvas, picture, number if isinstance(number, int) else None)

    def add_annotation(self, annotation: Any) -> None:
        """Add one of `annotations`.

        Raises:
            DynastError: Where it has no `image_id`, or its keypoints are those of no known skeleton.
        """
        if not isinstance(annotation, dict) or not isinstance(annotation.get("image_id"), (int, str)):
            raise DynastError(
                f"{self.path}: not COCO's keypoint annotations (an annotation without image_id)"
            )
        poses = self.poses.setdefault(annotation["image_id"], [])
        if annotation.get("keypoints"):
            poses.append(
                pose_of(
                    annotation, f"{self.path}, annotation {printable(annotation.get('id', len(self.poses)))}"
                )
            )

    def recording(self) -> Recording:
        """One frame for each of `images`: in the order of their names where all have one, else of their ids.

        Raises:
            DynastError: Where keypoints belong to no image, there is no frame, or there are too many.
        """
        strangers = [image for image in self.poses if image not in self.images]
        if strangers:
            raise DynastError(
                f"{self.path}: not COCO's keypoint annotations (no image {printable(strangers[0])} among its images)"
            )
        frames = [
            Frame(stacked(self.poses.get(image, [])), frame.canvas, frame.name, frame.number)
            for image, frame in self.images.items()
        ]
        return named(str(self.path), frames)
