"""Checks and messages on frames in which no person, or no face, is detected, and on poses that do not fit a video."""

from __future__ import annotations

from dynast_deploy.condition_input import ConditionInput
from dynast_deploy.errors import DynastError
from dynast_deploy.media.frame_source import FrameSource
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer


def check_before(drawer: ConditionDrawer, source: FrameSource) -> None:
    """What is certain before a frame is rendered.

    Raises:
        DynastError: Where poses or parts are for another number of frames, or show no person in any frame.
    """
    check_count_early(drawer, source)
    if drawer.source is not None and drawer.source.is_empty:
        error = _no_person(drawer.source, drawer.source.frames or source.frame_count, source)
        raise error


def check_count_early(drawer: ConditionDrawer, source: FrameSource) -> None:
    """Refuse poses or parts for another number of frames before work is spent, where their number is certain.

    Raises:
        DynastError: Where they are for another number.
    """
    if source.counts_frames and source.frame_count is not None:
        drawer.check_frames(source.frame_count)


def check_anybody(drawer: ConditionDrawer, frames: int, source: FrameSource) -> None:
    """What is known after all frames are rendered.

    Raises:
        DynastError: Where no person, or no face, was detected in any of the `frames`.
    """
    if drawer.source is not None and drawer.empty == frames:
        error = _no_person(drawer.source, frames, source)
        raise error


def absence_note(drawer: ConditionDrawer) -> str | None:
    """One line on frames in which no person, or no face, was detected; None where there were none."""
    if drawer.source is None or not (drawer.held or drawer.empty):
        return None
    words, notes = drawer.source.words, []
    if drawer.held:
        notes.append(f"{drawer.held} kept {words.kept} before")
    if drawer.empty:
        notes.append(f"{drawer.empty} at the beginning show {words.absent}")
    return f"{words.absent} detected in {drawer.held + drawer.empty} frames: {', '.join(notes)}"


def _no_person(condition_input: ConditionInput, frames: int | None, source: FrameSource) -> DynastError:
    words = condition_input.words
    return DynastError(
        f"{source.origin}: {words.absent} detected in any of its {frames} frames ({words.option}: "
        f"{condition_input.origin}); give {words.wanted} with --{words.option} or choose another video"
    )
