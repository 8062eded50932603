"""Times that only go forward."""

from fractions import Fraction

from dynast_deploy.media.timestamps import NUDGE, ForwardClock

STEP = Fraction(1, 25)


def stamps(*times: Fraction | int | None, may_restart: bool = False) -> list[Fraction]:
    clock = ForwardClock(may_restart=may_restart)
    return [clock.stamp(None if time is None else Fraction(time), STEP) for time in times]


def test_times_that_go_forward_are_kept_exactly_however_uneven() -> None:
    times = [Fraction(1, 7), Fraction(1, 3), Fraction(60), Fraction(60) + Fraction(1, 10**6)]
    assert stamps(*times) == times


def test_a_first_time_before_zero_is_kept() -> None:
    assert stamps(Fraction(-1, 50), 0) == [Fraction(-1, 50), 0]


def test_a_missing_time_follows_one_step_after_the_last() -> None:
    assert stamps(None, None, 5, None) == [0, STEP, 5, 5 + STEP]


def test_a_single_wrong_time_does_not_move_the_ones_after_it() -> None:
    assert stamps(1, 2, Fraction(3, 2), 3, 3, 4) == [1, 2, 2 + NUDGE, 3, 3 + NUDGE, 4]


def test_a_clock_that_starts_again_goes_on_where_it_was() -> None:
    assert stamps(20, 21, 0, 1, 2) == [20, 21, 21 + STEP, 22 + STEP, 23 + STEP]


def test_a_long_jump_forward_is_a_new_start_only_where_the_format_has_such() -> None:
    assert stamps(1, 2, 50, 51) == [1, 2, 50, 51]
    assert stamps(1, 2, 50, 51, may_restart=True) == [1, 2, 2 + STEP, 3 + STEP]


def test_a_jump_of_hours_is_damage() -> None:
    assert stamps(1, 1700, 9000) == [1, 1700, 1700 + STEP]
