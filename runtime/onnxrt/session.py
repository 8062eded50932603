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
from dynast_deploy.formats.onnx_model import DOMAIN
from dynast_deploy.formats.onnx_weights import Weights
from dynast_deploy.onnxruntime_session import make_session, reason, refusal
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.onnxrt.provider import ExecutionProvider

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """A session, and the weights that it reads from where they are: they have to live as long."""

    session: Any
    weights: dict[str, Any]


class Form(NamedTuple):
    """How a part of a file is run: with the library of our operators or none, and rewritten or as it is."""

    operators: Path | None
    rewrites: bool


class SessionMaker:
    """Makes sessions of parts of one file, with the settings that all of them share."""

    def __init__(
        self,
        onnxruntime: Any,
        source: str,
        weights: Weights,
        provider: ExecutionProvider,
        threads: int | None,
        operators: Path | None,
        native_layers: bool,
    ) -> None:
        """Nothing is made yet.

        Args:
            onnxruntime: The module.
            source: The file's name for messages.
            weights: The file's.
            provider: What sessions run on.
            threads: CPU threads of one operator; None for all cores.
            operators: The library of our operators, or None.
            native_layers: Whether layers become such operators.
        """
        self._onnxruntime, self._source, self._weights = onnxruntime, source, weights
        self._provider, self._threads, self._native_layers = provider, threads, native_layers
        forms = [Form(operators, provider.rewrite is not None), Form(operators, False), Form(None, False)]
        self._forms = list(dict.fromkeys(forms))

    @property
    def form(self) -> Form:
        """That of the sessions that are made now."""
        return self._forms[0]

    def attempt(self, action: Callable[[], T]) -> T:
        """What `action` returns, which makes sessions and runs them.

        A graph that is not quite what our exporter writes may not run in the fastest form. Then `action` is repeated
        with the next one, down to the file as it is, and a DynastWarning says so.

        Raises:
            DynastError: Where that does not run either.
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
                    raise DynastError(refusal(self._source, error)) from error
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

        Raises:
            DynastError: Where ONNX Runtime cannot make it.
        """
        operators, rewrites = self.form
        if rewrites and self._provider.rewrite is not None:
            part = self._provider.rewrite(part, operators is not None, self._native_layers)
        return self._session(part, weights, profile_prefix, cuda_graphs)

    def _session(
        self,
        part: onnx.ModelProto,
        weights: dict[str, Any] | None,
        profile_prefix: str | None,
        cuda_graphs: bool,
    ) -> Session:
        filled = onnx.ModelProto()
        filled.CopyFrom(part)
        weights = weights or {}
        arrays = self._weights.fill(filled, self._read_in_place(part.graph), held=weights)
        values = self._onnxruntime.OrtValue
        weights = weights | {name: values.ortvalue_from_numpy(array) for name, array in arrays.items()}
        serialised = filled.SerializeToString()
        del filled
        session = make_session(
            serialised,
            providers=self._provider.for_session(cuda_graphs),
            threads=self._threads,
            operators=self.form.operators,
            spin=False,
            plan_memory=False,
            # ONNX Runtime looks whether the file is there even for weights that it is given.
            settings={"session.model_external_initializers_file_folder_path": str(self._weights.folder)},
            weights=weights,
            profile_prefix=profile_prefix,
            onnxruntime=self._onnxruntime,
        )
        if self._provider.name not in session.get_providers():
            install = f"install {self._provider.needs}, or " if self._provider.needs else ""
            raise DynastError(
                f"{self._source}: {self._provider.label} was asked for but ONNX Runtime could not start it (see "
                f"`dynast doctor`); {install}use --device cpu"
            )
        del serialised
        return_freed_memory()
        return Session(session, weights)

    def _read_in_place(self, graph: onnx.GraphProto) -> set[str]:
        """Names of weights that our operators read as they are; others get another form, and their first is freed."""
        if self._provider.memory != "cpu" or self.form.operators is None:
            return set()
        read = {name for node in graph.node if node.domain == DOMAIN for name in node.input}
        return {
            tensor.name
            for tensor in graph.initializer
            if tensor.name in read
            and self._weights.is_found_by_others(tensor)
            and tensor.data_location == TensorProto.EXTERNAL
            and tensor.data_type == TensorProto.FLOAT
        }
