"""A synthesised dance beat."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 44_100

# Bass notes (Hz), one to a beat.
_BASS = (55.0, 55.0, 65.4, 73.4, 55.0, 55.0, 82.4, 73.4)


def beat_track(seconds: float, beats_per_minute: float) -> np.ndarray:
    """float32 [samples], -1..1, mono at `SAMPLE_RATE`: a drum on every beat, a clap on every other, a hi-hat
    between them and a bass line. Deterministic."""
    samples = round(seconds * SAMPLE_RATE)
    track = np.zeros(samples + SAMPLE_RATE)
    beat = 60.0 / beats_per_minute
    rng = np.random.default_rng(0)
    clap, hat = _noise(rng, 0.14, 26.0), _noise(rng, 0.05, 90.0)
    for i in range(int(np.ceil(seconds / beat))):
        at = round(i * beat * SAMPLE_RATE)
        _add(track, at, 0.75 * _drum())
        _add(track, at, 0.22 * _note(_BASS[i % len(_BASS)], 0.8 * beat))
        _add(track, at + round(0.5 * beat * SAMPLE_RATE), 0.16 * hat)
        if i % 2:
            _add(track, at, 0.26 * clap)
    return np.tanh(track[:samples]).astype(np.float32)


def _add(track: np.ndarray, at: int, sound: np.ndarray) -> None:
    end = min(track.size, at + sound.size)
    track[at:end] += sound[: max(0, end - at)]


def _drum() -> np.ndarray:
    t = np.arange(round(0.28 * SAMPLE_RATE)) / SAMPLE_RATE
    return np.sin(2 * np.pi * (48 * t + 4.2 * (1 - np.exp(-t * 32)))) * np.exp(-t * 13)


def _note(hertz: float, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * t) / k**1.5 for k in range(1, 7))
    return np.asarray(wave) * np.exp(-t * 4) * np.minimum(1, t * 200)


def _noise(rng: np.random.Generator, seconds: float, decay: float) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    white = rng.normal(0, 0.5, t.size)
    return np.diff(white, prepend=0.0) * np.exp(-t * decay)
