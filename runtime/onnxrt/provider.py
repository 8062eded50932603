"""The execution providers of ONNX Runtime that engines run on: one entry each in `PROVIDERS`.

Imported for the choices of `--device` as well, so what an entry needs beyond names is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynast_deploy import onnxruntime_session
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library
from dynast_deploy.runtime.device_names import AUTO, check_device

if TYPE_CHECKING:
    import onnx


def _driver_answers() -> bool:
    from dynast_deploy.runtime.cuda.driver import driver_answers

    return driver_answers()


def _form_for_cpus(part: onnx.ModelProto, has_operators: bool, native_layers: bool) -> onnx.ModelProto:
    from dynast_deploy.runtime.onnxrt.cpu_form import form_for_cpus

    return form_for_cpus(part, has_operators, native_layers)


@dataclass(frozen=True, eq=False)
class ExecutionProvider:
    """How engines use one execution provider.

    Attributes:
        device: What users call it: a choice of `--device`, and `EngineInfo.device`.
        name: What ONNX Runtime calls it.
        distribution: The package that brings it.
        needs: What else has to be installed for it, for messages; "" for nothing.
        answers: Whether the hardware is there, as far as can be told without a session.
        options: Its options, by ONNX Runtime's names.
        graphs_option: The option that turns on CUDA graphs, where it has them.
        memory: What `OrtValue` calls the memory where exemplars stay: "cpu" or "cuda".
        operators: The library of our operators that it takes (`plugins.bindings.library`); None for standard ones.
        operators_command: What builds that library.
        rewrite: Makes a copy of a half of the model in the form that is fastest here, from the half, whether our
            operators are there, and whether layers may become such operators. None where that is the file's own form.
    """

    device: str
    name: str
    distribution: str
    needs: str = ""
    answers: Callable[[], bool] = lambda: True
    options: dict[str, str] = field(default_factory=dict)
    graphs_option: str | None = None
    memory: str = "cpu"
    operators: str | None = None
    operators_command: str = library.BUILD_COMMAND
    rewrite: Callable[[onnx.ModelProto, bool, bool], onnx.ModelProto] | None = None

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.name.removesuffix("ExecutionProvider")

    def for_session(self, graphs: bool = False) -> list[onnxruntime_session.Provider]:
        """The providers of a session that runs on this one; the CPU runs nodes that it does not have.

        `graphs` asks for CUDA graphs, where it has them.
        """
        options = dict(self.options)
        if self.graphs_option is not None:
            options[self.graphs_option] = str(int(graphs))
        if self.name == onnxruntime_session.CPU:
            return [self.name]
        return [(self.name, options), onnxruntime_session.CPU]


CPU = ExecutionProvider(
    device="cpu",
    name=onnxruntime_session.CPU,
    distribution="onnxruntime",
    operators=library.ONNXRUNTIME,
    rewrite=_form_for_cpus,
)
CUDA = ExecutionProvider(
    device="cuda",
    name=onnxruntime_session.CUDA,
    distribution="onnxruntime-gpu",
    needs="the CUDA and cuDNN it names",
    answers=_driver_answers,
    graphs_option="enable_cuda_graph",
    memory="cuda",
    # Operators for the CPU would fetch everything from the GPU and back.
    operators=library.ONNXRUNTIME_GPU,
    operators_command=f"{library.BUILD_COMMAND} --cuda",
)
PROVIDERS = (CUDA, CPU)
"""In the order in which "auto" tries them."""
DEVICES = tuple(each.device for each in PROVIDERS)
"""What users call them. Engines of other libraries run on some of these."""


def choose_provider(onnxruntime: Any, device: str) -> ExecutionProvider:
    """The entry for a device; "auto" takes the first that the installed ONNX Runtime (the module) has and that answers.

    Raises:
        DynastError: Where there is no such device, or the installed ONNX Runtime does not have it.
    """
    available = onnxruntime.get_available_providers()
    if device == AUTO:
        return next(each for each in PROVIDERS if each.name in available and each.answers())
    check_device(device, DEVICES)
    chosen = next(each for each in PROVIDERS if each.device == device)
    if chosen.name not in available:
        raise DynastError(
            f"--device {device}: the installed ONNX Runtime has no {chosen.label}; pip uninstall -y onnxruntime and "
            f"pip install {chosen.distribution}, or use --device cpu"
        )
    return chosen
