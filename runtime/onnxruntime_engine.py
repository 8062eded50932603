"""`model.onnx` on ONNX Runtime, cut into exemplar encoder and frame renderer.

Memory is kept low on purpose (`docs/speed.md`): weights are read from the file by ONNX Runtime alone, and the encoder's
session lives only while an exemplar is being encoded.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.export.split import ModelInfo, halves
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.cpu_dense import dense_in_one_pass
from dynast_deploy.runtime.cpu_graph import for_cpu
from dynast_deploy.runtime.driver import driver_answers
from dynast_deploy.runtime.engine import EncodedExemplar, EngineInfo, check_exemplar, network_input
from dynast_deploy.runtime.memory import return_freed_memory
from dynast_deploy.runtime.onnx_file import read_graph

if TYPE_CHECKING:
    import onnx


ELEMENT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxRuntimeEngine:
    """See `engine.Engine`. The exemplar's tensors stay on the device that computed them."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        device: str = "auto",
        threads: int | None = None,
        native_attention: bool = True,
        profile_prefix: str | None = None,
    ) -> None:
        """`device` is "auto", "cpu" or "cuda"; `threads` those of one operator, all cores where it is None.

        Without `native_attention` the function bodies in the file run instead of our operators. With `profile_prefix`
        the renderer writes ONNX Runtime's profile to a file whose name starts so, when the engine is deleted.
        """
        self._onnxruntime = onnxruntime = import_onnxruntime()
        self._path = Path(path).resolve()
        model = read_graph(path)
        self._identity = _identity(self._path)
        info = ModelInfo.read(model, str(path))
        self._device = choose_device(onnxruntime, device)
        self._library = onnxruntime_library(self._device) if native_attention else None
        self._threads = threads
        self._encoder, renderer = halves(model, info)
        if self._device == "cpu":
            for_cpu(self._encoder)
            for_cpu(renderer)
            if self._library is not None:
                dense_in_one_pass(renderer.graph)
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
        self._renderer = self._session(renderer, profile_prefix=profile_prefix)

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

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        condition = network_input("condition", condition, self.info.channels, self.info)
        check_exemplar(self, exemplar, len(condition))
        binding = self._renderer.io_binding()
        binding.bind_cpu_input("condition", condition)
        for name, tensor in exemplar.tensors.items():
            binding.bind_ortvalue_input(name, tensor)
        binding.bind_output("image", "cpu")
        self._renderer.run_with_iobinding(binding)
        return binding.get_outputs()[0].numpy()

    def _encode(self, picture: np.ndarray, condition: np.ndarray) -> dict[str, Any]:
        """The cut tensors by name. The session is made anew, since kept it would cost its weights and buffers."""
        session = self._session(self._encoder)
        binding = session.io_binding()
        binding.bind_cpu_input("exemplar", picture)
        binding.bind_cpu_input("exemplar_condition", condition)
        tensors = {}
        for output in session.get_outputs():
            shape = [len(picture), *output.shape[1:]]
            tensors[output.name] = self._empty(shape, ELEMENT_TYPES[output.type])
            binding.bind_ortvalue_output(output.name, tensors[output.name])
        session.run_with_iobinding(binding)
        return tensors

    def _empty(self, shape: list[int], dtype: type) -> Any:
        """A tensor on the engine's device. One from a session's arena would keep the whole arena with it."""
        value = self._onnxruntime.OrtValue
        if self._device == "cpu":
            return value.ortvalue_from_numpy(np.empty(shape, dtype))
        return value.ortvalue_from_shape_and_type(shape, dtype, self._device)

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
        providers = ["CPUExecutionProvider"]
        if self._device == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
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
