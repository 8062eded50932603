"""What a checkpoint holds. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.checkpoint import check_state, generator_state, read_checkpoint
from dynast_deploy.commands.show import megabytes
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator


def describe_checkpoint(file: Path) -> dict[str, Any]:
    """Layout, configuration, parameters and further values of a checkpoint, for `commands.show`.

    Raises DynastError where it cannot be read, or is no generator. One whose parameters do not fit together is
    described, with what is wrong under "problem".
    """
    contents = read_checkpoint(file)
    state, stored = generator_state(contents, str(file))
    config = stored or GeneratorConfig.from_state_dict(state, source=str(file))
    with torch.device("meta"):
        generator = Generator(config)
    found: dict[str, Any] = {
        "kind": "checkpoint",
        "layout": f"dynast-deploy, version {contents.get('version')}" if stored else "published state dict",
        "task": contents.get("task") or config.task,
        "configuration": config.to_dict(),
        "configuration_from": "the file"
        if stored
        else "shapes of the parameters; top_k and smooth are defaults",
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
    }
    if stored:
        ours = ("format", "version", "config", "generator", "task", "training_state")
        found |= {name: _plain(value) for name, value in contents.items() if name not in ours}
    elif state.keys() != contents.keys():
        # A wrapper around the state dict: its other entries are numbers of epochs and the like.
        found |= {name: value for name, value in contents.items() if isinstance(value, (int, float, str))}
    if problem := _problem(generator, state, str(file)):
        found["problem"] = problem
    return found | {"parts": _parts(state)}


def _parts(state: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """The modules at the top of the generator with what they hold, largest first."""
    parts: dict[str, list[Tensor]] = {}
    for name, tensor in state.items():
        parts.setdefault(name.split(".")[0], []).append(tensor)
    rows = [
        {
            "part": part,
            "tensors": len(tensors),
            "size_mb": megabytes(sum(tensor.nbytes for tensor in tensors)),
        }
        for part, tensors in parts.items()
    ]
    return sorted(rows, key=lambda row: -row["size_mb"])


def _problem(generator: Generator, state: Mapping[str, Tensor], source: str) -> str | None:
    """What `load_generator` would refuse this state for, or None."""
    try:
        check_state(generator, state, source)
    except DynastError as error:
        return str(error)
    return None


def _plain(value: Any) -> Any:
    """What JSON can hold of a stored value."""
    if isinstance(value, Tensor):
        return f"tensor {list(value.shape)}"
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
