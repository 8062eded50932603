"""What `--device` and `load_engine` call the places where engines run."""

from __future__ import annotations

from collections.abc import Collection

from dynast_deploy.errors import DynastError

AUTO = "auto"
"""The fastest that an engine finds on this machine."""


def check_device(device: str, known: Collection[str]) -> None:
    """Check that a device is AUTO, or one of those `known` to an engine.

    Raises:
        DynastError: Where it is not.
    """
    if device != AUTO and device not in known:
        *names, last = AUTO, *sorted(known)
        raise DynastError(f"device {device!r} is none of {', '.join(names)} and {last}")
