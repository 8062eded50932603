"""The sound of a media file as a source of packets, apart from the reader of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dynast_deploy.media.packets import Packets, read_only
from dynast_deploy.media.pyav import open_input
from dynast_deploy.media.video_file import may_restart

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


class FileSound:
    """Sound stream number `index` of the file `path`, which is opened once more for it; see `SoundSource`."""

    def __init__(self, path: Path, index: int) -> None:
        """Open the file.

        Raises:
            OSError: Where it cannot be opened any more.
        """
        self._path = path
        self._container = open_input(path)
        self.stream = cast("AudioStream", self._container.streams[index])
        self.may_restart = may_restart(self._container)
        read_only(self._container, self.stream)
        self._packets = Packets(self._container, self.stream)

    @property
    def damaged(self) -> int:
        """Packets skipped so far because they could not be read."""
        return self._packets.damaged

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets in their order, once.

        Raises:
            OSError: Where the file cannot be read any further.
        """
        return iter(self._packets)

    def sample_packet(self) -> Packet[Any] | None:
        """The first packet with sound in it, read from the file apart from `packets`; None where there is none.

        Raises:
            FFmpegError: Where the file cannot be read.
        """
        with open_input(self._path) as container:
            for packet in container.demux(container.streams[self.stream.index]):
                if packet.size:
                    return packet
        return None

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._container.close()


def open_file_sound(path: Path) -> list[FileSound]:
    """Every sound stream of the file `path`, in their order.

    Raises:
        FFmpegError: Where the file cannot be opened; some of them are OSError, too.
    """
    with open_input(path) as container:
        indices = [stream.index for stream in container.streams.audio]
    return [FileSound(path, index) for index in indices]
