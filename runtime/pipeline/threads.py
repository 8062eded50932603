"""Two threads around a loop: one that reads ahead of it and one that writes behind it.

    with ReadAhead(reader, depth=8) as frames, WriteBehind(write, depth=8) as output:
        for frame in frames:
            output.put(render(frame))

Whatever fails, in whichever thread, is raised in the loop as it was, and leaving the `with` stops and joins both
threads. Both wait on conditions, never on a clock.
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from dynast_deploy.media.frame_source import Policy

T = TypeVar("T")


class _Closed(Exception):
    """The other side of a channel is gone."""


class _Channel(Generic[T]):
    """At most `depth` items on their way from one thread to another; with `newest_only` the last one alone."""

    def __init__(self, depth: int, newest_only: bool = False) -> None:
        if depth < 1:
            raise ValueError(f"depth is {depth}, but at least one item must fit")
        self._depth = depth
        self._newest_only = newest_only
        self.dropped = 0
        """Items that a newer one replaced."""
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False

    def put(self, item: T) -> None:
        """Wait for room, or make it, and add `item`.

        Raises:
            _Closed: Once the taker has gone.
        """
        with self._changed:
            if self._newest_only and not self._closed:
                self.dropped += len(self._items)
                self._items.clear()
            self._changed.wait_for(lambda: len(self._items) < self._depth or self._closed)
            if self._closed:
                raise _Closed
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> T:
        """Wait for the next item.

        Raises:
            _Closed: After the last item, or when the channel was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._closed)
            if self._closed or not self._items:
                raise _Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """No more items will be put; those on their way can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Drop the items on their way and wake everyone up."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class ReadAhead(Generic[T]):
    """Iterates over `source` in a thread of its own, at most `depth` items ahead.

    With `Policy.NEWEST` a new item replaces the one that waits, and `dropped` counts those.

    An exception of the source is raised by the `next` that comes after its last item. Leaving the `with` early
    stops the thread after the item it is working on, and joins it. A generator is closed in the thread that ran it.
    """

    def __init__(self, source: Iterable[T], depth: int, policy: Policy = Policy.WAIT) -> None:
        self._source = source
        self._channel: _Channel[T] = _Channel(depth, policy is Policy.NEWEST)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="read-ahead")

    @property
    def dropped(self) -> int:
        """Items that were replaced by newer ones so far."""
        return self._channel.dropped

    def __enter__(self) -> ReadAhead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        try:
            self._thread.join()
        except BaseException:
            # Interrupted: what the thread reads from must not be closed under it.
            self._thread.join()
            raise

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with suppress(_Closed):
            return self._channel.take()
        # Raised out here, so that the error keeps its own cause and context.
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _run(self) -> None:
        try:
            iterator = iter(self._source)
            try:
                for item in iterator:
                    self._channel.put(item)
            finally:
                if inspect.isgenerator(iterator):
                    iterator.close()
        except _Closed:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._channel.end()


class WriteBehind(Generic[T]):
    """Calls `write(item)` for every item put, in order, in a thread of its own, at most `depth` items behind.

    An exception of `write` is raised by the next `put`, or on leaving the `with`; the items behind it are dropped.
    Leaving the `with` normally waits until everything is written; leaving it with an exception drops what waits,
    and joins the thread after the item it is working on.
    """

    def __init__(self, write: Callable[[T], object], depth: int) -> None:
        self._write = write
        self._channel: _Channel[T] = _Channel(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="write-behind")

    def put(self, item: T) -> None:
        """Hand `item` over, waiting for room; raises what `write` raised.

        Raises:
            RuntimeError: After the end of the `with` block.
        """
        with suppress(_Closed):
            self._channel.put(item)
            return
        if self._error is not None:
            raise self._error
        raise RuntimeError("put after the end of the with block")

    def __enter__(self) -> WriteBehind[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._channel.end()
        else:
            self._channel.close()
        try:
            self._thread.join()
        except BaseException:
            # Interrupted while draining: drop the rest.
            self._channel.close()
            self._thread.join()
            raise
        self._channel.close()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while True:
                self._write(self._channel.take())
        except _Closed:
            pass
        except BaseException as error:
            self._error = error
            self._channel.close()
