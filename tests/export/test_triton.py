"""The Triton repository: files against Triton's schema, and the streams' model against a stand-in server."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plan_machine import CHANNELS, MANIFEST, SIZE
from triton_stand_in import InferenceResponse, Request, Server, Tensor, TritonError
from typer.testing import CliRunner

from dynast_deploy.cli import app
from dynast_deploy.errors import DynastError
from dynast_deploy.export.triton import repository
from dynast_deploy.export.triton.repository import Serving, configurations
from dynast_deploy.export.triton.text_format import Name, to_text
from dynast_deploy.formats.manifest import BatchSizes, Manifest, PlanKind
from dynast_deploy.formats.plan import write_plan_file

STREAM_MODEL = Path(repository.__file__).with_name("stream_model.py")
MODELS = {"dynast_encoder", "dynast_renderer", "dynast", "dynast_stream"}


def parsed(text: str) -> Any:
    """A configuration by Triton's own schema, as its client package ships it."""
    schema = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs tritonclient[grpc]")
    from google.protobuf import text_format

    return text_format.Parse(text, schema.ModelConfig())


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "model.plan"
    write_plan_file(path, MANIFEST, b"encoder's plan", b"renderer's plan")
    return path


def test_text_format_writes_names_strings_lists_and_messages() -> None:
    message = {
        "name": 'a "quoted"\nname',
        "kind": Name("KIND_GPU"),
        "on": True,
        "dims": [1, -1],
        "step": [{"key": "a"}, {"key": "b"}],
    }
    assert to_text(message) == (
        'name: "a \\"quoted\\"\\nname"\nkind: KIND_GPU\non: true\ndims: 1\ndims: -1\n'
        'step {\n  key: "a"\n}\nstep {\n  key: "b"\n}\n'
    )


@pytest.mark.parametrize("batch", [BatchSizes(), BatchSizes(1, 2, 4), BatchSizes(4, 4, 4)])
def test_every_configuration_fits_tritons_schema(batch: BatchSizes) -> None:
    found = configurations(replace(MANIFEST, batch=batch), Serving(gpu=1, renderers=2))
    assert set(found) == MODELS
    for name, config in found.items():
        message = parsed(to_text(config))
        assert message.name == name
        assert message.platform or message.backend == "python"
        assert all(group.gpus == [1] for group in message.instance_group)


def test_plans_are_described_as_they_are_and_warmed_up() -> None:
    config = parsed(to_text(configurations(MANIFEST, Serving(renderers=3))["dynast_renderer"]))
    assert config.platform == "tensorrt_plan"
    assert config.max_batch_size == 0
    assert {tensor.name: list(tensor.dims) for tensor in config.input} == {
        spec.name: list(spec.shape) for spec in MANIFEST.renderer_inputs
    }
    assert [config.instance_group[0].count, config.instance_group[0].kind] == [3, 1]
    warm = config.model_warmup[0].inputs
    assert list(warm["condition"].dims) == [2, CHANNELS, SIZE, SIZE]
    assert all(warm[spec.name].zero_data for spec in MANIFEST.renderer_inputs)


def test_the_ensemble_feeds_the_renderer_from_the_encoder() -> None:
    config = parsed(to_text(configurations(MANIFEST, Serving())["dynast"]))
    made = {tensor.name for tensor in config.input}
    assert made == {"condition", "exemplar", "exemplar_condition"}
    for step in config.ensemble_scheduling.step:
        assert set(step.input_map.values()) <= made
        made |= set(step.output_map.values())
    assert [tensor.name for tensor in config.output] == ["image"]
    assert "image" in made


def test_only_keys_and_frames_cross_the_network_once_an_exemplar_is_known() -> None:
    config = parsed(to_text(configurations(MANIFEST, Serving(exemplars=5, delay=300))["dynast_stream"]))
    needed = {tensor.name for tensor in config.input if not tensor.optional}
    assert needed == {"exemplar_key", "condition"}
    assert {tensor.name for tensor in config.input if tensor.optional} == {"exemplar", "exemplar_condition"}
    assert config.max_batch_size == MANIFEST.batch.max
    assert config.dynamic_batching.max_queue_delay_microseconds == 300
    assert config.parameters["exemplars"].string_value == "5"
    assert config.instance_group[0].count == 1


