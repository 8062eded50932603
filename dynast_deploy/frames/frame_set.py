"""What a model is calibrated on: frames as the network sees them, each with an exemplar."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_model import ModelMetadata


@dataclass(frozen=True)
class Packed:
    """An array, compressed: two hundred conditions at 256x256 would fill 260 MB."""

    data: bytes
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: np.ndarray) -> Packed:
        """The packed form of any array."""
        return cls(zlib.compress(np.ascontiguousarray(array).tobytes(), 1), array.dtype.str, array.shape)

    def unpack(self) -> np.ndarray:
        """The array as it was; the caller may change it."""
        return np.frombuffer(bytearray(zlib.decompress(self.data)), self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Pair:
    """exemplar: number of the exemplar; condition: uint8 or float32 `[1, S, H, W]`, as `Engine.render` takes it."""

    exemplar: int
    condition: Packed


class CalibrationData:
    """Exemplars and frames that fit one model; everything is checked when it is added.

    `source` says in messages where they come from. Frames keep their exemplar; those of one exemplar follow each other,
    so that each is encoded once.
    """

    def __init__(self, info: ModelMetadata, source: str) -> None:
        self.info, self.source = info, source
        self._exemplars: list[tuple[Packed, Packed]] = []
        self._frames: list[Pair] = []

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def exemplar_count(self) -> int:
        """How many exemplars there are."""
        return len(self._exemplars)

    def add_exemplar(self, picture: np.ndarray, condition: np.ndarray, name: str) -> int:
        """Add an exemplar.

        Args:
            picture: float32 `[1, 3, H, W]` in -1..1.
            condition: float32 in 0..1 or uint8, `[1, S, H, W]`.
            name: What messages call it.

        Returns:
            The exemplar's number, which `add_frame` takes.

        Raises:
            DynastError: Where they do not fit the model, hold NaN, or the picture is of one colour.
        """
        self._check(picture, 3, f"{name}: the exemplar", -1)
        self._check(condition, self.info.channels, f"{name}: the exemplar's condition", 0)
        if np.ptp(picture) == 0:
            raise DynastError(f"{name}: the exemplar is of one colour; choose a picture that shows something")
        self._exemplars.append((Packed.of(picture), Packed.of(condition)))
        return len(self._exemplars) - 1

    def add_frame(self, condition: np.ndarray, exemplar: int, name: str) -> None:
        """condition uint8 `[1, S, H, W]` in 0..255 or float32 in 0..1, with the number of its exemplar.

        Raises:
            DynastError: Where it does not fit the model, or holds NaN.
        """
        self._check(condition, self.info.channels, f"{name}: the condition", 0)
        self._frames.append(Pair(exemplar, Packed.of(condition)))

    def finish(self) -> CalibrationData:
        """Order the frames by exemplar.

        Raises:
            DynastError: Where there is nothing, or nothing that varies.
        """
        if not self._frames or not self._exemplars:
            raise DynastError(
                f"{self.source}: no {'frames' if self._exemplars else 'exemplars'} to calibrate on"
            )
        first = self._frames[0].condition
        if len({frame.condition.data for frame in self._frames}) == 1:
            what = f"all {len(self)} frames are the same" if len(self) > 1 else "there is a single frame"
            if len(self) > 1 or np.ptp(first.unpack()) == 0:
                raise DynastError(f"{self.source}: {what}, so no ranges can be measured; name data that vary")
        if all(np.ptp(frame.condition.unpack()) == 0 for frame in self._frames):
            raise DynastError(f"{self.source}: every condition is constant; name data that show something")
        self._frames.sort(key=lambda frame: frame.exemplar)
        return self

    def exemplar(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The picture float32 `[1, 3, H, W]` in -1..1 and the condition `[1, S, H, W]` of an exemplar, by number."""
        picture, condition = self._exemplars[number]
        return picture.unpack(), condition.unpack()

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """(exemplar's number, condition) of every frame, those of one exemplar together.

        Conditions are `[1, S, H, W]`, see `Pair`.
        """
        for frame in self._frames:
            yield frame.exemplar, frame.condition.unpack()

    def split(self, checks: int) -> tuple[CalibrationData, CalibrationData]:
        """(frames to measure ranges on, about `checks` frames to judge the result by), apart where there are enough."""
        count = min(checks, len(self))
        kept_back = {int(index) for index in np.linspace(0, len(self) - 1, count).round()}
        if len(self) < 2 * count:
            return self, self._of(sorted(kept_back))
        return self._of([n for n in range(len(self)) if n not in kept_back]), self._of(sorted(kept_back))

    def fingerprint(self) -> str:
        """SHA-256 of everything that the network will see."""
        digest = hashlib.sha256()
        for pair in self._exemplars:
            for packed in pair:
                digest.update(packed.data)
        for frame in self._frames:
            digest.update(frame.exemplar.to_bytes(4, "little") + frame.condition.data)
        return digest.hexdigest()

    def _of(self, numbers: list[int]) -> CalibrationData:
        part = CalibrationData(self.info, self.source)
        part._exemplars = self._exemplars
        part._frames = [self._frames[number] for number in numbers]
        return part

    def _check(self, array: np.ndarray, channels: int, what: str, lowest: float) -> None:
        expected = (1, channels, self.info.height, self.info.width)
        if array.shape != expected:
            raise DynastError(
                f"{what} has shape {list(array.shape)}; this model takes {list(expected)}"
                + (f" (task {self.info.task})" if self.info.task else "")
            )
        if array.dtype == np.uint8:
            return
        if array.dtype != np.float32:
            raise DynastError(f"{what} is {array.dtype}; it must be float32, or uint8 for a condition")
        if not np.isfinite(array).all():
            raise DynastError(f"{what} holds NaN or infinite values; repair or leave out this picture")
        if array.min() < lowest - 0.01 or array.max() > 1.01:
            raise DynastError(
                f"{what} lies in {array.min():.3g}..{array.max():.3g}; it must lie in {lowest}..1"
            )
