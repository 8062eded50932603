"""How much of the picture a changed model keeps."""

from __future__ import annotations

import numpy as np
import onnx

from dynast_deploy.calib.network import Encoded, WatchedModel
from dynast_deploy.frames.frame_set import CalibrationData

HIGHEST = 150.0
"""dB that stand for equal pictures."""


class PictureQuality:
    """Compares changed models with the one they were made from, on the same frames, whose exemplars stay encoded."""

    def __init__(self, model: onnx.ModelProto, data: CalibrationData) -> None:
        self._network, self._data = WatchedModel(model, data.info), data
        self._frames = list(data.frames())
        self._encoded = self._encode(self._network)
        self._pictures = self._render(self._network, self._encoded)

    def psnr(
        self, changed: onnx.ModelProto, encoder: bool = True, renderer: bool = True, as_stored: bool = False
    ) -> float:
        """dB over -1..1, of all pictures together. `encoder` and `renderer` say which half differs; for `as_stored`
        see `WatchedModel`."""
        other = WatchedModel(changed, self._data.info, as_stored=as_stored)
        encoded = self._encode(other) if encoder else self._encoded
        pictures = self._render(other if renderer else self._network, encoded)
        errors = [
            np.mean((found.astype(np.float64) - expected) ** 2)
            for found, expected in zip(pictures, self._pictures, strict=True)
        ]
        return decibels(float(np.mean(errors)))

    def _encode(self, network: WatchedModel) -> dict[int, Encoded]:
        numbers = {number for number, _ in self._frames}
        return {number: network.encode(*self._data.exemplar(number))[0] for number in numbers}

    def _render(self, network: WatchedModel, encoded: dict[int, Encoded]) -> list[np.ndarray]:
        return [network.render(encoded[number], condition)[0] for number, condition in self._frames]


def decibels(squared_error: float) -> float:
    """PSNR of pictures in -1..1, at most `HIGHEST`; 0 where a picture holds NaN."""
    if not squared_error < np.inf:
        return 0.0
    return HIGHEST if squared_error <= 0 else min(HIGHEST, float(10 * np.log10(4 / squared_error)))
