"""What a checkpoint holds. Needs PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.checkpoint import fitting_state, stored_generator
from dynast_deploy.commands.show import megabytes
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator import Generator
from dynast_deploy.printable import cut

_LONGEST, _MOST, _DEEPEST = 200, 50, 3
"""Of a file's own values no more is shown: letters of a text, items of a list, lists in lists."""


def describe_checkpoint(file: Path) -> dict[str, Any]:
    """Layout, configuration, parameters and further values of a checkpoint, for `commands.show`.

    One whose parameters do not fit together is described, with what is wrong under "problem".

    Raises:
        DynastError: Where it cannot be read or does not hold a generator.
    """
    contents = read_checkpoint(file)
    state, config, stored, place = stored_generator(contents, str(file))
    with torch.device("meta"):
        generator = Generator(config)
    task = contents.get("task")
    found: dict[str, Any] = {
        "kind": "checkpoint",
        "layout": f"dynast-deploy, version {contents['version']}" if stored else "published state dict",
        "task": task if isinstance(task, str) else config.task,
        "configuration": config.to_dict(),
        "configuration_from": "the file"
        if stored
        else "shapes of the parameters; top_k and smooth are defaults",
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
    }
    if place:
        found["found_under"] = cut(place, _LONGEST)
    own: list[tuple[Any, Any]] = []
    if stored:
        ours = ("format", "version", "config", "generator", "task", "training_state")
        own = [(name, value) for name, value in contents.items() if name not in ours][:_MOST]
    elif state.keys() != contents.keys():
        # A wrapper around the state dict: its other entries are numbers of epochs and the like.
        own = [item for item in contents.items() if isinstance(item[1], (int, float, str))][:_MOST]
    found |= {str(name)[:_LONGEST]: _plain(value) for name, value in own}
    if problem := _problem(config, state, str(file)):
        found["problem"] = problem
    return found | {"parts": _parts(state)}


def _parts(state: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """The modules at the top of the generator with what they hold, largest first."""
    parts: dict[str, list[Tensor]] = {}
    for name, tensor in state.items():
        parts.setdefault(cut(name.split(".")[0]), []).append(tensor)
    rows = [
        {
            "part": part,
            "tensors": len(tensors),
            "size_mb": megabytes(sum(tensor.nbytes for tensor in tensors)),
        }
        for part, tensors in parts.items()
    ]
    return sorted(rows, key=lambda row: -row["size_mb"])


def _problem(config: GeneratorConfig, state: Mapping[str, Tensor], source: str) -> str | None:
    """What `load_generator` would refuse this state for, or None."""
    try:
        fitting_state(config, state, source)
    except DynastError as error:
        return str(error)
    return None


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON can hold of a stored value, cut to a size that can be read."""
    if isinstance(value, Tensor):
        return f"tensor {list(value.shape)}"
    if isinstance(value, (Mapping, list, tuple)):
        if depth == _DEEPEST or len(value) > _MOST:
            return f"{type(value).__name__} of {len(value)}"
        if isinstance(value, Mapping):
            return {str(name)[:_LONGEST]: _plain(item, depth + 1) for name, item in value.items()}
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and abs(value) < 2**64:
        return value
    return str(value)[:_LONGEST] if isinstance(value, (str, float)) else type(value).__name__
