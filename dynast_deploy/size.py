"""Picture sizes on the command line."""

from __future__ import annotations

from dynast_deploy.errors import DynastError


def parse_size(text: str) -> tuple[int, int]:
    """`"256x192"` -> (256, 192): height and width in pixels; one number is both."""
    try:
        height, width = (int(part) for part in (text.split("x") if "x" in text else (text, text)))
    except ValueError:
        raise DynastError(f"--size {text}: write HEIGHTxWIDTH, such as 256x192") from None
    if height % 8 or width % 8 or height <= 0 or width <= 0:
        raise DynastError(f"--size {text}: height and width must be multiples of 8")
    return height, width
