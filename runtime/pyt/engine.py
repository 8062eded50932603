"""A checkpoint on PyTorch: the reference that the other engines are compared with."""

from __future__ import annotations

import os

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.engine import (
    EncodedExemplar,
    EngineInfo,
    check_exemplar,
    check_images,
    network_input,
)


class TorchEngine:
    """See `engine.Engine`. Picture size is the checkpoint's; attention is the reference form."""

    def __init__(
        self, path: str | os.PathLike[str], device: str = "auto", threads: int | None = None
    ) -> None:
        try:
            import torch
        except ImportError:
            raise DynastError(
                f"running the checkpoint {path} needs PyTorch: pip install torch; or export it where PyTorch is and "
                "run the .onnx file"
            ) from None
        from dynast_deploy.checkpoint import load_generator

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise DynastError("--device cuda: PyTorch finds no CUDA GPU; use --device cpu")
        if threads is not None:
            torch.set_num_threads(threads)
        self._generator = load_generator(path).to(device)
        config = self._generator.config
        self.info = EngineInfo(
            source=str(path),
            task=config.task,
            channels=config.semantic_nc,
            height=config.crop_size,
            width=config.crop_size,
            backend="pytorch",
            device=device,
            attention="function",
        )

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        import torch

        picture = network_input("exemplar", exemplar, 3, self.info, lowest=-1)
        condition = network_input("exemplar_condition", exemplar_condition, self.info.channels, self.info)
        with torch.inference_mode():
            encoded = self._generator.encode_exemplar(
                *(torch.from_numpy(array).to(self.info.device) for array in (picture, condition))
            )
        return EncodedExemplar(self, encoded, len(picture))

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        import torch

        condition = network_input("condition", condition, self.info.channels, self.info)
        check_exemplar(self, exemplar, len(condition))
        with torch.inference_mode():
            image = self._generator.render(exemplar.tensors, torch.from_numpy(condition).to(self.info.device))
        images = image.cpu().numpy()
        check_images(images, self.info.source)
        return images
