"""Sessions of ONNX Runtime for the halves of an engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import onnx
from onnx import TensorProto

from dynast_deploy.errors import DynastError, DynastWarning
from dynast_deploy.formats.onnx_weights import Weights
from dynast_deploy.onnxruntime_session import reason, refusal
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.onnxrt.cpu_dense import dense_in_one_pass
from dynast_deploy.runtime.onnxrt.cpu_graph import for_cpu, name_nodes
from dynast_deploy.runtime.onnxrt.cpu_layers import channels_last

OUR_DOMAIN = "dynast"
T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """A session, and the weights that it reads from where they are: they have to live as long."""

    session: Any
    weights: dict[str, Any]


class Form(NamedTuple):
    """How a part of a file is run: with the library of our operators or none, and rewritten for CPUs or as it is."""

    operators: Path | None
    rewrites: bool


class SessionMaker:
    """Makes sessions of parts of one file, with the settings that all of them share.

    `source` is the file's name for messages; `device` "cpu" or "cuda"; `threads` those of one operator, None for all
    cores; `operators` the library of our operators or None, and `native_layers` whether layers become such operators.
    """

    def __init__(
        self,
        onnxruntime: Any,
        source: str,
        weights: Weights,
        device: str,
        threads: int | None,
        operators: Path | None,
        native_layers: bool,
    ) -> None:
        self._onnxruntime, self._source, self._weights = onnxruntime, source, weights
        self._device, self._threads, self._native_layers = device, threads, native_layers
        forms = [Form(operators, device == "cpu"), Form(operators, False), Form(None, False)]
        self._forms = list(dict.fromkeys(forms))

    @property
    def form(self) -> Form:
        """That of the sessions that are made now."""
        return self._forms[0]

    def attempt(self, action: Callable[[], T]) -> T:
        """What `action` returns, which makes sessions and runs them.

        A graph that is not quite what our exporter writes may not run in the fastest form. Then `action` is repeated
        with the next one, down to the file as it is, and a DynastWarning says so. Raises DynastError where that does
        not run either.
        """
        problem = ""
        while True:
            try:
                result = action()
                break
            except DynastError:
                raise
            except Exception as error:  # of ONNX Runtime, or of a rewriting that did not foresee this graph
                if len(self._forms) == 1:
                    raise refusal(self._source, error) from error
                problem = problem or reason(error)
                del self._forms[0]
        if problem:
            warnings.warn(
                f"{self._source} runs in a slower form, as its graph is not quite one of this project's exporter "
                f"({problem})",
                DynastWarning,
                stacklevel=3,
            )
        return result

    def make(
        self,
        part: onnx.ModelProto,
        weights: dict[str, Any] | None = None,
        profile_prefix: str | None = None,
        cuda_graphs: bool = False,
    ) -> Session:
        """A session for `part`, a half of the file as `read_graph` reads it; it stays as it is.

        `weights` are those of another session of the same part and form, which are then shared. To be called from
        within `attempt`.
        """
        operators, rewrites = self.form
        if rewrites:
            part = rewritten(part, operators is not None, self._native_layers)
        return self._session(part, weights, profile_prefix, cuda_graphs)

    def _session(
        self,
        part: onnx.ModelProto,
        weights: dict[str, Any] | None,
        profile_prefix: str | None,
        cuda_graphs: bool,
    ) -> Session:
        options = self._options(profile_prefix)
        providers: list[Any] = ["CPUExecutionProvider"]
        if self._device == "cuda":
            providers.insert(0, ("CUDAExecutionProvider", {"enable_cuda_graph": str(int(cuda_graphs))}))
        filled = onnx.ModelProto()
        filled.CopyFrom(part)
        weights = weights or {}
        arrays = self._weights.fill(filled, self._read_in_place(part.graph), held=weights)
        values = self._onnxruntime.OrtValue
        weights = weights | {name: values.ortvalue_from_numpy(array) for name, array in arrays.items()}
        for name, value in weights.items():
            options.add_initializer(name, value)
        serialised = filled.SerializeToString()
        del filled
        session = self._onnxruntime.InferenceSession(serialised, options, providers)
        if self._device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            raise DynastError(
                f"{self._source}: CUDA was asked for but ONNX Runtime could not start it (see `dynast doctor`); "
                "install the CUDA and cuDNN it names, or use --device cpu"
            )
        del serialised
        return_freed_memory()
        return Session(session, weights)

    def _options(self, profile_prefix: str | None) -> Any:
        options = self._onnxruntime.SessionOptions()
        if profile_prefix is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile_prefix
        options.log_severity_level = 3
        # Threads that wait in a loop for the next operator slow everything down on a machine that does other work too:
        # beside one busy process on two cores a frame took twice as long with it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Buffers are planned from the first run's sizes, and held beside that run's own.
        options.enable_mem_pattern = False
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        # ONNX Runtime looks whether the file is there even for weights that it is given.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self._weights.folder)
        )
        if self.form.operators is not None:
            options.register_custom_ops_library(str(self.form.operators))
        return options

    def _read_in_place(self, graph: onnx.GraphProto) -> set[str]:
        """Names of weights that our operators read as they are; others get another form, and their first is freed."""
        if self._device != "cpu" or self.form.operators is None:
            return set()
        read = {name for node in graph.node if node.domain == OUR_DOMAIN for name in node.input}
        return {
            tensor.name
            for tensor in graph.initializer
            if tensor.name in read
            and self._weights.is_found_by_others(tensor)
            and tensor.data_location == TensorProto.EXTERNAL
            and tensor.data_type == TensorProto.FLOAT
        }


def rewritten(part: onnx.ModelProto, has_operators: bool, native_layers: bool) -> onnx.ModelProto:
    """A copy of `part` in the form that is fastest on CPUs, with and without our operators."""
    fast = onnx.ModelProto()
    fast.CopyFrom(part)
    name_nodes(fast.graph)
    if has_operators and native_layers:
        channels_last(fast.graph)
    for_cpu(fast)
    if has_operators:
        dense_in_one_pass(fast.graph)
    return fast
