"""The weights of an exported engine as a generator to train on.

The exporter folds norms into convolutions. Batch norms come back as the statistics of what their convolutions give on
the shipped data, and the layers between the scales' position codes by least squares; the checkpoint computes what the
engine does, to rounding.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Precision

if TYPE_CHECKING:
    import onnx

    from dynast_deploy.generator import Generator

SAMPLES = 32
"""Whose features give the batch norms their statistics."""


def weights_of(model: onnx.ModelProto, source: str, samples: int = SAMPLES) -> tuple[Generator, Task]:
    """An eval-mode generator with the weights of an exported float32 model, and its task.

    Raises:
        DynastError: Where `model` has no metadata of this project, or is not float32 throughout.
    """
    from dynast_deploy.export.float16 import is_half
    from dynast_deploy.export.unfolding import EngineWeights, copy_weights, spread_batch_norms
    from dynast_deploy.formats.onnx_check import check_weights
    from dynast_deploy.formats.onnx_model import ModelMetadata
    from dynast_deploy.generator import Generator
    from dynast_deploy.native_generator import use_native_attention
    from dynast_deploy.progress import Progress
    from dynast_deploy.tasks.training_data import training_data

    info = ModelMetadata.read(model, source)
    precision = Precision.FP16 if is_half(model) else info.precision
    if precision is not Precision.FP32:
        raise DynastError(
            f"{source}: its precision is {precision}; weights are taken from the fp32 file it was made of"
        )
    if (info.height, info.width) != (info.config["crop_size"],) * 2:
        raise DynastError(
            f"{source}: exported at {info.height}x{info.width}, another size than it was trained at"
        )
    check_weights(model, source)
    generator = Generator(GeneratorConfig.from_dict(info.config, source)).eval()
    task = Task(info.task) if info.task else generator.config.task
    if task is None:
        raise DynastError(f"{source}: of no known task")

    def show(count: int, total: int) -> None:
        print(f"weights: part {count} of {total}", file=sys.stderr, flush=True)

    try:
        copy_weights(EngineWeights(model), generator, show)
    except (KeyError, IndexError, ValueError, RuntimeError, StopIteration) as error:
        raise DynastError(
            f"{source}: its graph is not the one that dynast export writes for its settings ({error}), so the "
            "weights cannot be found in it"
        ) from None
    stream = training_data(task, None, generator.config.crop_size, seed=0)
    reference = generator.sparse_attention
    use_native_attention(generator, "cpu")
    with Progress("batch norms", samples) as progress:
        spread_batch_norms(generator, (stream[i] for i in range(samples)), progress.advance)
    generator.sparse_attention = reference
    return generator, task
