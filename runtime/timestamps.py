"""Presentation times that only go forward, out of whatever a file states."""

from __future__ import annotations

from fractions import Fraction

# A jump back of this many seconds is a clock that started again (joined transport streams); anything shorter is a
# single wrong stamp. FFmpeg's own tools draw the line at the same ten seconds.
RESTART = Fraction(10)
# Fine enough to stay within a millisecond of the truth, coarse enough that no container merges two frames.
NUDGE = Fraction(1, 1000)


class ForwardClock:
    """Turns the stated times of one stream, in order, into strictly increasing ones.

    A time that goes forward is passed on exactly. A missing one becomes one step after the last. One that repeats
    or goes back a little is wrong by itself and becomes the last plus a millisecond, so the times after it stay
    true. A jump back of ten seconds or more is a clock that was started again: it, and all that follows, is moved
    to one step after the last. Jumps forward are kept: variable frame rates need them.
    """

    def __init__(self) -> None:
        self._last: Fraction | None = None
        self._shift = Fraction(0)

    def stamp(self, time: Fraction | None, step: Fraction) -> Fraction:
        """The time in seconds to use for the next item; `step` is the usual distance of two items, in seconds."""
        last = self._last
        if time is None:
            stamped = Fraction(0) if last is None else last + step
        else:
            stamped = time + self._shift
            if last is not None and stamped <= last - RESTART:
                self._shift += last + step - stamped
                stamped = last + step
            elif last is not None and stamped <= last:
                stamped = last + NUDGE
        self._last = stamped
        return stamped