def test_the_command_writes_a_whole_repository(plan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "served" / "models"
    result = CliRunner().invoke(app, ["export-triton", str(plan), str(folder), "--exemplars", "3"])
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == MODELS
    assert (folder / "dynast_encoder/1/model.plan").read_bytes() == b"encoder's plan"
    assert (folder / "dynast_renderer/1/model.plan").read_bytes() == b"renderer's plan"
    assert (folder / "dynast/1").is_dir()
    model = (folder / "dynast_stream/1/model.py").read_text()
    assert "dynast_deploy" not in model
    assert 'string_value: "3"' in (folder / "dynast_stream/config.pbtxt").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["models"]


def test_what_cannot_be_served_is_refused_and_nothing_is_left(plan: Path, tmp_path: Path) -> None:
    def message(*arguments: Path) -> str:
        error = CliRunner().invoke(app, ["export-triton", *map(str, arguments)]).exception
        assert isinstance(error, DynastError)
        return str(error)

    rtx = tmp_path / "rtx.plan"
    write_plan_file(rtx, replace(MANIFEST, kind=PlanKind.TENSORRT_RTX), b"1", b"2")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert "TensorRT-RTX, which Triton does not run" in message(rtx, tmp_path / "models")
    assert "something already" in message(plan, tmp_path / "full")
    assert "something already" in message(plan, plan)
    assert "no such engine file" in message(tmp_path / "none.plan", tmp_path / "models")
    assert sorted(tmp_path.rglob("*")) == before


class Stream:
    """The streams' model on a stand-in server, loaded from its file as Triton loads it."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, manifest: Manifest, exemplars: int = 2, kind: str = "GPU"
    ) -> None:
        self.server = Server(manifest.cut_tensors)
        monkeypatch.setitem(sys.modules, "triton_python_backend_utils", self.server.utilities())
        spec = importlib.util.spec_from_file_location("model", STREAM_MODEL)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = configurations(manifest, Serving(exemplars=exemplars))["dynast_stream"]
        parameters = {entry["key"]: entry["value"] for entry in config["parameters"]}
        inputs = [
            {"name": "exemplar_key", "dims": [1]},
            *({"name": name, "dims": [CHANNELS, 4, 4]} for name in ("condition", "exemplar_condition")),
            {"name": "exemplar", "dims": [3, 4, 4]},
        ]
        assert {entry["name"] for entry in inputs} == {entry["name"] for entry in config["input"]}
        self.model = module.TritonPythonModel()
        self.model.initialize(
            {
                "model_config": json.dumps({"parameters": parameters, "input": inputs}),
                "model_instance_kind": kind,
                "model_instance_device_id": "0",
            }
        )

    def answer(self, *requests: Request) -> list[InferenceResponse]:
        return self.model.execute(list(requests))

    def calls(self, model: str) -> list[dict[str, Tensor]]:
        return [inputs for name, inputs in self.server.calls if name == model]


def frame(key: str, level: int, exemplar: int | None = None) -> Request:
    """A frame of one value; with `exemplar` the exemplar comes along, of that value."""
    tensors = {
        "exemplar_key": Tensor("exemplar_key", np.array([[key.encode()]], object)),
        "condition": Tensor("condition", np.full((1, CHANNELS, 4, 4), level, np.uint8)),
    }
    if exemplar is not None:
        for name, channels in (("exemplar", 3), ("exemplar_condition", CHANNELS)):
            tensors[name] = Tensor(name, np.full((1, channels, 4, 4), exemplar, np.uint8))
    return Request(tensors)


def shown(response: InferenceResponse) -> int:
    """The one value of the image."""
    assert not response.has_error(), response.problem and response.problem.message()
    (image,) = response.tensors
    assert image.as_numpy().shape == (1, 3, 4, 4)
    return int(np.unique(image.as_numpy()).item())


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    return Stream(monkeypatch, MANIFEST)


def test_an_exemplar_is_encoded_once_and_stays_on_the_gpu(stream: Stream) -> None:
    assert shown(*stream.answer(frame("a", 1, exemplar=100))) == 101
    assert [shown(*stream.answer(frame("a", level))) for level in (2, 3)] == [102, 103]
    assert len(stream.calls("dynast_encoder")) == 1


def test_frames_of_one_exemplar_are_rendered_together_and_answered_in_order(stream: Stream) -> None:
    stream.answer(frame("a", 0, exemplar=100), frame("b", 0, exemplar=50))
    stream.server.calls.clear()
    answers = stream.answer(*(frame(key, level) for level, key in enumerate("abababaaa")))
    assert [shown(answer) for answer in answers] == [100, 51, 102, 53, 104, 55, 106, 107, 108]
    sizes = sorted(len(inputs["condition"].as_numpy()) for inputs in stream.calls("dynast_renderer"))
    assert sizes == [2, 3, 4]  # never more than the plan takes


def test_too_few_frames_are_filled_up_and_cut_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(monkeypatch, replace(MANIFEST, batch=BatchSizes(4, 4, 4)))
    answers = stream.answer(frame("a", 1, exemplar=10), frame("a", 2))
    assert [shown(answer) for answer in answers] == [11, 12]
    assert [len(inputs["condition"].as_numpy()) for inputs in stream.calls("dynast_renderer")] == [4]


def test_the_exemplars_used_last_are_kept_and_others_asked_for_again(stream: Stream) -> None:
    stream.answer(frame("a", 0, exemplar=10), frame("b", 0, exemplar=20), frame("a", 0))
    assert [shown(answer) for answer in stream.answer(frame("c", 0, exemplar=30), frame("a", 0))] == [30, 10]
    (forgotten,) = stream.answer(frame("b", 0))
    assert forgotten.problem is not None
    assert forgotten.problem.code() == TritonError.NOT_FOUND
    assert "'b' is not known here (any more); send exemplar" in forgotten.problem.message()  # type: ignore[union-attr]


def test_more_exemplars_in_one_call_than_are_kept_are_all_served(stream: Stream) -> None:
    answers = stream.answer(*(frame(key, 0, exemplar=level) for level, key in enumerate("abcde", 1)))
    assert [shown(answer) for answer in answers] == [1, 2, 3, 4, 5]


def test_a_new_exemplar_under_an_old_key_takes_its_place_from_that_frame_on(stream: Stream) -> None:
    answers = stream.answer(
        frame("a", 1, exemplar=10), frame("a", 1), frame("a", 1, exemplar=20), frame("a", 1)
    )
    assert [shown(answer) for answer in answers] == [11, 11, 21, 21]


def test_a_request_that_fails_does_not_disturb_the_others(stream: Stream) -> None:
    half = frame("b", 0, exemplar=1)
    del half.tensors["exemplar_condition"]
    answers = stream.answer(frame("a", 1, exemplar=10), half, frame("unknown", 0), frame("a", 2))
    assert [answer.has_error() for answer in answers] == [False, True, True, False]
    assert "send exemplar and exemplar_condition" in answers[1].problem.message()  # type: ignore[union-attr]
    stream.server.refuse.add("dynast_renderer")
    (failed,) = stream.answer(frame("a", 1))
    assert failed.problem is not None
    assert "out of memory" in failed.problem.message()


def odd(what: str) -> Request:
    """A request that is not what the model asks for."""
    request = frame("a", 3)
    shape = {"size": (1, CHANNELS, 5, 4), "two frames": (2, CHANNELS, 4, 4), "channels": (1, 3, 4, 4)}
    if what in shape:
        request.tensors["condition"] = Tensor("condition", np.zeros(shape[what], np.uint8))
    elif what == "type":
        request.tensors["condition"] = Tensor("condition", np.zeros((1, CHANNELS, 4, 4), np.float32))
    elif what == "no condition":
        del request.tensors["condition"]
    elif what == "two keys":
        request.tensors["exemplar_key"] = Tensor("exemplar_key", np.array([[b"a"], [b"b"]], object))
    elif what == "exemplar":
        request = frame("a", 3, exemplar=9)
        request.tensors["exemplar"] = Tensor("exemplar", np.zeros((1, 3, 8, 8), np.uint8))
    return request


@pytest.mark.parametrize(
    "what", ["size", "two frames", "channels", "type", "no condition", "two keys", "exemplar"]
)
def test_an_odd_request_fails_alone_and_says_what_is_wrong(stream: Stream, what: str) -> None:
    answers = stream.answer(frame("a", 1, exemplar=10), odd(what), frame("a", 2))
    assert [shown(answers[0]), shown(answers[2])] == [11, 12]
    assert answers[1].problem is not None
    assert answers[1].problem.code() == TritonError.INVALID_ARG


def test_a_frame_that_the_renderer_refuses_fails_alone(stream: Stream) -> None:
    stream.server.unpaintable = 77
    answers = stream.answer(frame("a", 1, exemplar=10), frame("a", 77), frame("a", 2))
    assert [answer.has_error() for answer in answers] == [False, True, False]
    assert [shown(answers[0]), shown(answers[2])] == [11, 12]
    assert answers[1].problem is not None
    assert (answers[1].problem.message(), answers[1].problem.code()) == ("not this one", TritonError.INTERNAL)


@pytest.mark.parametrize(("kind", "is_cpu"), [("GPU", False), ("CPU", True)])
def test_encoded_exemplars_stay_where_the_instance_runs(
    monkeypatch: pytest.MonkeyPatch, kind: str, is_cpu: bool
) -> None:
    stream = Stream(monkeypatch, MANIFEST, kind=kind)
    assert shown(*stream.answer(frame("a", 1, exemplar=10))) == 11
    (inputs,) = stream.calls("dynast_renderer")
    assert {inputs[name].is_cpu() for name in MANIFEST.cut_tensors} == {is_cpu}
