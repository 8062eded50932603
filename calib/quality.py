"""How much of the picture a changed model keeps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from dynast_deploy.calib.data import CalibrationData
from dynast_deploy.calib.network import Encoded, Network

HIGHEST = 150.0
"""dB that stand for equal pictures."""


class Judge:
    """Compares changed models with the one they were made from, on the same frames."""

    def __init__(self, model: onnx.ModelProto, data: CalibrationData) -> None:
        self._network, self._data = Network(model, data.info), data
        self._pictures = [
            self._network.render(encoded, condition)[0] for encoded, condition in self._encoded(self._network)
        ]

    def psnr(self, changed: onnx.ModelProto, encoder: bool = True, renderer: bool = True) -> float:
        """dB over -1..1, of all pictures together. `encoder` and `renderer` say which half differs."""
        other = Network(changed, self._data.info)
        encoding, rendering = (other if differs else self._network for differs in (encoder, renderer))
        errors = [
            float(np.mean((rendering.render(encoded, condition)[0].astype(np.float64) - picture) ** 2))
            for (encoded, condition), picture in zip(self._encoded(encoding), self._pictures, strict=True)
        ]
        return decibels(float(np.mean(errors)))

    def _encoded(self, network: Network) -> Iterator[tuple[Encoded, np.ndarray]]:
        """Every frame's condition, with its exemplar as `network` encodes it."""
        encoded: Encoded = {}
        last = -1
        for number, condition in self._data.frames():
            if number != last:
                encoded, last = network.encode(*self._data.exemplar(number))[0], number
            yield encoded, condition


def decibels(squared_error: float) -> float:
    """PSNR of pictures in -1..1, at most `HIGHEST`."""
    return HIGHEST if squared_error <= 0 else min(HIGHEST, float(10 * np.log10(4 / squared_error)))
