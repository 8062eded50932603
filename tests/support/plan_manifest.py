"""What a plan file says of itself, as tests need one."""

from __future__ import annotations

from dynast_deploy.formats.manifest import BatchSizes, Manifest, PlanKind, TensorSpec
from dynast_deploy.formats.precision import Precision

MANIFEST = Manifest(
    kind=PlanKind.TENSORRT,
    library_version="10.9.0.34",
    gpu="NVIDIA GeForce RTX 4090",
    compute_capabilities=("8.9",),
    precision=Precision.FP16,
    task="pose",
    channels=20,
    height=32,
    width=48,
    batch=BatchSizes(1, 2, 4),
    version_compatible=False,
    hardware_compatible=False,
    encoder_inputs=(
        TensorSpec("exemplar", "uint8", (1, 3, 32, 48)),
        TensorSpec("exemplar_condition", "uint8", (1, 20, 32, 48)),
    ),
    encoder_outputs=(TensorSpec("block0.key", "float16", (1, 24, 16)),),
    renderer_inputs=(
        TensorSpec("condition", "uint8", (-1, 20, 32, 48)),
        TensorSpec("block0.key", "float16", (1, 24, 16)),
    ),
    renderer_outputs=(TensorSpec("image", "uint8", (-1, 3, 32, 48)),),
    cut_tensors=("block0.key",),
    source="model.onnx",
    source_sha256="0" * 64,
    plugin_version="1",
    producer_version="0.1.0",
)
