"""Where MediaPipe's networks lie, without MediaPipe itself: in bundles, wheels, or what `dynast fetch-models` wrote.

The networks are those of MediaPipe's repository, Apache-2.0 (Bazarevsky et al., "BlazePose", 2020; Kartynnik et al.,
"Real-time facial surface geometry", 2019). They are TensorFlow Lite files, and run here as ONNX models (`tflite`).
"""

from __future__ import annotations

import importlib.util
import os
import zipfile
import zlib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.session import open_session

ENDINGS = (".task", ".whl")
"""Files that may hold networks: MediaPipe's model bundles, and wheels of the releases that carried them."""
FETCH_COMMAND = "dynast fetch-models"
LARGEST_NETWORK = 64 << 20
"""Bytes; the largest of MediaPipe's has 28 million."""


class MediaPipeNetwork(Enum):
    """The networks that are used, and under which names they lie in bundles and in wheels."""

    POSE_DETECTOR = ("pose_detector.tflite", "modules/pose_detection/pose_detection.tflite")
    POSE_LANDMARKS = ("pose_landmarks_detector.tflite", "modules/pose_landmark/pose_landmark_full.tflite")
    FACE_DETECTOR = ("face_detector.tflite", "modules/face_detection/face_detection_short_range.tflite")
    FACE_LANDMARKS = ("face_landmarks_detector.tflite", "modules/face_landmark/face_landmark.tflite")


SHA256 = {
    MediaPipeNetwork.POSE_DETECTOR: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    MediaPipeNetwork.POSE_LANDMARKS: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    MediaPipeNetwork.FACE_DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    MediaPipeNetwork.FACE_LANDMARKS: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
}
"""Of the networks in the wheel of MediaPipe 0.10.14, all that is fetched."""


def models_file() -> Path:
    """Where `dynast fetch-models` puts the networks, in the user's folder of data; it need not exist."""
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base or Path.home() / ".local" / "share") / "dynast_deploy" / "mediapipe.task"


def find_models(networks: tuple[MediaPipeNetwork, ...]) -> Path | None:
    """What holds all of `networks` on this machine: the fetched file, an installed MediaPipe that has them, or None.

    MediaPipe is not imported for it.
    """
    candidates = [models_file()]
    spec = importlib.util.find_spec("mediapipe")
    if spec is not None and spec.submodule_search_locations:
        candidates += [Path(folder) for folder in spec.submodule_search_locations]
    for path in candidates:
        if path.is_dir() and all(any((path / name).is_file() for name in each.value) for each in networks):
            return path
        if path.is_file():
            return path
    return None


def read_network(path: Path, network: MediaPipeNetwork) -> bytes:
    """The contents of a network's TensorFlow Lite file in a bundle, a wheel or a folder.

    Raises:
        DynastError: Where `path` is damaged or does not hold it.
    """
    if path.is_dir():
        for name in network.value:
            if (path / name).is_file():
                return (path / name).read_bytes()
        lacking = _missing(path, network)
        raise lacking
    if not path.is_file():
        raise DynastError(f"{path}: no such file of MediaPipe's models")
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(network.value):
                    if entry.file_size > LARGEST_NETWORK:
                        raise DynastError(
                            f"{path}: {network.value[0]} in it is too large for one of MediaPipe's"
                        )
                    return archive.read(entry)
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DynastError(f"{path}: not a bundle of MediaPipe's models, or damaged ({error})") from None
    lacking = _missing(path, network)
    raise lacking


class OpenNetwork:
    """A network that looks at a square picture.

    Attributes:
        size: Pixels of the square's side.
    """

    def __init__(self, session: Any, source: str) -> None:
        """`source` names it in messages.

        Raises:
            DynastError: Where it takes anything but one square picture, or ONNX Runtime is missing.
        """
        self._session, self._source = session, source
        inputs = session.get_inputs()
        self._input = inputs[0].name
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            raise self._other_kind(f"takes {shape}")
        self.size = int(shape[1])

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs for float32 `[size, size, 3]`, scaled as the network wants it.

        Raises:
            DynastError: Where ONNX Runtime cannot run it.
        """
        try:
            return list(self._session.run(None, {self._input: picture[None]}))
        except Exception as error:  # ONNX Runtime's exception classes share no base of their own
            raise DynastError(f"{self._source}: does not run: {error}") from None

    def pick(self, outputs: list[np.ndarray], fits: Callable[[np.ndarray], bool]) -> np.ndarray:
        """The output that fits: their order is the converter's. Outputs may have any shape.

        Raises:
            DynastError: Where no output fits.
        """
        found = next((output for output in outputs if fits(output)), None)
        if found is None:
            raise self._other_kind(f"gives {', '.join(str(list(output.shape)) for output in outputs)}")
        return found

    def _other_kind(self, what: str) -> DynastError:
        return DynastError(f"{self._source}: a network of another kind than is used here (it {what})")


def open_network(path: Path, network: MediaPipeNetwork) -> OpenNetwork:
    """A network, run by ONNX Runtime.

    Raises:
        DynastError: Where it cannot be read, converted or run: as `read_network`, `onnx_of_tflite` and `OpenNetwork`
            say.
    """
    from dynast_deploy.formats.tflite import onnx_of_tflite

    source = f"{path}, {network.value[0]}"
    session = open_session(onnx_of_tflite(read_network(path, network), source).SerializeToString(), source)
    return OpenNetwork(session, source)


def _missing(path: Path, network: MediaPipeNetwork) -> DynastError:
    return DynastError(
        f"{path}: no {network.value[0]} in it, as MediaPipe's bundles pose_landmarker_*.task and face_landmarker.task, "
        f"the wheel of its release 0.10.14 and the file that `{FETCH_COMMAND}` writes have"
    )
