"""Options that several commands share: a frozen dataclass is the group of options and the request at once.

    @expand_groups
    def calibrate(model: Annotated[Path, ...], request: FrameRequest = FrameRequest(frames=200)) -> None:

has the options of all fields of `FrameRequest`, whose defaults are those of the instance, and is called with one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints

import typer

FloatModel: TypeAlias = Annotated[Path, typer.Argument(help="Engine in ONNX, float32 (from dynast export).")]
"""The engine that is measured; calibrate and sensitivity take it."""


class _Group(NamedTuple):
    """One parameter of a command that is a group of options, and what each of its fields is by default."""

    kind: type[Any]
    defaults: dict[str, Any]


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with an option for each field of every parameter that is a dataclass, in the place of that parameter.

    Fields are `Annotated` with `typer.Option`. A field with a sequence may be given many times. Parameters are found by
    typer in the signature and in the annotations of what is returned.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, _Group] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = group = _Group(kind, _defaults(kind, parameter.default))
            parameters += _options(group)
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            )

    names = [parameter.name for parameter in parameters]

    def expanded(*arguments: Any, **values: Any) -> None:
        values |= zip(names, arguments, strict=False)
        for name, group in groups.items():
            given = {option: values.pop(option, None) for option in group.defaults}
            chosen = {option: value for option, value in given.items() if value is not None}
            values[name] = group.kind(**{**group.defaults, **chosen})
        command(**values)

    expanded.__name__, expanded.__qualname__ = command.__name__, command.__qualname__
    expanded.__module__, expanded.__doc__ = command.__module__, command.__doc__
    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def _defaults(group: type[Any], instance: Any) -> dict[str, Any]:
    """What each field is by default, in the order of the constructor; `instance` may be `inspect.Parameter.empty`."""
    parameters = inspect.signature(group).parameters
    if instance is inspect.Parameter.empty:
        return {name: parameter.default for name, parameter in parameters.items()}
    return {name: getattr(instance, name) for name in parameters}


def _options(group: _Group) -> Iterator[inspect.Parameter]:
    """A parameter for each field; one that may be given many times has no default, since typer would show it."""
    hints = get_type_hints(group.kind, include_extras=True)
    for name, value in group.defaults.items():
        kind, *metadata = get_args(hints[name])
        default = value
        if get_origin(kind) is Sequence:  # a list is what every release of typer takes for an option
            kind, default = list[get_args(kind)[0]], None  # type: ignore[misc]
        yield inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[(kind, *metadata)]
        )
