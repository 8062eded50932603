"""Small clips for the video tests: a picture whose corners tell which way is up, and a tone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

AUDIO_RATE = 48000
TICK = Fraction(1, 90000)


def corner_picture(height: int = 48, width: int = 64, index: int = 0) -> np.ndarray:
    """uint8 [H, W, 3]: red top left, green top right, blue bottom left, a grey bottom right that counts frames."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 200, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 220)
    picture[height // 2 :, width // 2 :] = 60 + 10 * (index % 12)
    return picture


def jittered_times(count: int, rate: Fraction = Fraction(30000, 1001), seed: int = 0) -> list[int]:
    """Increasing ticks of 1/90000 s, up to a third of a frame away from an even rate, as phones write them."""
    step = float(1 / rate / TICK)
    jitter = np.random.default_rng(seed).uniform(-step / 3, step / 3, count)
    return [0, *(round(index * step + jitter[index]) for index in range(1, count))]


def tone(seconds: float, channels: int = 2, frequency: float = 440.0) -> np.ndarray:
    """float32 [channels, samples] of a sine at half amplitude, 48 kHz."""
    time = np.arange(round(seconds * AUDIO_RATE)) / AUDIO_RATE
    return np.tile((0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32), (channels, 1))


def write_clip(
    path: Path,
    *,
    times: list[int] | None = None,
    sound: str | None = "aac",
    sound_seconds: float | None = None,
    codec: str = "libx264",
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    start: Fraction = Fraction(0),
    height: int = 48,
    width: int = 64,
    options: dict[str, str] | None = None,
    key_every: int = 10,
) -> list[Fraction]:
    """Write a clip; return the times of its frames in seconds, `start` included."""
    times = jittered_times(45) if times is None else times
    if sound_seconds is None:
        sound_seconds = float((times[-1] + 3003) * TICK)
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=Fraction(30000, 1001))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = TICK
        video.codec_context.gop_size = key_every
        video.options = (
            {"crf": "20", "preset": "veryfast"} if codec == "libx264" else {"deadline": "realtime"}
        )
        if pixel_aspect is not None:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=AUDIO_RATE) if sound else None
        shift = round(start / TICK)
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(corner_picture(height, width, index), format="rgb24")
            frame.pts, frame.time_base = time + shift, TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            wave = tone(sound_seconds)
            for position in range(0, wave.shape[1], 960):
                chunk = np.ascontiguousarray(wave[:, position : position + 960])
                samples = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
                samples.sample_rate = AUDIO_RATE
                samples.pts = position + round(start * AUDIO_RATE)
                samples.time_base = Fraction(1, AUDIO_RATE)
                container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return [(time + shift) * TICK for time in times]


def sound_packets(path: Path) -> list[bytes]:
    """The encoded sound, packet by packet."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def sound_samples(path: Path) -> tuple[float, np.ndarray]:
    """Time of the first decoded sample in seconds, and float32 [channels, samples]."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=AUDIO_RATE)
        first = float(frames[0].pts * frames[0].time_base)
        parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    return first, np.concatenate(parts, axis=1)
