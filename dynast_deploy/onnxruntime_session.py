"""What ONNX Runtime says of a file that it cannot run, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dynast_deploy.errors import DynastError

LONGEST = 240
"""Letters of a reason."""
_VERSIONS = re.compile(r"model IR version|onnx opset version")
_PLACE_IN_ITS_SOURCES = re.compile(r"/onnxruntime_src/\S+ .*?\)(?: \[with [^]]*\])? ")


@contextmanager
def refusing(source: str) -> Iterator[None]:
    """Whatever ONNX Runtime raises within is a DynastError that names `source`; it has plain classes of its own."""
    try:
        yield
    except DynastError:
        raise
    except Exception as error:
        raise refusal(source, error) from error


def refusal(source: str, error: Exception) -> DynastError:
    said = reason(error)
    fix = "; if it is of a newer ONNX than this ONNX Runtime: pip install --upgrade onnxruntime"
    return DynastError(
        f"{source}: ONNX Runtime cannot run this file ({said}){fix if _VERSIONS.search(said) else ''}"
    )


def reason(error: Exception) -> str:
    """A message in one line, without the place in ONNX Runtime's sources, and not endless."""
    text = _PLACE_IN_ITS_SOURCES.sub("", " ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
