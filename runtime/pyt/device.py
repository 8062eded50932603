"""Where PyTorch runs a checkpoint."""

from __future__ import annotations

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.device_names import AUTO, check_device

DEVICES = ("cpu", "cuda")


def choose_device(device: str, source: str) -> str:
    """ "cpu" or "cuda"; "auto" takes CUDA where PyTorch finds a GPU. `source` is the checkpoint, for messages.

    Raises:
        DynastError: Where PyTorch is not installed, does not run on such a device, or finds no GPU for "cuda".
    """
    try:
        import torch
    except ImportError:
        raise DynastError(
            f"running the checkpoint {source} needs PyTorch: pip install torch; or export it where PyTorch is and "
            "run the .onnx file"
        ) from None
    check_device(device, DEVICES)
    if device == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise DynastError("--device cuda: PyTorch finds no CUDA GPU; use --device cpu")
    return device
