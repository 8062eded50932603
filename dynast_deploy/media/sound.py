"""The sound of a source on its way into a file: copied packet by packet, or re-encoded."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from dynast_deploy.media.audio_resampler import EvenSamples
from dynast_deploy.media.frame_source import SoundSource
from dynast_deploy.media.kept_metadata import kept_of_stream
from dynast_deploy.media.pyav import fraction
from dynast_deploy.media.timestamps import ForwardClock

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

# How much of the sound that an edit list hides is kept for decoders to settle in, in seconds: Opus wants 80 ms.
_PREROLL = Fraction(1, 10)
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000})


class Sound:
    """One stream of sound, added to `output` as a stream of its own.

    Packets are copied where `output` takes their codec (`copied` names the codecs it does), else decoded and encoded
    with `encoder`. The source is read only as far as `write_until` asks, so that sound and pictures interleave and
    little is held in memory. Language, title and disposition are kept.
    """

    def __init__(
        self, sound: SoundSource, output: OutputContainer, copied: frozenset[str], encoder: str
    ) -> None:
        """Add the stream to `output`.

        Raises:
            ValueError: Where the sound can neither be copied nor decoded; it says why.
        """
        self._output, self._sound = output, sound
        source = sound.stream
        if source.codec_context is None:
            raise ValueError("PyAV has no decoder for it")
        self._source = source
        self._tick = fraction(source.time_base) or Fraction(1, 90_000)
        self.codec: str = source.codec_context.codec.canonical_name
        """Name of the source's codec, such as "aac"."""
        self.is_copied = self.codec in copied and _can_be_copied(sound, output.format.name)
        """Whether packets are passed on unchanged."""
        self._rate: int = source.codec_context.sample_rate or 48000
        self._stream = output.add_stream_from_template(source) if self.is_copied else self._encoded(encoder)
        self._stream.metadata.clear()
        self._stream.metadata.update(kept_of_stream(source.metadata, output.format.name))
        self._stream.disposition = source.disposition
        self.damaged = 0
        """Packets left out so far because they could not be read, decoded or stored."""
        self._offset = Fraction(0)
        self._timed = self._timed_packets()
        self._next: tuple[Fraction, Fraction, Packet[Any]] | None = next(self._timed, None)
        self._frame_clock = ForwardClock(may_restart=self._sound.may_restart)
        self._frame_length = Fraction(0)

    @property
    def start(self) -> Fraction | None:
        """When the sound is first heard, in seconds of the file's clock; None for a stream without a packet."""
        if self._next is None:
            return None
        if self._source.start_time is not None:
            # Packets before it only prime the decoder.
            return self._source.start_time * self._tick
        return self._next[0]

    def begin(self, offset: Fraction) -> None:
        """Set what is subtracted from every time, in seconds; call it before the first `write_until`."""
        self._offset = offset

    def write_until(self, time: Fraction | None) -> None:
        """Write all packets that start before `time` (seconds after the offset), or all there are for None."""
        while self._next is not None and (time is None or self._next[0] - self._offset < time):
            start, length, packet = self._next
            self._next = next(self._timed, None)
            if self.is_copied:
                self._copy(start, length, packet)
            else:
                self._encode(packet)

    def finish(self) -> None:
        """Write what encoder and resampler still hold."""
        if self.is_copied:
            return
        self._encode(None)
        for samples in [*self._resampler.push(None), None]:
            self._output.mux(self._stream.encode(samples))

    def _encoded(self, encoder: str) -> AudioStream:
        """A new stream for decoded sound.

        Raises:
            ValueError: Where the decoder cannot be opened.
        """
        import av

        source = self._source.codec_context
        try:
            source.open(strict=False)
        except av.error.FFmpegError as error:
            raise ValueError("its header is damaged") from error
        self._rate = 48000 if encoder == "libopus" or self._rate not in _AAC_RATES else self._rate
        layout = "mono" if source.channels == 1 else "5.1" if source.channels >= 6 else "stereo"
        bits = _BITS_PER_CHANNEL[encoder] * {"mono": 1, "stereo": 2, "5.1": 6}[layout]
        added = self._output.add_stream(encoder, rate=self._rate, layout=layout, bit_rate=bits)
        stream = cast("AudioStream", added)
        self._resampler = EvenSamples(stream.format.name, layout, self._rate)
        return stream

    def _timed_packets(self) -> Iterator[tuple[Fraction, Fraction, Packet[Any]]]:
        """Packets with their times and lengths in seconds."""
        clock = ForwardClock(may_restart=self._sound.may_restart)
        length = Fraction(1, 50)
        last: Fraction | None = None
        tick = self._tick
        expected: Fraction | None = None
        samples = self._source.codec_context.frame_size if self.is_copied else 0
        block = Fraction(samples, self._rate)
        try:
            for packet in self._sound.packets():
                if packet.duration:
                    length = packet.duration * tick
                stamp = packet.pts if packet.pts is not None else packet.dts
                stated = None if stamp is None else stamp * tick
                if self._is_hidden(packet, stated):
                    continue
                # Matroska rounds to milliseconds; packets that follow on each other within that are put back
                # to their exact places, which is what MP4's table of durations expects.
                if stated is not None and expected is not None and abs(stated - expected) <= tick:
                    stated = expected
                time = clock.stamp(stated, length)
                if not packet.duration and last is not None:
                    length = time - last
                expected = time + (block or length)
                last = time
                yield time, length, packet
        except OSError:
            self.damaged += 1
        self.damaged += self._sound.damaged

    def _is_hidden(self, packet: Packet[Any], time: Fraction | None) -> bool:
        """Whether an edit list hides a packet, so long before the sound begins that it is not worth copying."""
        start = self._source.start_time
        if not self.is_copied or not packet.is_discard or time is None or start is None:
            return False
        return time < start * self._tick - _PREROLL

    def _copy(self, start: Fraction, length: Fraction, packet: Packet[Any]) -> None:
        from av.error import FFmpegError

        packet.stream = self._stream
        packet.time_base = Fraction(1, self._rate)
        packet.pts = packet.dts = round((start - self._offset) * self._rate)
        # Matroska may leave it out, and MP4 drops a last packet that lasts no time.
        packet.duration = max(1, round(length * self._rate))
        try:
            self._output.mux(packet)
        except OSError:
            raise
        except FFmpegError:
            self.damaged += 1

    def _encode(self, packet: Packet[Any] | None) -> None:
        """Decode a packet, or what the decoder still holds for None, and encode what comes out."""
        from av.error import FFmpegError

        try:
            frames = self._source.codec_context.decode(packet)
        except FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            # Decoders hold packets back and swallow their priming, so frames state their own times.
            stated = None if frame.pts is None else frame.pts * self._tick
            time = self._frame_clock.stamp(stated, self._frame_length)
            self._frame_length = Fraction(frame.samples, frame.sample_rate)
            frame.pts = round((time - self._offset) * frame.sample_rate)
            frame.time_base = Fraction(1, frame.sample_rate)
            for samples in self._resampler.push(frame):
                self._output.mux(self._stream.encode(samples))


def _can_be_copied(sound: SoundSource, muxer: str) -> bool:
    """Whether the first packet of a stream makes a whole file of its own, in memory.

    A damaged header would otherwise show only when the output is completed, and take the pictures with it.
    """
    import av

    try:
        with av.open(BytesIO(), "w", format=muxer) as trial:
            copy = trial.add_stream_from_template(sound.stream)
            if (packet := sound.sample_packet()) is not None:
                packet.stream = copy
                trial.mux(packet)
    except (av.error.FFmpegError, ValueError):
        return False
    return True
