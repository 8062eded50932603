"""`model.onnx` on ONNX Runtime, cut into exemplar encoder and frame renderer.

Memory is kept low on purpose (`docs/speed.md`): weights are read from the file by ONNX Runtime alone, and the encoder's
session lives only while an exemplar is being encoded.
"""

from __future__ import annotations

import itertools
import os
import weakref
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.export.split import ModelInfo, halves
from dynast_deploy.export.uint8_io import with_uint8_io
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.cpu_dense import dense_in_one_pass
from dynast_deploy.runtime.cpu_graph import for_cpu
from dynast_deploy.runtime.cpu_layers import channels_last
from dynast_deploy.runtime.driver import driver_answers
from dynast_deploy.runtime.engine import EncodedExemplar, EngineInfo, check_exemplar, network_input
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.onnx_file import read_graph
from dynast_deploy.runtime.onnxruntime_frames import ELEMENT_TYPES, BoundFrames, empty_on


class OnnxRuntimeEngine:
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
        """`device` is "auto", "cpu" or "cuda"; `threads` those of one operator, all cores where it is None.

        Without `native_attention` the function bodies in the file run instead of our operators, and without
        `native_layers` ONNX Runtime's own operators all around attention. With `profile_prefix` the renderer writes
        ONNX Runtime's profile to a file whose name starts so, when the engine is deleted. With
        `cuda_graphs` every number of frames and exemplar gets a CUDA graph, which ONNX Runtime keeps as long as the
        engine.
        """
        self._onnxruntime = onnxruntime = import_onnxruntime()
        self._path = Path(path).resolve()
        model = read_graph(path)
        self._identity = _identity(self._path)
        info = ModelInfo.read(model, str(path))
        self._device = choose_device(onnxruntime, device)
        # Under CUDA only operators for CUDA serve: those for the CPU would fetch everything from there and back.
        self._library = onnxruntime_library(self._device) if native_attention else None
        self._threads = threads
        self._encoder, self._renderer = halves(model, info)
        if self._device == "cpu":
            for half in (self._encoder, self._renderer):
                if self._library is not None and native_layers:
                    channels_last(half.graph)
                for_cpu(half)
            if self._library is not None:
                dense_in_one_pass(self._renderer.graph)
        self.info = EngineInfo(
            source=str(path),
            task=Task(info.task) if info.task else None,
            channels=info.channels,
            height=info.height,
            width=info.width,
            backend="onnxruntime",
            device=self._device,
            attention="native" if self._library is not None else "function",
        )
        self._profile_prefix = profile_prefix
        self._sessions: dict[bool, Any] = {}
        self._bound = weakref.WeakKeyDictionary[EncodedExemplar, dict[tuple[int, bool], BoundFrames]]()
        self._graphs = itertools.count() if cuda_graphs and self._device == "cuda" else None

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        picture = network_input("exemplar", exemplar, 3, self.info)
        condition = network_input("exemplar_condition", exemplar_condition, self.info.channels, self.info)
        if picture.shape[0] != condition.shape[0]:
            raise DynastError(
                f"{picture.shape[0]} exemplars have {condition.shape[0]} conditions; each needs its own"
            )
        tensors = self._encode(picture, condition)
        return_freed_memory()
        return EncodedExemplar(self, tensors, len(picture))

    def exemplar_tensors(self, exemplar: EncodedExemplar) -> dict[str, np.ndarray]:
        """The cut tensors of an exemplar by name, `[E, L, C]`, copied to the host."""
        check_exemplar(self, exemplar, exemplar.count)
        return {name: value.numpy().copy() for name, value in exemplar.tensors.items()}

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        condition = network_input("condition", condition, self.info.channels, self.info)
        return self._render(exemplar, condition, in_bytes=False)

    def render_bytes(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """See `engine.RendersBytes`."""
        condition = network_input("condition", condition, self.info.channels, self.info, "uint8")
        return self._render(exemplar, condition, in_bytes=True)

    def _render(self, exemplar: EncodedExemplar, condition: np.ndarray, in_bytes: bool) -> np.ndarray:
        check_exemplar(self, exemplar, len(condition))
        if self._device == "cuda":
            return self._frames(exemplar, len(condition), in_bytes).render(condition)
        session = self._renderer_session(in_bytes)
        binding = session.io_binding()
        binding.bind_cpu_input("condition", condition)
        for name, tensor in exemplar.tensors.items():
            binding.bind_ortvalue_input(name, tensor)
        binding.bind_output("image", "cpu")
        session.run_with_iobinding(binding)
        return binding.get_outputs()[0].numpy()

    def _frames(self, exemplar: EncodedExemplar, count: int, in_bytes: bool) -> BoundFrames:
        """This exemplar's, for so many frames; kept as long as the exemplar."""
        bound = self._bound.setdefault(exemplar, {})
        if (count, in_bytes) not in bound:
            graph = next(self._graphs) if self._graphs is not None else None
            session = self._renderer_session(in_bytes)
            bound[count, in_bytes] = BoundFrames(
                self._onnxruntime, session, self._device, exemplar.tensors, count, graph
            )
        return bound[count, in_bytes]

    def _renderer_session(self, in_bytes: bool) -> Any:
        """Made when it is first needed: who renders videos needs one, and who renders arrays the other."""
        if in_bytes not in self._sessions:
            renderer = onnx.ModelProto()
            renderer.CopyFrom(self._renderer)
            if in_bytes:
                with_uint8_io(renderer)
            self._sessions[in_bytes] = self._session(renderer, self._profile_prefix)
        return self._sessions[in_bytes]

    def _encode(self, picture: np.ndarray, condition: np.ndarray) -> dict[str, Any]:
        """The cut tensors by name. The session is made anew, since kept it would cost its weights and buffers."""
        session = self._session(self._encoder)
        binding = session.io_binding()
        binding.bind_cpu_input("exemplar", picture)
        binding.bind_cpu_input("exemplar_condition", condition)
        tensors = {}
        for output in session.get_outputs():
            shape = [len(picture), *output.shape[1:]]
            tensors[output.name] = empty_on(
                self._onnxruntime, self._device, shape, ELEMENT_TYPES[output.type]
            )
            binding.bind_ortvalue_output(output.name, tensors[output.name])
        session.run_with_iobinding(binding)
        return tensors

    def _session(self, half: onnx.ModelProto, profile_prefix: str | None = None) -> Any:
        """A session for one half of the file, which must still be the one that was read."""
        if _identity(self._path) != self._identity:
            raise DynastError(f"{self.info.source} changed while it was in use; load the engine again")
        options = self._onnxruntime.SessionOptions()
        if profile_prefix is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile_prefix
        options.log_severity_level = 3
        # Threads that wait in a loop for the next operator slow everything down on a machine that does other work too:
        # beside one busy process on two cores a frame took twice as long with it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Buffers are planned from the first run's sizes, and held beside that run's own.
        options.enable_mem_pattern = False
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self._path.parent)
        )
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        if self._library is not None:
            options.register_custom_ops_library(str(self._library))
        providers: list[Any] = ["CPUExecutionProvider"]
        if self._device == "cuda":
            # The encoder runs once, and a graph is of no use to it.
            has_graphs = self._graphs is not None and half is not self._encoder
            providers.insert(0, ("CUDAExecutionProvider", {"enable_cuda_graph": str(int(has_graphs))}))
        try:
            session = self._onnxruntime.InferenceSession(half.SerializeToString(), options, providers)
        except Exception as error:  # ONNX Runtime raises plain classes of its own for every fault of a file
            reason = str(error).strip().splitlines()[-1]
            raise DynastError(f"{self.info.source}: ONNX Runtime cannot run this file ({reason})") from error
        if self._device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            raise DynastError(
                f"{self.info.source}: CUDA was asked for but ONNX Runtime could not start it (see `dynast doctor`); "
                "install the CUDA and cuDNN it names, or use --device cpu"
            )
        return_freed_memory()
        return session


