"""`model.onnx` on ONNX Runtime, cut into exemplar encoder and frame renderer.

Memory is kept low on purpose (`docs/speed.md`): weights are read when a session is made, for that session alone, and
the encoder's lives only while an exemplar is being encoded.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_check import check_weights
from dynast_deploy.formats.onnx_model import ModelMetadata, split_encoder_renderer
from dynast_deploy.formats.onnx_reader import read_graph
from dynast_deploy.formats.onnx_weights import Weights
from dynast_deploy.formats.uint8_io import with_uint8_io
from dynast_deploy.onnxruntime_session import import_onnxruntime
from dynast_deploy.runtime.engine import EncodedExemplar, Engine, EngineInfo, check_exemplar, closed
from dynast_deploy.runtime.engine_arrays import check_images, network_input
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.onnxrt.bound_frames import (
    ELEMENT_TYPES,
    IMAGE_SUM,
    BoundFrames,
    empty_on,
    with_image_sum,
)
from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning
from dynast_deploy.runtime.onnxrt.provider import choose_provider
from dynast_deploy.runtime.onnxrt.session import Session, SessionMaker

T = TypeVar("T")
Rendered = tuple[np.ndarray, np.ndarray]
"""Images, and what is finite where they are: themselves, or their sum where they are bytes."""


class OnnxRuntimeEngine(Engine):
    """See `engine.Engine`. The exemplar's tensors stay on the device that computed them."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        device: str = "auto",
        threads: int | None = None,
        native_attention: bool = True,
        native_layers: bool = True,
        profile_prefix: str | None = None,
        cuda_graphs: bool = False,
    ) -> None:
        """Read a model; sessions are made when they are first needed.

        Args:
            path: The ONNX file.
            device: "auto", or a device of `provider.PROVIDERS`.
            threads: CPU threads of one operator; None for all cores.
            native_attention: Whether our operators run, rather than the function bodies in the file.
            native_layers: Whether layers around attention run as our operators, rather than ONNX Runtime's own.
            profile_prefix: The renderer writes ONNX Runtime's profile to a file whose name starts so, when the engine
                is closed.
            cuda_graphs: Whether every number of frames and exemplar gets a CUDA graph, which ONNX Runtime keeps as
                long as the engine.

        Raises:
            DynastError: Where the file is not a model of this project, or ONNX Runtime or the device is not there.
        """
        self._onnxruntime = onnxruntime = import_onnxruntime()
        weights = Weights(Path(path))
        model = read_graph(path)
        info = ModelMetadata.read(model, str(path))
        check_weights(model, str(path))  # the small ones; `Weights` checks those that are left in the file
        self._provider = provider = choose_provider(onnxruntime, device)
        operators = operators_or_warning(onnxruntime, provider) if native_attention else None
        self._maker = SessionMaker(
            onnxruntime, str(path), weights, provider, threads, operators, native_layers
        )
        self._encoder, self._renderer = split_encoder_renderer(model, info)
        self.info = EngineInfo(
            source=str(path),
            task=Task(info.task) if info.task else None,
            channels=info.channels,
            height=info.height,
            width=info.width,
            backend="onnxruntime",
            device=provider.device,
            attention="native" if operators is not None else "function",
        )
        self._profile_prefix = profile_prefix
        self._sessions: dict[bool, Session] = {}
        self._sessions_form = self._maker.form
        self._bound = weakref.WeakKeyDictionary[EncodedExemplar, dict[tuple[int, bool], BoundFrames]]()
        self._exemplars = weakref.WeakSet[EncodedExemplar]()
        self._graphs = itertools.count() if cuda_graphs and provider.graphs_option is not None else None
        self._closed = False

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        """See `engine.Engine.encode_exemplar`.

        Raises:
            DynastError: As stated there, and where ONNX Runtime cannot run the file.
        """
        picture = network_input("exemplar", exemplar, 3, self.info, lowest=-1)
        condition = network_input("exemplar_condition", exemplar_condition, self.info.channels, self.info)
        if picture.shape[0] != condition.shape[0]:
            raise DynastError(
                f"{picture.shape[0]} exemplars have {condition.shape[0]} conditions; each needs its own"
            )
        tensors = self._attempt(lambda: self._encode(picture, condition))
        return_freed_memory()
        encoded = EncodedExemplar(self, tensors, len(picture))
        self._exemplars.add(encoded)
        return encoded

    def exemplar_tensors(self, exemplar: EncodedExemplar) -> dict[str, np.ndarray]:
        """See `engine.ShowsExemplars`.

        Raises:
            DynastError: As stated there.
        """
        check_exemplar(self, exemplar, exemplar.count)
        self._check_open()
        return {name: value.numpy().copy() for name, value in exemplar.tensors.items()}

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """See `engine.Engine.render`.

        Raises:
            DynastError: As stated there, and where ONNX Runtime cannot run the file.
        """
        condition = network_input("condition", condition, self.info.channels, self.info)
        return self._render(exemplar, condition, in_bytes=False)

    def render_bytes(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """See `engine.RendersBytes`.

        Raises:
            DynastError: As `render` does.
        """
        condition = network_input("condition", condition, self.info.channels, self.info, "uint8")
        return self._render(exemplar, condition, in_bytes=True)

    def close(self) -> None:
        """See `engine.Engine.close`. A profile is written now."""
        if self._closed:
            return
        self._closed = True
        self._bound.clear()
        self._sessions.clear()
        for exemplar in self._exemplars:
            exemplar.tensors = None
        del self._encoder, self._renderer
        return_freed_memory()

    def _check_open(self) -> None:
        if self._closed:
            raise DynastError(closed(self.info.source))

    def _render(self, exemplar: EncodedExemplar, condition: np.ndarray, in_bytes: bool) -> np.ndarray:
        check_exemplar(self, exemplar, len(condition))
        render = self._render_on_cpu if self._provider.memory == "cpu" else self._render_on_device
        images, finite = self._attempt(lambda: render(exemplar, condition, in_bytes))
        check_images(finite, self.info.source)
        return images

    def _attempt(self, action: Callable[[], T]) -> T:
        """See `SessionMaker.attempt`; what computes the attention is then known."""
        self._check_open()
        result = self._maker.attempt(action)
        if self._maker.form.operators is None and self.info.attention == "native":
            self.info = replace(self.info, attention="function")
        return result

    def _render_on_cpu(self, exemplar: EncodedExemplar, condition: np.ndarray, in_bytes: bool) -> Rendered:
        session = self._renderer_session(in_bytes)
        binding = session.io_binding()
        binding.bind_cpu_input("condition", condition)
        for name, tensor in exemplar.tensors.items():
            binding.bind_ortvalue_input(name, tensor)
        for name in ("image", IMAGE_SUM) if in_bytes else ("image",):
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        outputs = binding.get_outputs()
        return outputs[0].numpy(), outputs[-1].numpy()

    def _render_on_device(self, exemplar: EncodedExemplar, condition: np.ndarray, in_bytes: bool) -> Rendered:
        """By what is bound for this exemplar and so many frames; kept as long as the exemplar."""
        session = self._renderer_session(in_bytes)
        bound = self._bound.setdefault(exemplar, {})
        key = len(condition), in_bytes
        if key not in bound:
            graph = next(self._graphs) if self._graphs is not None else None
            bound[key] = BoundFrames(
                self._onnxruntime, session, self._provider.memory, exemplar.tensors, len(condition), graph
            )
        return bound[key].render(condition)

    def _renderer_session(self, in_bytes: bool) -> Any:
        """Made when it is first needed: who renders videos needs one, and who renders arrays the other."""
        if self._sessions_form != self._maker.form:
            self._sessions.clear()
            self._bound.clear()
            self._sessions_form = self._maker.form
        if in_bytes not in self._sessions:
            other = self._sessions.get(not in_bytes)
            renderer = self._renderer
            if in_bytes:
                renderer = onnx.ModelProto()
                renderer.CopyFrom(self._renderer)
                with_image_sum(with_uint8_io(renderer))
            self._sessions[in_bytes] = self._maker.make(
                renderer,
                other.weights if other is not None else None,
                self._profile_prefix,
                cuda_graphs=self._graphs is not None,
            )
        return self._sessions[in_bytes].session

    def _encode(self, picture: np.ndarray, condition: np.ndarray) -> dict[str, Any]:
        """The cut tensors by name. The session is made anew, since kept it would cost its weights and buffers."""
        made = self._maker.make(self._encoder)
        binding = made.session.io_binding()
        binding.bind_cpu_input("exemplar", picture)
        binding.bind_cpu_input("exemplar_condition", condition)
        tensors = {}
        for output in made.session.get_outputs():
            shape = [len(picture), *output.shape[1:]]
            tensors[output.name] = empty_on(
                self._onnxruntime, self._provider.memory, shape, ELEMENT_TYPES[output.type]
            )
            binding.bind_ortvalue_output(output.name, tensors[output.name])
        made.session.run_with_iobinding(binding)
        if self._provider.memory == "cpu":
            for tensor in tensors.values():
                check_images(tensor.numpy(), self.info.source)
        return tensors
