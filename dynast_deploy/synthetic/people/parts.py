"""The parts of a marionette: what the first channel of a surface map counts."""

from __future__ import annotations

from enum import IntEnum


class Part(IntEnum):
    """One drawn sheet of a figure with its own (u, v) coordinates; `right` is the person's right."""

    BACKGROUND = 0
    HAIR_BACK = 1
    HAIR_TAIL = 2
    NECK = 3
    TORSO = 4
    PELVIS = 5
    SKIRT = 6
    HEAD = 7
    RIGHT_EAR = 8
    LEFT_EAR = 9
    HAIR = 10
    HAT = 11
    RIGHT_ARM = 12
    LEFT_ARM = 13
    RIGHT_HAND = 14
    LEFT_HAND = 15
    RIGHT_THUMB = 16
    LEFT_THUMB = 17
    RIGHT_SLEEVE = 18
    LEFT_SLEEVE = 19
    RIGHT_LEG = 20
    LEFT_LEG = 21
    RIGHT_TROUSER = 22
    LEFT_TROUSER = 23
    RIGHT_SHOE = 24
    LEFT_SHOE = 25


# Left limbs wear the mirrored texture of right ones, so that nothing but the pose tells left from right.
TEXTURE_OF = {part: part for part in Part} | {
    left: right
    for right, left in (
        (Part.RIGHT_EAR, Part.LEFT_EAR),
        (Part.RIGHT_ARM, Part.LEFT_ARM),
        (Part.RIGHT_HAND, Part.LEFT_HAND),
        (Part.RIGHT_THUMB, Part.LEFT_THUMB),
        (Part.RIGHT_SLEEVE, Part.LEFT_SLEEVE),
        (Part.RIGHT_LEG, Part.LEFT_LEG),
        (Part.RIGHT_TROUSER, Part.LEFT_TROUSER),
        (Part.RIGHT_SHOE, Part.LEFT_SHOE),
    )
}
