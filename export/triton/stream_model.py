"""Triton model `dynast_stream`: frames of many streams, rendered in the appearance of exemplars kept on the GPU.

Every request is one frame and names its exemplar by a key. The exemplar itself, and its condition, come with the first
frame of a key, and again when an answer says that the key is not known. They are encoded once; what the encoder gives
stays on the GPU, and frames of one key that wait together are rendered together, whichever streams they come from.

This file runs inside Triton's Python backend, which has `triton_python_backend_utils` and NumPy; it needs nothing of
dynast-deploy.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

KEY = "exemplar_key"
EXEMPLAR_INPUTS = ("exemplar", "exemplar_condition")

Encoded = list[Any]
"""What the encoder gave for an exemplar: tensors on the GPU, by the names that the renderer takes them under."""


class TritonPythonModel:
    """See the Python backend's README for what Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Triton calls this once, with the model's configuration in JSON."""
        config = json.loads(args["model_config"])
        settings = {name: entry["string_value"] for name, entry in config["parameters"].items()}
        self._fewest, self._most = int(settings["batch_min"]), int(settings["batch_max"])
        self._kept = int(settings["exemplars"])
        self._cut_tensors = settings["cut_tensors"].split(",")
        # Encoded exemplars stay where the instance runs.
        is_on_gpu = args.get("model_instance_kind", "GPU") == "GPU"
        self._own = pb_utils.PreferredMemory(
            pb_utils.TRITONSERVER_MEMORY_GPU if is_on_gpu else pb_utils.TRITONSERVER_MEMORY_CPU,
            int(args["model_instance_device_id"]) if is_on_gpu else 0,
        )
        self._shapes = {
            entry["name"]: (1, *(int(side) for side in entry["dims"]))
            for entry in config["input"]
            if entry["name"] != KEY
        }
        self._cpu = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0)
        self._encoded: OrderedDict[str, Encoded] = OrderedDict()

    def execute(self, requests: list[Any]) -> list[Any]:
        """A response for every request, in their order; one that fails does not disturb the others."""
        responses: list[Any] = [None] * len(requests)
        conditions: dict[int, np.ndarray] = {}
        groups: list[tuple[Encoded, list[int]]] = []
        for number, request in enumerate(requests):
            try:
                conditions[number] = self._picture(request, "condition")
                encoded = self._exemplar_of(request)
            except Exception as error:
                responses[number] = _failure(error)
                continue
            for known, numbers in groups:
                if known is encoded and len(numbers) < self._most:
                    numbers.append(number)
                    break
            else:
                groups.append((encoded, [number]))
        for encoded, numbers in groups:
            answers = self._answers(encoded, [conditions[number] for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                responses[number] = answer
        return responses

    def _answers(self, encoded: Encoded, conditions: list[np.ndarray]) -> list[Any]:
        """A response for every condition. Frames that fail together are rendered one by one, so that others do not
        fail with the one that does."""
        try:
            images = self._render(encoded, conditions)
        except Exception as error:
            if len(conditions) == 1:
                return [_failure(error)]
            return [self._answers(encoded, [condition])[0] for condition in conditions]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("image", image[None])]) for image in images]

    def finalize(self) -> None:
        """Triton calls this before the model is unloaded."""
        self._encoded.clear()

    def _exemplar_of(self, request: Any) -> Encoded:
        """The request's exemplar, encoded now if it was sent along; only the last few used are kept for later calls.

        Raises:
            _Refused: Where half of an exemplar was sent, or one is named that is not known.
        """
        key = _key(request)
        sent = [
            name for name in EXEMPLAR_INPUTS if pb_utils.get_input_tensor_by_name(request, name) is not None
        ]
        if sent:
            if len(sent) < len(EXEMPLAR_INPUTS):
                raise _Refused(
                    f"exemplar {key!r} came with {sent[0]} alone; send exemplar and exemplar_condition",
                    "INVALID_ARG",
                )
            inputs = [pb_utils.Tensor(name, self._picture(request, name)) for name in EXEMPLAR_INPUTS]
            self._encoded[key] = self._run("dynast_encoder", inputs, self._cut_tensors, self._own)
        if key not in self._encoded:
            raise _Refused(
                f"exemplar {key!r} is not known here (any more); send exemplar and exemplar_condition with the frame",
                "NOT_FOUND",
            )
        self._encoded.move_to_end(key)
        if len(self._encoded) > self._kept:
            self._encoded.popitem(last=False)
        return self._encoded[key]

    def _picture(self, request: Any, name: str) -> np.ndarray:
        """The request's one picture or condition `[1, C, H, W]` uint8.

        Raises:
            _Refused: Where it is of another shape or type.
        """
        array = _input(request, name)
        if array.shape != self._shapes[name] or array.dtype != np.uint8:
            raise _Refused(
                f"{name} is {array.dtype} of shape {list(array.shape)}; a request is one frame, and its {name} uint8 "
                f"of shape {list(self._shapes[name])}",
                "INVALID_ARG",
            )
        return array

    def _render(self, encoded: Encoded, conditions: list[np.ndarray]) -> np.ndarray:
        """Images `[N, 3, H, W]` for N conditions `[1, S, H, W]`."""
        count = len(conditions)
        # A plan takes no fewer frames than it was built for: the last one fills up.
        conditions = conditions + conditions[-1:] * (self._fewest - count)
        inputs = [pb_utils.Tensor("condition", np.concatenate(conditions)), *encoded]
        (image,) = self._run("dynast_renderer", inputs, ["image"], self._cpu)
        images: np.ndarray = image.as_numpy()
        return images[:count]

    def _run(self, model: str, inputs: list[Any], outputs: list[str], memory: Any) -> list[Any]:
        """Output tensors of another model of this server, in the memory that is asked for.

        Raises:
            TritonModelException: Where that model fails.
        """
        request = pb_utils.InferenceRequest(
            model_name=model, requested_output_names=outputs, inputs=inputs, preferred_memory=memory
        )
        response = request.exec()
        if response.has_error():
            raise pb_utils.TritonModelException(response.error().message())
        return [pb_utils.get_output_tensor_by_name(response, name) for name in outputs]


class _Refused(Exception):
    """What the sender of a request can fix; `code` is a name of the Python backend's `TritonError`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def _input(request: Any, name: str) -> np.ndarray:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        raise _Refused(f"{name} is missing", "INVALID_ARG")
    array: np.ndarray = tensor.as_numpy()
    return array


def _key(request: Any) -> str:
    keys = _input(request, KEY)
    if keys.size != 1:
        raise _Refused(f"{KEY} has {keys.size} values; a request is one frame and has one", "INVALID_ARG")
    key = keys.item()
    return key.decode(errors="backslashreplace") if isinstance(key, bytes) else str(key)


def _failure(error: Exception) -> Any:
    """The response to a request that failed; servers before 23.09 know no codes and call all of them internal."""
    code = getattr(pb_utils.TritonError, getattr(error, "code", "INTERNAL"), None)
    known = () if code is None else (code,)
    return pb_utils.InferenceResponse([], pb_utils.TritonError(str(error), *known))
