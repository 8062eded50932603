"""All sound of a source on its way into a file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dynast_deploy.media.frame_source import SoundSource
from dynast_deploy.media.sound import Sound

if TYPE_CHECKING:
    from av.container import OutputContainer


class SoundTracks:
    """The sound streams of a source, in their order, each a stream of `output` (see `Sound`).

    One that can neither be copied nor decoded is left out, and a note says so. The streams are closed with it.
    """

    def __init__(
        self, sources: Sequence[SoundSource], output: OutputContainer, copied: frozenset[str], encoder: str
    ) -> None:
        self._sources = sources
        self._tracks: list[Sound] = []
        self._notes: list[str] = []
        self.unwritten = 0
        """Copied packets that the file did not take."""
        try:
            for number, source in enumerate(sources, 1):
                self._add(source, number, output, copied, encoder)
        except BaseException:
            self.close()
            raise

    def _add(
        self, source: SoundSource, number: int, output: OutputContainer, copied: frozenset[str], encoder: str
    ) -> None:
        name = "sound" if len(self._sources) == 1 else f"sound {number} of {len(self._sources)}"
        try:
            track = Sound(source, output, copied, encoder)
        except ValueError as error:
            self._notes.append(f"{name} left out: {error}")
            return
        self._tracks.append(track)
        if not track.is_copied:
            self._notes.append(f"{name} re-encoded, {track.codec} to {encoder.removeprefix('lib')}")

    @property
    def notes(self) -> list[str]:
        """A few words on each track that was not simply copied, and on damage so far."""
        damaged = self.unwritten + sum(track.damaged for track in self._tracks)
        damage = (
            [f"{damaged} damaged packet{'s' if damaged > 1 else ''} of sound left out"] if damaged else []
        )
        return self._notes + damage

    @property
    def any_copied(self) -> bool:
        """Whether packets of any track are passed on unchanged, which may be damaged."""
        return any(track.is_copied for track in self._tracks)

    @property
    def start(self) -> Fraction | None:
        """When the first sound is heard, in seconds of the file's clock; None without any."""
        starts = [track.start for track in self._tracks]
        return min((start for start in starts if start is not None), default=None)

    def begin(self, offset: Fraction) -> None:
        """Set what is subtracted from every time, in seconds; call it before the first `write_until`."""
        for track in self._tracks:
            track.begin(offset)

    def write_until(self, time: Fraction | None) -> None:
        """Write all packets that start before `time` (seconds after the offset), or all there are for None."""
        for track in self._tracks:
            track.write_until(time)

    def finish(self) -> None:
        """Write what encoders and resamplers still hold."""
        for track in self._tracks:
            track.finish()

    def close(self) -> None:
        """Close the streams; safe to call again."""
        for source in self._sources:
            source.close()
