"""The packets of a media file, past what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

# Reads that fail one after the other before the rest of a file is given up.
_MOST_FAILED_READS = 1000


class Packets:
    """An iterator over the packets of `container`, in the file's order; of `streams` alone where they are named.

    What cannot be read is skipped and counted. Iterating raises OSError where the file itself cannot be read any
    further.
    """

    def __init__(self, container: InputContainer, *streams: Stream) -> None:
        self._container = container
        self._streams = streams
        self.damaged = 0
        """Reads that failed so far."""

    def __iter__(self) -> Iterator[Packet[Any]]:
        from av.error import FFmpegError

        failed = 0
        while failed < _MOST_FAILED_READS:
            try:
                for packet in self._container.demux(*self._streams):
                    failed = 0
                    if packet.size:
                        yield packet
                return
            except OSError:
                raise
            except (FFmpegError, IndexError):
                # PyAV raises the second where damage in a transport stream looks like one more stream.
                self.damaged += 1
                failed += 1


def read_only(container: InputContainer, *streams: Stream) -> None:
    """Leave out all streams of `container` but `streams`; containers that can will not even read the others."""
    from av.stream import Discard

    kept = {stream.index for stream in streams}
    for stream in container.streams:
        if stream.index not in kept:
            stream.discard = Discard.all
