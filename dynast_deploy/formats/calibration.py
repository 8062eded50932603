"""The calibration file: what was measured of a model, to be shipped with it and passed to `dynast build-engine`.

JSON. `ranges` maps tensors of the graph to the largest magnitude to represent; `left` maps layers that stay in float to
the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.formats.precision import EIGHT_BITS, Method, Precision

KIND = "dynast calibration 1"


def with_float16(number_format: Precision) -> str:
    """What `Calibration.psnr` calls a model with eight-bit layers and the rest in float16."""
    return f"{number_format}+{Precision.FP16}"


@dataclass(frozen=True)
class Calibration:
    """model_sha256: of the float32 ONNX file; data_sha256: of what the network saw.

    number_format: of quantized layers, one of `EIGHT_BITS`; psnr: dB against float32 of the format, of float16, and of
    the format with the rest in float16 ("int8+fp16").
    """

    model_sha256: str
    data_sha256: str
    data: str
    frames: int
    exemplars: int
    method: Method
    number_format: Precision
    psnr: dict[str, float]
    ranges: dict[str, float]
    left: dict[str, str]

    def text(self) -> str:
        """The file's contents: JSON that `read_calibration` reads."""
        return json.dumps({"kind": KIND, **asdict(self)}, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write the file at `path`; an earlier one stays until this one is whole.

        Raises:
            DynastError: Where it cannot be written.
        """
        write_text(path, self.text())


def read_calibration(path: Path, model_sha256: str, model: str) -> Calibration:
    """The calibration in the file at `path`, made for the model with the SHA-256 `model_sha256` and the name `model`.

    Raises:
        DynastError: Where the file is missing or damaged, is not a calibration, or is one of another model.
    """
    if not path.is_file():
        raise DynastError(
            f"{path}: no such calibration file; make one with: dynast calibrate {model} --data ..."
        )
    try:
        calibration = _parsed(path.read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise DynastError(
            f"{path}: damaged, or no calibration file; make one with dynast calibrate"
        ) from None
    if calibration.model_sha256 != model_sha256:
        raise DynastError(
            f"{path}: this calibration was made for another model than {model}; calibrate that one: "
            f"dynast calibrate {model} --data ..."
        )
    return calibration


def _parsed(text: str) -> Calibration:
    """The calibration in a file's text.

    Raises:
        ValueError: Where it is not one. Values of other kinds raise KeyError, TypeError, AttributeError, RecursionError
            or OverflowError.
    """
    found = json.loads(text)
    if found.pop("kind") != KIND:
        raise ValueError(KIND)
    found["method"], found["number_format"] = Method(found["method"]), Precision(found["number_format"])
    found["psnr"], found["ranges"] = _numbers(found["psnr"]), _numbers(found["ranges"])
    calibration = Calibration(**{field.name: found[field.name] for field in fields(Calibration)})
    texts = [calibration.model_sha256, calibration.data_sha256, calibration.data]
    texts += [*calibration.left, *calibration.left.values()]
    counts = [calibration.frames, calibration.exemplars]
    if (
        calibration.number_format not in EIGHT_BITS
        or min(calibration.ranges.values(), default=0) < 0
        or not all(isinstance(text, str) for text in texts)
        or not all(isinstance(count, int) for count in counts)
    ):
        raise ValueError(text[:80])
    return calibration


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name.

    Raises:
        ValueError: Where a value is not a finite number. Other values raise TypeError, AttributeError or
            OverflowError.
    """
    numbers = {str(name): float(value) for name, value in values.items()}
    if not all(math.isfinite(value) for value in numbers.values()):
        raise ValueError
    return numbers
