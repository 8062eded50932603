"""A process that renders one frame on each request, and reports how long that took.

    python -m dynast_deploy.bench.worker SIDE MODEL THREADS PICTURE

SIDE is "engine" (MODEL is an .onnx file), "attention" (the same with our operators for attention alone), "functions"
(without any of them), "published" (a checkpoint), "training", "plain training" (without compiled kernels) or
"published training" (a checkpoint; a frame is a training step then, and the picture its loss). It renders one frame to
warm up, writes that picture to PICTURE (.npy), answers with a line of JSON (`error` alone where the model does not
run), and from then on answers every line of its input with another: `frame_s`, seconds of one frame; `cpu_s`, processor
seconds of all its threads; `peak_mb`, the process's peak resident memory so far in 10**6 bytes. It ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from dynast_deploy.bench.memory import peak_resident_mb
from dynast_deploy.command import run
from dynast_deploy.errors import DynastError, DynastWarning

Frame = Callable[[], Any]


def random_inputs(channels: int, height: int, width: int) -> dict[str, np.ndarray]:
    """condition, exemplar and exemplar_condition, the same in every process.

    float32 `[1, channels, height, width]` in 0..1, the exemplar `[1, 3, height, width]` in -1..1.
    """
    rng = np.random.default_rng(0)
    return {
        "condition": rng.random((1, channels, height, width), np.float32),
        "exemplar": rng.random((1, 3, height, width), np.float32) * 2 - 1,
        "exemplar_condition": rng.random((1, channels, height, width), np.float32),
    }


def engine_frame(path: str, threads: int, native_attention: bool = True, native_layers: bool = True) -> Frame:
    """The exemplar is encoded here, once; a frame is what remains.

    Raises:
        DynastError: Where the model cannot be loaded or run.
    """
    from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine(
        path, "cpu", threads, native_attention=native_attention, native_layers=native_layers
    )
    inputs = random_inputs(engine.info.channels, engine.info.height, engine.info.width)
    exemplar = engine.encode_exemplar(inputs["exemplar"], inputs["exemplar_condition"])
    return lambda: engine.render(exemplar, inputs["condition"])


def published_frame(path: str, threads: int) -> Frame:
    """A frame is everything, from exemplar and condition to picture.

    Raises:
        DynastError: Where the checkpoint cannot be read.
    """
    import torch

    from dynast_deploy.bench.published import load_published

    torch.set_num_threads(threads)
    generator = load_published(path)
    size = generator.config.crop_size
    inputs = [torch.from_numpy(x) for x in random_inputs(generator.config.semantic_nc, size, size).values()]

    @torch.inference_mode()
    def frame() -> np.ndarray:
        result: np.ndarray = generator(*inputs).numpy()
        return result

    return frame


def training_frame(path: str, threads: int, published: bool = False, native: bool = True) -> Frame:
    """One step of Adam on one random pair, forward and backward included.

    Raises:
        DynastError: Where the checkpoint cannot be read.
    """
    import torch

    from dynast_deploy.bench.training_step import as_published, objective, random_batch, step
    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.native_generator import use_native

    torch.set_num_threads(threads)
    generator = load_generator(path).train()
    if published:
        generator = as_published(generator)
    elif native:
        use_native(generator, "cpu")
    optimiser = torch.optim.Adam(generator.parameters(), 1e-4, betas=(0.0, 0.9), fused=True)
    batch = random_batch(generator.config, 1)

    def frame() -> np.ndarray:
        loss = objective(*step(generator, batch), batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        optimiser.step()
        return loss.detach().numpy()

    return frame


SIDES: dict[str, Callable[[str, int], Frame]] = {
    "engine": engine_frame,
    "attention": partial(engine_frame, native_layers=False),
    "functions": partial(engine_frame, native_attention=False),
    "published": published_frame,
    "training": training_frame,
    "plain training": partial(training_frame, native=False),
    "published training": partial(training_frame, published=True),
}


def serve(side: str, model: str, threads: int, picture: str) -> None:
    """Run one side; see the text at the top of this module.

    Ends without a message where the process that started it was killed, and its folder or its pipe is gone.

    Raises:
        DynastError: Where the model cannot be loaded or run.
    """
    with suppress(BrokenPipeError):
        _serve(side, model, threads, picture)


def _serve(side: str, model: str, threads: int, picture: str) -> None:
    # Whoever starts the workers has said so once.
    warnings.filterwarnings("ignore", "the native operators", DynastWarning)
    try:
        frame = SIDES[side](model, threads)
        first = frame()
    except DynastError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    try:
        np.save(picture, first)
    except FileNotFoundError:  # removed as left over, by a later run
        return
    print(json.dumps({"peak_mb": peak_resident_mb()}), flush=True)
    for _ in sys.stdin:
        start, cpu_start = time.perf_counter(), time.process_time()
        frame()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        print(json.dumps({"frame_s": seconds, "cpu_s": cpu, "peak_mb": peak_resident_mb()}), flush=True)


if __name__ == "__main__":
    run(serve)
