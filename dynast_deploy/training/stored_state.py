"""The state of a run as a file holds it, compared with the networks that are to go on from it.

What does not fit would show much later, as a traceback or not at all: an optimiser takes moments of any shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from dynast_deploy.checkpoint import check_state
from dynast_deploy.errors import DynastError
from dynast_deploy.generator_state import weight
from dynast_deploy.training.networks import Networks

MOST_STEPS = 2**53


def checked_step(contents: Mapping[str, Any], source: str) -> int:
    """The number of the step after which the file was written.

    Raises:
        DynastError: Naming `source`, where it is not such a number.
    """
    step = contents.get("step")
    if type(step) is not int or not 0 <= step < MOST_STEPS:
        _refuse(source, "it does not say after which step it was written")
    return step


def checked_weights(module: nn.Module, stored: Any, source: str) -> dict[str, Tensor]:
    """The parameters of `module` in a stored state dict.

    Raises:
        DynastError: Naming `source` and the parameters that do not fit.
    """
    if not isinstance(stored, Mapping) or not all(isinstance(name, str) for name in stored):
        _refuse(source, f"the parameters of its {type(module).__name__.lower()} are not a table")
    state = {name: weight(name, value, source) for name, value in stored.items()}
    check_state(module, state, source)
    return state


def checked_state(networks: Networks, stored: Any, source: str) -> dict[str, Any]:
    """What `Networks.restore` and `Means` take, of the file's "training_state".

    Raises:
        DynastError: Naming `source`, where something is missing, of another kind or of another shape than these
            networks have.
    """
    state = _table(stored, source, "its training state")
    found: dict[str, Any] = {
        "generator": checked_weights(networks.generator, state.get("generator"), source),
        "optimisers": {},
        "scaler": _numbers(state.get("scaler"), networks.scaler.state_dict(), source),
        "random": _random(state.get("random"), source),
        "log": _log(state.get("log"), source),
    }
    if networks.discriminator is not None:
        found["discriminator"] = checked_weights(networks.discriminator, state.get("discriminator"), source)
    optimisers = _table(state.get("optimisers"), source, "the state of its optimisers")
    for name, optimiser in networks.optimisers.items():
        found["optimisers"][name] = _moments(
            optimiser, optimisers.get(name), f"{source}: optimiser of the {name}"
        )
    return found


def _moments(optimiser: torch.optim.Optimizer, stored: Any, source: str) -> dict[str, Any]:
    """Adam's means by the number of the parameter; the groups are the optimiser's own."""
    groups = optimiser.state_dict()["param_groups"]
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    numbers = [number for group in groups for number in group["params"]]
    entries = _table(_table(stored, source, "its state").get("state"), source, "its state")
    if entries and set(entries) != set(numbers):
        _refuse(source, f"it has means of {len(entries)} parameters, and {len(numbers)} are trained")
    state = {}
    for number, parameter in zip(numbers, parameters, strict=True) if entries else ():
        entry = _table(entries[number], source, f"the means of parameter {number}")
        means = {}
        for name, shape in (
            ("step", torch.Size()),
            ("exp_avg", parameter.shape),
            ("exp_avg_sq", parameter.shape),
        ):
            mean = weight(f"{name} of parameter {number}", entry.get(name), source)
            if mean.shape != shape or not mean.isfinite().all():
                _refuse(source, f"{name} of parameter {number} is not a finite tensor {list(shape)}")
            means[name] = mean
        state[number] = means
    return {"state": state, "param_groups": groups}


def _numbers(stored: Any, wanted: Mapping[str, Any], source: str) -> dict[str, float]:
    values = _table(stored, source, "the scale of its loss")
    for name in wanted:
        if type(values.get(name)) not in (int, float) or not math.isfinite(values[name]):
            _refuse(
                source, f"the scale of its loss has no number {name}; was it trained in another precision?"
            )
    return {name: values[name] for name in wanted}


def _random(stored: Any, source: str) -> list[list[Tensor]]:
    """For every process the states of its random numbers."""

    def is_state(value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is torch.uint8 and value.device.type == "cpu"

    if not isinstance(stored, list) or not all(
        isinstance(states, (list, tuple)) and states and all(map(is_state, states)) for states in stored
    ):
        _refuse(source, "it has no states of random numbers")
    length = torch.get_rng_state().numel()
    if any(states[0].shape != (length,) for states in stored):
        _refuse(source, "its states of random numbers are of another length")
    return [list(states) for states in stored]


def _log(stored: Any, source: str) -> dict[str, Any]:
    values = _table(stored, source, "the sums of its log")
    sums, steps = _table(values.get("sums", {}), source, "the sums of its log"), values.get("steps", 0)
    if type(steps) is not int or not 0 <= steps < MOST_STEPS:
        _refuse(source, "its log does not say of how many steps the sums are")
    totals = {}
    for name, total in sums.items():
        if (
            not isinstance(name, str)
            or not isinstance(total, Tensor)
            or total.shape
            or not total.is_floating_point()
        ):
            _refuse(source, "the sums of its log are not numbers")
        totals[name] = total.double()
    return {"sums": totals, "steps": steps}


def _table(value: Any, source: str, what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        _refuse(source, f"{what} is missing")
    return value


def _refuse(source: str, what: str) -> NoReturn:
    raise DynastError(f"{source}: damaged, {what}; use it with --start-from, or take an earlier copy")
