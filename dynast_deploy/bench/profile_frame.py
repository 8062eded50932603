"""A process that renders frames under ONNX Runtime's profiler.

    python -m dynast_deploy.bench.profile_frame MODEL THREADS FRAMES PREFIX

One frame more is rendered first, to warm up. The profile's name starts with PREFIX.
"""

from __future__ import annotations

import warnings

from dynast_deploy.bench.worker import random_inputs
from dynast_deploy.command import run
from dynast_deploy.errors import DynastWarning


def profile_frames(model: str, threads: int, frames: int, prefix: str) -> None:
    """Render `frames` frames, after one to warm up, and write ONNX Runtime's profile of them.

    Raises:
        DynastError: Where the model cannot be loaded or run.
    """
    from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

    # `run_bench` has said so once.
    warnings.filterwarnings("ignore", "the native operators", DynastWarning)
    with OnnxRuntimeEngine(model, "cpu", threads, profile_prefix=prefix) as engine:
        inputs = random_inputs(engine.info.channels, engine.info.height, engine.info.width)
        exemplar = engine.encode_exemplar(inputs["exemplar"], inputs["exemplar_condition"])
        for _ in range(1 + frames):
            engine.render(exemplar, inputs["condition"])


if __name__ == "__main__":
    run(profile_frames)
