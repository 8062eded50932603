"""What can be evaluated: checkpoints, with their matches and ablations, and engines."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dynast_deploy.config import SCALES, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.evaluation.matching import BlockMatches
from dynast_deploy.formats.file_kind import FileKind, kind_of

if TYPE_CHECKING:
    from torch import Tensor

    from dynast_deploy.attention_interface import Attention
    from dynast_deploy.data import Sample


@dataclass(frozen=True)
class Rendering:
    """image: float32 `[3, H, W]` in -1..1. matches: of every block, coarsest first; None where they cannot be seen.

    ablations: images of the same weights, by the ablation's name.
    """

    image: np.ndarray
    matches: list[BlockMatches] | None = None
    ablations: dict[str, np.ndarray] = field(default_factory=dict)


class EvaluatedModel(Protocol):
    """Paints one sample at a time. size: side of its pictures in pixels. note: what cannot be measured of it."""

    task: Task
    size: int
    note: str

    def render(self, sample: Sample) -> Rendering:
        """Render the target of a sample from its exemplar and conditions."""
        ...

    def close(self) -> None:
        """Free what the model holds; it cannot be used afterwards."""
        ...


def load_evaluated_model(path: Path, task: Task | None, device: str, ablate: bool) -> EvaluatedModel:
    """The checkpoint or engine in a file.

    Raises:
        DynastError: The file is missing or damaged, its conditions are not those of `task`, or its pictures are not
            square, as evaluation data are.
    """
    is_checkpoint = kind_of(path).is_checkpoint
    model: EvaluatedModel = (
        CheckpointModel(path, device, ablate) if is_checkpoint else EngineModel(path, device)
    )
    if task not in (None, model.task):
        model.close()
        raise DynastError(f"{path}: its conditions show {model.task}, not {task}; leave --task out")
    return model


class CheckpointModel:
    """A checkpoint on PyTorch, with native attention where it is built."""

    note = ""

    def __init__(self, path: Path, device: str, ablate: bool) -> None:
        from dynast_deploy.checkpoint import load_generator
        from dynast_deploy.native_generator import use_native_attention
        from dynast_deploy.runtime.pyt.device import choose_device

        device = choose_device(device, str(path))
        self._generator = load_generator(path).to(device)
        self._device, self._ablate = device, ablate
        use_native_attention(self._generator, device)
        config = self._generator.config
        self.task, self.size = _task_of(config.task, config.semantic_nc, path), config.crop_size

    def render(self, sample: Sample) -> Rendering:
        """The picture, the matches of every block and, where asked for, the ablations' pictures."""
        import torch

        from dynast_deploy.evaluation.ablations import ABLATIONS

        generator = self._generator
        condition, picture, picture_condition = (
            sample[name][None].to(self._device) for name in ("condition", "exemplar", "exemplar_condition")
        )
        ablations = {}
        with torch.inference_mode():
            exemplar = generator.encode_exemplar(picture, picture_condition)
            image, attentions = generator.render_with_attention(exemplar, condition)
            search = generator.sparse_attention
            try:
                for name, ablation in ABLATIONS.items() if self._ablate else ():
                    generator.sparse_attention = ablation()
                    ablations[name] = _array(generator.render(exemplar, condition))
            finally:
                generator.sparse_attention = search
        return Rendering(_array(image), self._best(attentions), ablations)

    def close(self) -> None:
        """Nothing has to be released."""

    def _best(self, attentions: list[Attention]) -> list[BlockMatches]:
        layers, found = self._generator.config.n_layers, []
        for number, attention in enumerate(attentions):
            scale = SCALES[number // layers]
            side = self.size // 2 ** (scale - 1)
            best = attention.matches[0, :, 0].reshape(side, side).cpu().numpy()
            found.append(BlockMatches(scale, number % layers, best))
        return found


class EngineModel:
    """Any file that `dynast-run` takes; of an ONNX file on the CPU the matches can be seen too."""

    def __init__(self, path: Path, device: str) -> None:
        from dynast_deploy.evaluation.onnx_matches import OnnxMatches
        from dynast_deploy.runtime import load_engine

        with ExitStack() as stack:
            self._engine = stack.enter_context(load_engine(path, device))
            info = self._engine.info
            if info.height != info.width:
                raise DynastError(
                    f"{path}: its pictures are {info.height}x{info.width}, and evaluation data are square; export the "
                    "checkpoint at a square --size, or evaluate the checkpoint itself"
                )
            self.task, self.size = _task_of(info.task, info.channels, path), info.width
            self._matches = OnnxMatches(path) if kind_of(path) is FileKind.ONNX else None
            stack.pop_all()
        self.note = "ablations need the checkpoint"
        if self._matches is None:
            self.note = f"matches and {self.note}"

    def render(self, sample: Sample) -> Rendering:
        """The picture, and the matches of an ONNX file."""
        condition, picture, picture_condition = (
            sample[name][None].numpy() for name in ("condition", "exemplar", "exemplar_condition")
        )
        encoded = self._engine.encode_exemplar(picture, picture_condition)
        image = self._engine.render(encoded, condition)[0]
        if self._matches is None:
            return Rendering(image)
        return Rendering(image, self._matches.best(condition, picture, picture_condition))

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def _task_of(task: Task | None, channels: int, path: Path) -> Task:
    if task is None:
        raise DynastError(
            f"{path}: conditions of {channels} channels belong to no task, so there is no data for them"
        )
    return task


def _array(image: Tensor) -> np.ndarray:
    return image[0].float().cpu().numpy()
