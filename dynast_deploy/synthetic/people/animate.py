"""A dance: poses that hit the beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dynast_deploy.synthetic.people.pose import Arm, Leg, Pose
from dynast_deploy.synthetic.people.skeleton import framed

BEATS_PER_MINUTE = 120.0

# Moves of the arms, each two keys that alternate from beat to beat: (right lift, right bend, left lift, left
# bend).
_MOVES: tuple[tuple[tuple[float, float, float, float], tuple[float, float, float, float]], ...] = (
    ((2.45, 0.35, 0.55, 1.25), (0.55, 1.25, 2.45, 0.35)),  # one fist up, then the other
    ((1.45, 1.35, 1.45, -1.15), (1.45, -1.15, 1.45, 1.35)),  # the wave
    ((2.60, 0.15, 2.60, 0.15), (1.85, 1.15, 1.85, 1.15)),  # hands in the air
    ((0.50, -1.15, 0.60, 1.35), (0.60, 1.35, 0.50, -1.15)),  # the twist
    ((2.30, 0.05, 0.75, -1.75), (0.95, -1.75, 0.75, -1.75)),  # point up, hand to the chest
    ((0.45, -1.55, 0.45, -1.55), (1.30, 0.25, 1.30, 0.25)),  # crossed, then wide
    ((0.75, 1.60, 0.75, 1.60), (0.95, 0.70, 0.95, 0.70)),  # raise the roof, low
)


def animate(rng: np.random.Generator, frames: int, fps: float) -> Iterator[Pose]:
    """The poses of a dance at `BEATS_PER_MINUTE`, one for each of `frames` frames at `fps` frames a second.

    Feet step in turn and stay where they are put, hips sway over them, arms change between the keys of a
    move and move on to another move every four beats. The dance ends where it begins when the frames fill an
    even number of beats. Scale and place are the same in all frames and keep everybody within the picture.
    """
    beats = frames / fps * BEATS_PER_MINUTE / 60
    count = max(2, 2 * round(beats / 2))
    arms = _arm_keys(rng, count)
    feet = _foot_keys(rng, count)
    phase = rng.uniform(0, 2 * np.pi)
    slow = max(1, round(count / 8))
    poses = []
    for frame in range(frames):
        beat = frame / fps * BEATS_PER_MINUTE / 60
        poses.append(_pose_at(beat, count, arms, feet, phase, slow))
    return iter(framed(poses))


def _arm_keys(rng: np.random.Generator, count: int) -> np.ndarray:
    """float64 [count, 4]: the arms' angles on each beat."""
    keys = np.empty((count, 4))
    order = rng.permutation(len(_MOVES))
    for beat in range(count):
        move = _MOVES[order[(beat // 4) % len(order)]]
        keys[beat] = move[beat % 2]
        if (beat // 4) % 2:
            keys[beat] = keys[beat][[2, 3, 0, 1]]
    return keys + rng.normal(0, 0.06, keys.shape)


def _foot_keys(rng: np.random.Generator, count: int) -> np.ndarray:
    """float64 [count, 2]: where the right and the left foot stand on each beat; even beats move the right
    one."""
    middle = 0.045 * np.sin(2 * np.pi * np.arange(count) / count + rng.uniform(0, 2 * np.pi))
    half = rng.uniform(0.055, 0.115, count)
    keys = np.stack([middle - half, middle + half], axis=1)
    for beat in range(2 * count):
        keys[beat % count, (beat + 1) % 2] = keys[(beat - 1) % count, (beat + 1) % 2]
    return keys


def _ease(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


def _pose_at(beat: float, count: int, arms: np.ndarray, feet: np.ndarray, phase: float, slow: int) -> Pose:
    now = int(beat)
    part = beat - now
    # Arms swing through and arrive on the beat; feet leave on the beat and are down well before the next.
    share = 0.5 - 0.5 * np.cos(np.pi * part)
    right_lift, right_bend, left_lift, left_bend = (1 - share) * arms[now % count] + share * arms[
        (now + 1) % count
    ]
    step = _ease(part / 0.65)
    right_x, left_x = (1 - step) * feet[now % count] + step * feet[(now + 1) % count]
    travelling = (now + 1) % 2
    rise = 0.035 * np.sin(np.pi * min(part / 0.65, 1.0)) ** 2
    moves = abs(feet[(now + 1) % count, travelling] - feet[now % count, travelling]) > 0.004
    up = [0.0, 0.0]
    up[travelling] = float(rise * moves)
    middle = (right_x + left_x) / 2
    # Hips swing over the foot that stands while the other travels: on even beats the right one, which is
    # on the picture's left.
    side = -np.cos(np.pi * (beat - 0.35))
    turn = np.sin(2 * np.pi * slow * beat / count + phase)
    bounce = np.cos(2 * np.pi * beat)
    wrist = 0.30 * np.sin(2 * np.pi * beat - 0.6)
    pose = Pose(
        x=0.5 + middle * 0.84,
        scale=0.84,
        ground=0.945,
        sway=0.030 * side,
        drop=0.020 + 0.014 * bounce,
        hip_tilt=-0.07 * side,
        lean=-0.05 * side + 0.04 * turn,
        shoulder_tilt=0.10 * side,
        turn=0.22 * turn + 0.10 * side,
        head_tilt=0.10 * side,
        head_turn=0.30 * np.sin(2 * np.pi * slow * beat / count + phase + 0.8),
        nod=0.15 + 0.35 * bounce,
        swing=0.55 * float(np.cos(np.pi * (beat - 0.35) - 1.1)),
    )
    return replace(
        pose,
        right_arm=Arm(right_lift, right_bend, wrist, 1.0, 0.97),
        left_arm=Arm(left_lift, left_bend, -wrist, 1.0, 0.97),
        right_leg=Leg(middle - right_x, up[0], 0.32 + 0.12 * bounce, 0.6),
        left_leg=Leg(left_x - middle, up[1], 0.32 + 0.12 * bounce, 0.6),
    )