def _identity(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced or written again; None when it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def import_onnxruntime() -> Any:
    """The module; DynastError that names the fix where neither or both of its packages are installed."""
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if len(installed) == 2:
        raise DynastError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; keep one: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime (CPU) or onnxruntime-gpu (CUDA)"
        )
    try:
        import onnxruntime
    except ImportError as error:
        if installed:
            raise DynastError(
                f"{installed[0]} is installed but does not load ({error}); pip install --force-reinstall {installed[0]}"
            ) from error
        raise DynastError(
            "running an .onnx engine needs ONNX Runtime: pip install onnxruntime (CPU) or onnxruntime-gpu (CUDA)"
        ) from None
    return onnxruntime


def choose_device(onnxruntime: Any, device: str) -> str:
    """ "cpu" or "cuda"; "auto" takes CUDA where the installed ONNX Runtime has it and a driver answers."""
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "auto":
        return "cuda" if has_cuda and driver_answers() else "cpu"
    if device == "cuda" and not has_cuda:
        raise DynastError(
            "--device cuda: the installed ONNX Runtime has no CUDA; pip uninstall -y onnxruntime and "
            "pip install onnxruntime-gpu, or use --device cpu"
        )
    if device not in ("cpu", "cuda"):
        raise DynastError(f"device {device!r} is none of auto, cpu and cuda")
    return device


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
