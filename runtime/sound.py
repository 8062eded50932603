"""The sound of a video file on its way into another: copied packet by packet, or encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dynast_deploy.runtime.even_samples import EvenSamples
from dynast_deploy.runtime.pyav import fraction, open_input
from dynast_deploy.runtime.timestamps import ForwardClock
from dynast_deploy.runtime.video_file import may_restart

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

# Reads that fail one after the other before the rest of the sound is given up.
_MOST_FAILED_READS = 1000
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000})


class Sound:
    """The best sound stream of `path`, added to `output` as a stream of its own.

    Packets are copied where `output` takes their codec (`copied` names the codecs it does), else decoded and encoded
    with `encoder`. The file is opened a second time, apart from whoever reads its pictures, and read only as far
    as `write_until` asks, so that sound and pictures interleave and little is held in memory.

    Raises ValueError when the file has no sound stream that can be copied or decoded.
    """

    def __init__(self, path: Path, output: OutputContainer, copied: frozenset[str], encoder: str) -> None:
        import av
        from av.stream import Discard

        self._output = output
        self._container = open_input(path)
        try:
            source = cast("AudioStream | None", self._container.streams.best("audio"))
            if source is None:
                raise ValueError(f"{path} has no sound")
            if source.codec_context is None:
                raise ValueError(f"PyAV has no decoder for the sound of {path}")
            for stream in self._container.streams:
                if stream.index != source.index:
                    stream.discard = Discard.all  # containers that can will not even read the pictures
            self._source = source
            self._tick = fraction(source.time_base) or Fraction(1, 90_000)
            self.codec: str = source.codec_context.codec.canonical_name
            """Name of the source's codec, such as "aac"."""
            self.is_copied = self.codec in copied and _can_be_copied(path, source.index, output.format.name)
            """Whether packets are passed on unchanged."""
            self._rate: int = source.codec_context.sample_rate or 48000
            if self.is_copied:
                self._stream: AudioStream = output.add_stream_from_template(source)
            else:
                try:
                    source.codec_context.open(strict=False)
                except av.error.FFmpegError as error:
                    raise ValueError(f"the sound of {path} has a damaged header") from error
                self._rate = 48000 if encoder == "libopus" or self._rate not in _AAC_RATES else self._rate
                channels = source.codec_context.channels
                layout = {1: "mono", 6: "5.1"}.get(channels, "stereo")
                bits = _BITS_PER_CHANNEL[encoder] * {"mono": 1, "stereo": 2, "5.1": 6}[layout]
                added = output.add_stream(encoder, rate=self._rate, layout=layout, bit_rate=bits)
                self._stream = cast("AudioStream", added)
                self._resampler = EvenSamples(self._stream.format.name, layout, self._rate)
            if language := source.metadata.get("language"):
                self._stream.metadata["language"] = language
        except BaseException:
            self._container.close()
            raise
        self.damaged = 0
        """Packets left out so far because they could not be read, decoded or stored."""
        self._offset = Fraction(0)
        self._timed = self._timed_packets()
        self._next: tuple[Fraction, Fraction, Packet] | None = next(self._timed, None)
        self._frame_clock = ForwardClock(may_restart=may_restart(self._container))
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

    def close(self) -> None:
        """Close the source; safe to call again."""
        self._container.close()

    def _timed_packets(self) -> Iterator[tuple[Fraction, Fraction, Packet]]:
        """Packets with their times and lengths in seconds."""
        from av.error import FFmpegError

        clock = ForwardClock(may_restart=may_restart(self._container))
        length = Fraction(1, 50)
        last: Fraction | None = None
        tick = self._tick
        expected: Fraction | None = None
        samples = self._source.codec_context.frame_size if self.is_copied else 0
        block = Fraction(samples, self._rate)
        failed = 0
        while failed < _MOST_FAILED_READS:
            try:
                for packet in self._container.demux(self._source):
                    failed = 0
                    if not packet.size:
                        continue
                    if packet.duration:
                        length = packet.duration * tick
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    stated = None if stamp is None else stamp * tick
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
                return
            except (FFmpegError, IndexError):
                self.damaged += 1
                failed += 1

    def _copy(self, start: Fraction, length: Fraction, packet: Packet) -> None:
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

    def _encode(self, packet: Packet | None) -> None:
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


def _can_be_copied(path: Path, index: int, muxer: str) -> bool:
    """Whether the first packet of a stream makes a whole file of its own, in memory.

    A damaged header would otherwise show only when the output is completed, and take the pictures with it.
    """
    import av

    try:
        with open_input(path) as source, av.open(BytesIO(), "w", format=muxer) as trial:
            copy = trial.add_stream_from_template(source.streams[index])
            for packet in source.demux(source.streams[index]):
                if packet.size:
                    packet.stream = copy
                    trial.mux(packet)
                    break
    except (av.error.FFmpegError, ValueError):
        return False
    return True
