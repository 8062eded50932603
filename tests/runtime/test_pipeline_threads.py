"""Threads around a loop: nothing hangs, nothing is lost, every error arrives as it was."""

import threading
from collections.abc import Iterator

import pytest

from dynast_deploy.media.frame_source import Policy
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind


class Failure(Exception):
    pass


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def counting(stop_at: int | None = None, closed: list[str] | None = None) -> Iterator[int]:
    try:
        number = 0
        while True:
            if number == stop_at:
                raise Failure("reading")
            yield number
            number += 1
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


def test_all_items_arrive_in_order() -> None:
    written: list[int] = []
    with ReadAhead(range(100), depth=3) as items, WriteBehind(written.append, depth=3) as output:
        for item in items:
            output.put(item * item)
    assert written == [item * item for item in range(100)]


def test_reading_runs_at_most_depth_items_ahead() -> None:
    read: list[int] = []
    reached = threading.Event()

    def source() -> Iterator[int]:
        for number in range(50):
            read.append(number)
            if number == 4:
                reached.set()
            yield number

    with ReadAhead(source(), depth=3) as items:
        assert next(items) == 0
        assert reached.wait(20)  # one taken, three waiting, one in hand
        assert len(read) == 5


def test_an_error_while_reading_comes_after_the_items_before_it_and_keeps_its_cause() -> None:
    def source() -> Iterator[int]:
        yield 1
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise Failure("reading") from cause

    written: list[int] = []
    with (  # noqa: PT012
        pytest.raises(Failure, match="reading") as caught,
        ReadAhead(source(), depth=2) as items,
        WriteBehind(written.append, depth=2) as output,
    ):
        for item in items:
            output.put(item)
    assert isinstance(caught.value.__cause__, KeyError)
    assert set(written) <= {1}


def test_a_source_that_cannot_be_iterated_raises_in_the_loop() -> None:
    with pytest.raises(TypeError), ReadAhead(3, depth=1) as items:  # type: ignore[arg-type]
        next(items)


def test_an_error_in_the_loop_stops_an_endless_source_and_drops_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing, release = threading.Event(), threading.Event()
    written: list[int] = []
    closed: list[str] = []

    def write(item: int) -> None:
        writing.set()
        assert release.wait(20)
        written.append(item)

    output = WriteBehind(write, depth=4)
    close = output._channel.close

    def close_and_release() -> None:
        close()
        release.set()

    monkeypatch.setattr(output._channel, "close", close_and_release)
    with (  # noqa: PT012
        pytest.raises(Failure, match="working"),
        ReadAhead(counting(closed=closed), depth=2) as items,
        output,
    ):
        for item in items:
            output.put(item)
            if item == 2:
                assert writing.wait(20)
                raise Failure("working")
    assert written == [0]
    assert closed == ["read-ahead"]


def test_an_error_while_writing_stops_a_loop_that_waits_for_room() -> None:
    def write(item: int) -> None:
        if item == 3:
            raise Failure("writing")

    with (  # noqa: PT012
        pytest.raises(Failure, match="writing"),
        ReadAhead(counting(), depth=2) as items,
        WriteBehind(write, depth=1) as output,
    ):
        for item in items:
            output.put(item)


def test_an_error_while_writing_the_last_item_is_raised_on_leaving() -> None:
    def write(item: int) -> None:
        raise Failure("writing")

    output = WriteBehind(write, depth=8)
    with pytest.raises(Failure, match="writing"), output:
        output.put(1)


def test_the_error_in_the_loop_wins_over_a_later_one_while_writing() -> None:
    def write(item: int) -> None:
        raise Failure("writing")

    with pytest.raises(KeyboardInterrupt), WriteBehind(write, depth=8) as output:  # noqa: PT012
        output.put(1)
        raise KeyboardInterrupt


def test_leaving_early_stops_reading_and_closes_a_generator_in_its_thread() -> None:
    closed: list[str] = []
    with ReadAhead(counting(closed=closed), depth=2) as items:
        assert next(items) == 0
    assert closed == ["read-ahead"]


def test_stages_can_be_chained() -> None:
    with ReadAhead(range(20), depth=2) as first, ReadAhead(map(str, first), depth=2) as second:
        assert list(second) == [str(number) for number in range(20)]


def test_a_failing_first_stage_reaches_the_end_of_a_chain() -> None:
    with (
        pytest.raises(Failure, match="reading"),
        ReadAhead(counting(stop_at=5), depth=2) as first,
        ReadAhead(map(str, first), depth=2) as second,
    ):
        list(second)


def test_a_depth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ReadAhead(range(3), depth=0)


def test_of_live_items_the_newest_waits_and_those_it_replaces_are_counted() -> None:
    read = threading.Event()

    def source() -> Iterator[int]:
        yield from range(10)
        read.set()

    with ReadAhead(source(), depth=8, policy=Policy.NEWEST) as items:
        assert read.wait(20)
        assert list(items) == [9]
        assert items.dropped == 9
