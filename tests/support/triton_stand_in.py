"""What Triton's Python backend gives a model (`triton_python_backend_utils`), and a server with two plans behind it.

The encoder gives, for every cut tensor, the mean of exemplar and condition; the renderer adds the exemplar's first
value to every condition. Tensors remember where they lie, and what lies on the GPU cannot be read as an array.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

GPU, CPU = 1, 0


class TritonModelException(Exception):
    pass


class TritonError:
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG = range(4)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message, self._code = message, code

    def code(self) -> int:
        return self._code

    def message(self) -> str:
        return self._message


@dataclass
class PreferredMemory:
    kind: int
    device: int = 0


class Tensor:
    def __init__(self, name: str, array: np.ndarray, place: int = CPU) -> None:
        self._name, self._array, self._place = name, array, place

    def name(self) -> str:
        return self._name

    def is_cpu(self) -> bool:
        return self._place == CPU

    def as_numpy(self) -> np.ndarray:
        if not self.is_cpu():
            raise TritonModelException("Tensor is stored in GPU and cannot be converted to NumPy.")
        return self._array


@dataclass
class InferenceResponse:
    tensors: list[Tensor] = field(default_factory=list)
    problem: TritonError | None = None

    def has_error(self) -> bool:
        return self.problem is not None

    def error(self) -> TritonError | None:
        return self.problem


@dataclass
class Request:
    tensors: dict[str, Tensor]


@dataclass
class Server:
    """calls: name of the model, and its inputs by name; refuse: names of models that fail; unpaintable: a level of
    conditions on which the renderer fails."""

    cut_tensors: tuple[str, ...]
    calls: list[tuple[str, dict[str, Tensor]]] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    unpaintable: int | None = None

    def run(self, model: str, inputs: dict[str, Tensor], wanted: list[str], place: int) -> InferenceResponse:
        self.calls.append((model, inputs))
        if model in self.refuse:
            return InferenceResponse([], TritonError(f"{model} is out of memory"))
        if model == "dynast_encoder":
            mean = np.mean([inputs[name].as_numpy().mean() for name in ("exemplar", "exemplar_condition")])
            return InferenceResponse([Tensor(name, np.full((1, 2, 2), mean), place) for name in wanted])
        assert model == "dynast_renderer"
        assert len({inputs[name].is_cpu() for name in self.cut_tensors}) == 1
        if self.unpaintable is not None and (inputs["condition"].as_numpy() == self.unpaintable).any():
            return InferenceResponse([], TritonError("not this one"))
        shade = inputs[self.cut_tensors[0]]._array.flat[0]
        condition = inputs["condition"].as_numpy()
        return InferenceResponse([Tensor("image", (condition[:, :3] + shade).astype(np.uint8), place)])

    def utilities(self) -> types.ModuleType:
        """The module `triton_python_backend_utils` of a model on this server."""
        server = self

        class InferenceRequest:
            def __init__(
                self,
                *,
                model_name: str,
                requested_output_names: list[str],
                inputs: list[Tensor],
                preferred_memory: PreferredMemory,
            ) -> None:
                self._model, self._wanted = model_name, requested_output_names
                self._inputs, self._memory = inputs, preferred_memory

            def exec(self) -> InferenceResponse:
                named = {tensor.name(): tensor for tensor in self._inputs}
                return server.run(self._model, named, self._wanted, self._memory.kind)

        module = types.ModuleType("triton_python_backend_utils")
        contents: dict[str, Any] = {
            "TRITONSERVER_MEMORY_GPU": GPU,
            "TRITONSERVER_MEMORY_CPU": CPU,
            "TritonModelException": TritonModelException,
            "TritonError": TritonError,
            "PreferredMemory": PreferredMemory,
            "Tensor": Tensor,
            "InferenceResponse": InferenceResponse,
            "InferenceRequest": InferenceRequest,
            "get_input_tensor_by_name": lambda request, name: request.tensors.get(name),
            "get_output_tensor_by_name": lambda response, name: next(
                tensor for tensor in response.tensors if tensor.name() == name
            ),
        }
        vars(module).update(contents)
        return module
