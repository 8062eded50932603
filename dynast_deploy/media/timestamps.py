"""Presentation times that only go forward, out of whatever a file states."""

from __future__ import annotations

from fractions import Fraction

# A jump back of this many seconds is a clock that started again (joined transport streams); anything shorter is a
# single wrong stamp. FFmpeg's own tools draw the line at the same ten seconds.
RESTART = Fraction(10)
# No picture stands still for longer; a header that says so is damaged. It also is what MP4's 32-bit table of
# durations holds at a microsecond's tick.
LONGEST_STILL = Fraction(1800)
# Fine enough to stay within a millisecond of the truth, coarse enough that no container merges two frames.
NUDGE = Fraction(1, 1000)


class ForwardClock:
    """Turns the stated times of one stream, in order, into strictly increasing ones.

    A time that goes forward is passed on exactly. A missing one becomes one step after the last. One that repeats
    or goes back a little is wrong by itself and becomes the last plus a millisecond, so the times after it stay
    true. A jump back of ten seconds or more is a clock that was started again: it, and all that follows, is moved
    to one step after the last. A jump forward is kept, as variable frame rates need, up to half an hour; beyond
    that it is damage and treated as a new start. `may_restart` is for formats whose clock does start again
    (transport streams): there ten seconds forward are a new start too, because a demuxer takes a jump back for one
    more turn of its 33-bit counter.
    """

    def __init__(self, *, may_restart: bool = False) -> None:
        self._longest_jump = RESTART if may_restart else LONGEST_STILL
        self._last: Fraction | None = None
        self._shift = Fraction(0)

    def stamp(self, time: Fraction | None, step: Fraction) -> Fraction:
        """The time in seconds to use for the next item; `step` is the usual distance of two items, in seconds."""
        last = self._last
        if time is None:
            stamped = Fraction(0) if last is None else last + step
        else:
            stamped = time + self._shift
            if last is not None and self._restarted(stamped - last):
                self._shift += last + step - stamped
                stamped = last + step
            elif last is not None and stamped <= last:
                stamped = last + NUDGE
        self._last = stamped
        return stamped

    def _restarted(self, jump: Fraction) -> bool:
        return jump <= -RESTART or jump >= self._longest_jump
