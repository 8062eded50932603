"""How much of the picture a changed model keeps."""

from __future__ import annotations

import numpy as np
import onnx

from dynast_deploy.calib.watched_model import Encoded, WatchedModel
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.metrics import mean_squared_error, psnr_of_error


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
        see `WatchedModel`.

        Raises:
            DynastError: Where ONNX Runtime cannot run the model.
        """
        other = WatchedModel(changed, self._data.info, as_stored=as_stored)
        encoded = self._encode(other) if encoder else self._encoded
        pictures = self._render(other if renderer else self._network, encoded)
        errors = [
            mean_squared_error(found, expected)
            for found, expected in zip(pictures, self._pictures, strict=True)
        ]
        return psnr_of_error(float(np.mean(errors)), data_range=2)

    def _encode(self, network: WatchedModel) -> dict[int, Encoded]:
        numbers = {number for number, _ in self._frames}
        return {number: network.encode(*self._data.exemplar(number))[0] for number in numbers}

    def _render(self, network: WatchedModel, encoded: dict[int, Encoded]) -> list[np.ndarray]:
        return [network.render(encoded[number], condition)[0] for number, condition in self._frames]
