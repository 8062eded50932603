"""A checkpoint on PyTorch: the reference that the other engines are compared with."""

from __future__ import annotations

import os
import weakref

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.engine import EncodedExemplar, Engine, EngineInfo, check_exemplar, closed
from dynast_deploy.runtime.engine_arrays import check_images, network_input
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.pyt.device import choose_device


class TorchEngine(Engine):
    """See `engine.Engine`. Picture size is the checkpoint's; attention is the reference form."""

    def __init__(
        self, path: str | os.PathLike[str], device: str = "auto", threads: int | None = None
    ) -> None:
        """Load a checkpoint on `device` "auto", "cpu" or "cuda"; `threads` are PyTorch's in the whole process.

        Raises:
            DynastError: Where the file is not a checkpoint of this network, or PyTorch or the device is not there.
        """
        device = choose_device(device, str(path))
        import torch

        from dynast_deploy.checkpoint import load_generator
        from dynast_deploy.generator import Generator

        if threads is not None:
            torch.set_num_threads(threads)
        self._generator: Generator | None = load_generator(path).to(device)
        self._exemplars = weakref.WeakSet[EncodedExemplar]()
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
        """See `engine.Engine.encode_exemplar`.

        Raises:
            DynastError: As stated there.
        """
        import torch

        picture = network_input("exemplar", exemplar, 3, self.info, lowest=-1)
        condition = network_input("exemplar_condition", exemplar_condition, self.info.channels, self.info)
        if self._generator is None:
            raise DynastError(closed(self.info.source))
        with torch.inference_mode():
            tensors = self._generator.encode_exemplar(
                *(torch.from_numpy(array).to(self.info.device) for array in (picture, condition))
            )
        encoded = EncodedExemplar(self, tensors, len(picture))
        self._exemplars.add(encoded)
        return encoded

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """See `engine.Engine.render`.

        Raises:
            DynastError: As stated there.
        """
        import torch

        condition = network_input("condition", condition, self.info.channels, self.info)
        check_exemplar(self, exemplar, len(condition))
        if self._generator is None:
            raise DynastError(closed(self.info.source))
        with torch.inference_mode():
            image = self._generator.render(exemplar.tensors, torch.from_numpy(condition).to(self.info.device))
        images = image.cpu().numpy()
        check_images(images, self.info.source)
        return images

    def close(self) -> None:
        """See `engine.Engine.close`."""
        if self._generator is None:
            return
        self._generator = None
        for exemplar in self._exemplars:
            exemplar.tensors = None
        if self.info.device == "cuda":
            import torch

            torch.cuda.empty_cache()
        return_freed_memory()
