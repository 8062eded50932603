"""The models of the repository: exemplar encoder, frame renderer, both in a row, and the streams' model.

Configurations follow `model_config.proto` of triton-inference-server/common. No model but `dynast_stream` lets Triton
batch: encoder and renderer have inputs of different batch sizes (one exemplar, N frames), which Triton's batcher does
not know. `dynast_stream` gets single frames in batches and hands the renderer those of one exemplar together.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynast_deploy.export.triton.text_format import Name, to_text
from dynast_deploy.formats.manifest import Manifest, TensorSpec
from dynast_deploy.formats.plan import Plans

ENCODER, RENDERER, WHOLE, STREAM = "dynast_encoder", "dynast_renderer", "dynast", "dynast_stream"

TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "uint8": "TYPE_UINT8"}


@dataclass(frozen=True)
class Serving:
    """How the server is to run the models.

    gpu: number of the GPU that all of them use. renderers: instances of the renderer, each with buffers of its own.
    exemplars: how many encoded ones are kept, the last used. delay: microseconds that a frame may wait for others.
    """

    gpu: int = 0
    renderers: int = 1
    exemplars: int = 8
    delay: int = 2000


def write_models(folder: Path, manifest: Manifest, plans: Plans, serving: Serving) -> None:
    """Write every model's `config.pbtxt` and version 1 into `folder`, which is empty."""
    for name, config in configurations(manifest, serving).items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(to_text(config))
    (folder / ENCODER / "1" / "model.plan").write_bytes(plans.encoder)
    (folder / RENDERER / "1" / "model.plan").write_bytes(plans.renderer)
    shutil.copyfile(Path(__file__).with_name("stream_model.py"), folder / STREAM / "1" / "model.py")


def configurations(manifest: Manifest, serving: Serving) -> dict[str, dict[str, Any]]:
    """Every model's configuration by the model's name, as `to_text` takes it."""
    return {
        ENCODER: _plan(ENCODER, manifest.encoder_inputs, manifest.encoder_outputs, serving.gpu, 1),
        RENDERER: _plan(
            RENDERER,
            manifest.renderer_inputs,
            manifest.renderer_outputs,
            serving.gpu,
            serving.renderers,
            frames=manifest.batch.opt,
        ),
        WHOLE: _whole(manifest),
        STREAM: _stream(manifest, serving),
    }


def _plan(
    name: str,
    inputs: Iterable[TensorSpec],
    outputs: Iterable[TensorSpec],
    gpu: int,
    instances: int,
    frames: int = 1,
) -> dict[str, Any]:
    """A TensorRT plan, run once on zeros before the server says that it is ready."""
    warm = [
        {
            "key": spec.name,
            "value": {
                "data_type": Name(TYPES[spec.dtype]),
                "dims": [frames if size < 0 else size for size in spec.shape],
                "zero_data": True,
            },
        }
        for spec in inputs
    ]
    return {
        "name": name,
        "platform": "tensorrt_plan",
        "max_batch_size": 0,
        "input": [_tensor(spec) for spec in inputs],
        "output": [_tensor(spec) for spec in outputs],
        "instance_group": {"kind": Name("KIND_GPU"), "count": instances, "gpus": [gpu]},
        "model_warmup": {"name": "zeros", "batch_size": 1, "inputs": warm},
    }


def _whole(manifest: Manifest) -> dict[str, Any]:
    """Both plans in a row for single pictures: what passes between them stays in the server, on the GPU."""
    exemplar_inputs = [spec.name for spec in manifest.encoder_inputs]
    cut = list(manifest.cut_tensors)
    return {
        "name": WHOLE,
        "platform": "ensemble",
        "max_batch_size": 0,
        "input": [
            _tensor(spec)
            for spec in (*manifest.encoder_inputs, *manifest.renderer_inputs)
            if spec.name not in cut
        ],
        "output": [_tensor(spec) for spec in manifest.renderer_outputs],
        "ensemble_scheduling": {
            "step": [
                _step(ENCODER, exemplar_inputs, cut),
                _step(RENDERER, [spec.name for spec in manifest.renderer_inputs], ["image"]),
            ]
        },
    }


def _stream(manifest: Manifest, serving: Serving) -> dict[str, Any]:
    frame = {
        spec.name: _without_batch(spec) for spec in (*manifest.encoder_inputs, *manifest.renderer_inputs)
    }
    image = _without_batch(manifest.renderer_outputs[0])
    settings = {
        "batch_min": manifest.batch.min,
        "batch_max": manifest.batch.max,
        "exemplars": serving.exemplars,
        "cut_tensors": ",".join(manifest.cut_tensors),
    }
    return {
        "name": STREAM,
        "backend": "python",
        "max_batch_size": manifest.batch.max,
        "input": [
            {"name": "exemplar_key", "data_type": Name("TYPE_STRING"), "dims": [1]},
            _tensor(frame["condition"]),
            *({**_tensor(frame[spec.name]), "optional": True} for spec in manifest.encoder_inputs),
        ],
        "output": [_tensor(image)],
        "dynamic_batching": {"max_queue_delay_microseconds": serving.delay},
        # One instance: exemplars are kept in its memory.
        "instance_group": {"kind": Name("KIND_GPU"), "count": 1, "gpus": [serving.gpu]},
        "parameters": [
            {"key": name, "value": {"string_value": str(value)}} for name, value in settings.items()
        ],
    }


def _step(model: str, inputs: Iterable[str], outputs: Iterable[str]) -> dict[str, Any]:
    """A step of an ensemble, whose tensors are called as the model calls them."""
    return {
        "model_name": model,
        "model_version": -1,
        "input_map": [{"key": name, "value": name} for name in inputs],
        "output_map": [{"key": name, "value": name} for name in outputs],
    }


def _tensor(spec: TensorSpec) -> Mapping[str, Any]:
    return {"name": spec.name, "data_type": Name(TYPES[spec.dtype]), "dims": list(spec.shape)}


def _without_batch(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, spec.dtype, spec.shape[1:])
