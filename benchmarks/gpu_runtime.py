"""What of the GPU runtime runs without TensorRT, measured; and TensorRT itself where a plan is given.

    python benchmarks/gpu_runtime.py [--engine model.onnx] [--plan model.plan] [--frames 300] [-o FILE.json]

Copies between pinned memory and the GPU; our attention kernel, launched as it is and as a CUDA graph, compared with the
CPU's result; frames through a lane (copies, kernels and copies that overlap) compared byte by byte; an ONNX engine on
CUDA with and without CUDA graphs, compared with the CPU. Each part says why it cannot run where it cannot. Writes JSON,
by default to docs/measurements/. Needs an NVIDIA GPU and pycuda, and by parts NVRTC or nvcc, cuda-bindings, and
onnxruntime-gpu. Status 1 where a part failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from gpu_parts import attention_layer, frames_through_a_lane

from dynast_deploy.bench.timing import milliseconds_of
from dynast_deploy.commands.probes.nvidia import nvidia_driver
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.cuda.device import DeviceResources, Gpu, close_gpus, open_gpu

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "dynast-deploy",
    "onnxruntime-gpu",
    "pycuda",
    "cuda-bindings",
    "tensorrt",
    "tensorrt_rtx",
    "numpy",
)
BATCHES = (1, 4)


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", type=Path, default=ROOT / "examples" / "marionette.onnx")
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "copies": lambda: copies(open_gpu()),
        "attention": lambda: attention_layer(open_gpu(), milliseconds_of, options.frames),
        "lane": lambda: frames_through_a_lane(open_gpu(), milliseconds_of, options.frames),
        "onnxruntime": lambda: onnxruntime_cuda(options.engine, options.frames),
        "tensorrt": lambda: tensorrt(options.plan, options.frames),
    }
    found: dict[str, Any] = {"system": system()}
    for name, part in parts.items():
        found[name] = attempt(part)
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    close_gpus()
    output = options.output or default_output(found["system"])
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, json.dumps(found, indent=1) + "\n")
    print(output)
    sys.exit(1 if '"failed"' in json.dumps(found) else 0)


def attempt(part: Callable[[], Any]) -> Any:
    """What a part found, or why it was skipped or failed; the others are measured all the same."""
    try:
        return part()
    except DynastError as error:
        return {"skipped": str(error)}
    except Exception:
        return {"failed": traceback.format_exc().strip().splitlines()[-3:]}


def system() -> dict[str, Any]:
    """Date, driver, Python and versions of the packages, for the JSON."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    today = datetime.date.today().isoformat()
    return {
        "date": today,
        "driver": nvidia_driver().detail,
        "python": platform.python_version(),
        "packages": packages,
    }


def default_output(found: dict[str, Any]) -> Path:
    """docs/measurements/gpu-runtime-DATE.json"""
    return ROOT / "docs" / "measurements" / f"gpu-runtime-{found['date']}.json"


def copies(gpu: Gpu, sizes: Iterable[int] = (1 << 18, 1310720, 1 << 26)) -> dict[str, Any]:
    """GB/s each way, by size: a picture, a frame's condition at the published size, and 64 MiB."""
    found: dict[str, Any] = {"gpu": gpu.name, "compute_capability": gpu.compute_capability}
    for size in sizes:
        resources = DeviceResources(gpu)
        with resources.close_on_error():
            stream, pinned, buffer = (
                resources.stream(),
                resources.pinned((size,), "uint8"),
                resources.buffer(size),
            )
            pinned[:] = np.arange(size, dtype=np.uint32).astype(np.uint8)
            before = pinned.copy()

            def up(stream: Any = stream, pinned: Any = pinned, buffer: Any = buffer) -> None:
                stream.upload(buffer, pinned)
                stream.synchronize()

            def down(stream: Any = stream, pinned: Any = pinned, buffer: Any = buffer) -> None:
                stream.download(pinned, buffer)
                stream.synchronize()

            times = {"up": milliseconds_of(up, 50), "down": milliseconds_of(down, 50)}
            assert np.array_equal(before, pinned)
            found[f"{size} bytes"] = {
                way: round(size / measured["p50"] / 1e6, 2) for way, measured in times.items()
            }
            resources.close()
    return found


def onnxruntime_cuda(path: Path, frames: int, device: str = "cuda") -> dict[str, Any]:
    """Milliseconds of a frame, from bytes to bytes, and how far the pictures lie from the CPU's, in levels."""
    from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

    with OnnxRuntimeEngine(path, "cpu") as reference:
        info = reference.info
        random = np.random.default_rng(0)
        picture = random.random((1, 3, info.height, info.width), np.float32) * 2 - 1
        conditions = random.integers(0, 256, (max(BATCHES), info.channels, info.height, info.width), np.uint8)
        wanted = reference.render_bytes(reference.encode_exemplar(picture, conditions[:1]), conditions[:1])
    found: dict[str, Any] = {"engine": path.name, "height": info.height, "width": info.width}

    def row(graphs: bool) -> dict[str, Any]:
        with OnnxRuntimeEngine(path, device, cuda_graphs=graphs) as engine:
            exemplar = engine.encode_exemplar(picture, conditions[:1])
            image = engine.render_bytes(exemplar, conditions[:1]).astype(int)
            times = {}
            for batch in BATCHES:
                given = conditions[:batch]
                times[f"batch {batch}"] = milliseconds_of(
                    partial(engine.render_bytes, exemplar, given), frames
                )
            again = engine.render_bytes(exemplar, conditions[:1])
        return times | {
            "attention": engine.info.attention,
            "largest difference": int(np.abs(image - wanted).max()),
            "changes from frame to frame": int(np.abs(image - again).max()),
        }

    for graphs in (False, True):
        found["graphs" if graphs else "plain"] = attempt(partial(row, graphs))
    return found


def tensorrt(path: Path | None, frames: int) -> dict[str, Any]:
    """Milliseconds of a frame through a plan: one after another, and with the next one submitted before.

    Raises:
        DynastError: No plan was given, or it does not run here.
    """
    if path is None:
        raise DynastError("give a plan with --plan")
    from dynast_deploy.runtime.trt.engine import TensorRTEngine

    with load_engine(path) as loaded:
        info = loaded.info
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (1, 3, info.height, info.width), np.uint8)
    conditions = random.integers(0, 256, (2, info.channels, info.height, info.width), np.uint8)
    found: dict[str, Any] = {"plan": path.name, "backend": info.backend}
    for graphs in (False, True):
        with TensorRTEngine(path, cuda_graphs=graphs) as engine:
            exemplar = engine.encode_exemplar(picture, conditions[:1])
            waiting = [engine.submit(exemplar, conditions[:1])]

            def one(engine: Any = engine, exemplar: Any = exemplar) -> None:
                engine.submit(exemplar, conditions[:1]).result()

            def ahead(engine: Any = engine, exemplar: Any = exemplar, waiting: Any = waiting) -> None:
                waiting.append(engine.submit(exemplar, conditions[1:]))
                waiting.pop(0).result()

            found["graphs" if graphs else "plain"] = {
                "one after another": milliseconds_of(one, frames),
                "overlapping": milliseconds_of(ahead, frames),
            }
    return found


if __name__ == "__main__":
    main()
