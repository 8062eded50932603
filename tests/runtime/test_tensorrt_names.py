"""Every name of TensorRT that we use is there in 10.9 and in 11.4, and takes what we give it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from checkout import ROOT
from tensorrt_api import BINDINGS, RUNNING, Missing, build_stubs, describe_version, recorded, sources
from tensorrt_interface import MODULE, PLUGIN, Api
from tensorrt_uses import Sources

RTX_ONLY = {
    "module has no ComputeCapability",
    "IBuilderConfig has no num_compute_capabilities",
    "IBuilderConfig has no set_compute_capability",
}
"""How TensorRT-RTX is told what to build for; the builder calls these for RTX plans alone."""


@pytest.fixture(scope="session")
def interfaces(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Api] | str:
    """Of both versions, from the bindings, or why they cannot be had."""
    assert pytestconfig.cache is not None
    try:
        stubs = build_stubs(tmp_path_factory.mktemp("stubs"))
        return {
            version: describe_version(version, pytestconfig.cache.mkdir(f"tensorrt-{version}"), stubs)
            for version in BINDINGS
        }
    except Missing as missing:
        return str(missing)


def without_lines(problems: list[str]) -> set[str]:
    return {problem.split(": ", 1)[1] for problem in problems}


@pytest.mark.parametrize("version", BINDINGS)
def test_every_name_that_is_used_is_there(interfaces: dict[str, Api] | str, version: str) -> None:
    """By the bindings, or, where they cannot be had, by what was recorded of them."""
    api = recorded()[version] if isinstance(interfaces, str) else interfaces[version]
    ours = Sources(sources(), api)
    assert without_lines(ours.problems()) <= RTX_ONLY, (
        f"misspelt, or, without the bindings ({interfaces}), new: tests/support/tensorrt_api.py records what is new"
        if isinstance(interfaces, str)
        else f"TensorRT {api['version']} has no such names"
    )
    assert len(ours.uses) > 40


@pytest.mark.parametrize("version", BINDINGS)
def test_what_was_recorded_is_what_the_bindings_say(interfaces: dict[str, Api] | str, version: str) -> None:
    if isinstance(interfaces, str):
        pytest.skip(interfaces)
    ours = Sources(sources(), interfaces[version])
    ours.problems()
    needed, kept = ours.needed(), recorded()[version]
    assert kept["version"] == needed["version"]
    groups = [(kept["module"], needed["module"]), (kept["plugin"], needed["plugin"])]
    groups += [
        (kept["types"][name]["members"], needed["types"][name]["members"])
        for name in kept["types"].keys() & needed["types"].keys()
    ]
    for mine, theirs in groups:
        assert all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
    assert sum(len(mine.keys() & theirs.keys()) for mine, theirs in groups) > 60


def test_tensorrt_rtx_has_every_name_that_running_a_plan_uses() -> None:
    problems = Sources(sources(RUNNING), recorded()["rtx"]).problems()
    assert not problems, "misspelt, or new: python tests/support/tensorrt_api.py records what is new"


def test_the_runtime_uses_the_library_by_the_names_it_needs() -> None:
    ours = Sources(sources(RUNNING), recorded()["10.9"])
    assert ours.problems() == []
    assert {
        (MODULE, "Runtime"),
        ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "create_execution_context"),
        ("ICudaEngine", "get_tensor_shape"),
        ("IExecutionContext", "execute_async_v3"),
        ("IExecutionContext", "set_tensor_address"),
        ("ILogger", "log"),
    } <= ours.uses


def test_each_use_is_missed_where_the_library_does_not_have_it() -> None:
    version, ours = "11.4", sources()
    whole = Sources(ours, recorded()[version])
    before = set(whole.problems())
    uses, ours = set(whole.uses), sorted(whole.users)
    for owner, name in uses - {(owner, "__init__") for owner, _ in uses}:
        lacking = copy.deepcopy(recorded()[version])
        entries = {MODULE: lacking["module"], PLUGIN: lacking["plugin"]}
        del entries.get(owner, lacking["types"].get(owner, {}).get("members", {}))[name]
        found = set(Sources(ours, lacking).problems()) - before
        assert any(f"has no {name}" in problem for problem in found), (owner, name)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "problem"),
    [
        ("runtime/trt/plan.py", "trt.TensorIOMode", "trt.TensorIoMode", "module has no TensorIoMode"),
        (
            "runtime/trt/plan.py",
            "TensorIOMode.INPUT",
            "TensorIOMode.INPUTS",
            "TensorIOMode has no INPUTS",
        ),
        (
            "runtime/trt/plan.py",
            ".execute_async_v3(",
            ".execute_async_v2(",
            "IExecutionContext has no execute_async_v2",
        ),
        ("runtime/trt/plan.py", "engine.num_io_tensors", "engine.num_bindings", "has no num_bindings"),
        (
            "runtime/trt/plan.py",
            "set_tensor_address(name, address)",
            "set_tensor_address(name)",
            "set_tensor_address does not take 1 arguments",
        ),
        (
            "runtime/trt/plan.py",
            "get_tensor_dtype(name)",
            "get_tensor_dtype(tensor_name=name)",
            "get_tensor_dtype does not take 0 arguments and ['tensor_name']",
        ),
        ("dynast_deploy/tensorrt_library.py", "def log(", "def write_log(", "ILogger has no write_log"),
        (
            "dynast_deploy/tensorrt_library.py",
            "severity: Any, msg: str",
            "severity: Any",
            "log of ILogger takes other parameters",
        ),
        (
            "plugins/tensorrt_plugin.py",
            "trtp.aot_impl(",
            "trtp.aot_implementation(",
            "plugin has no aot_implementation",
        ),
    ],
)
@pytest.mark.parametrize("version", BINDINGS)
def test_a_planted_mistake_is_found(
    tmp_path: Path, version: str, file: str, right: str, wrong: str, problem: str
) -> None:
    text = (ROOT / file).read_text()
    assert right in text
    planted = tmp_path / Path(file).name
    planted.write_text(text.replace(right, wrong))
    found = Sources([planted], recorded()[version]).problems()
    assert any(problem in line for line in found), found
