"""The GPU kernels without a GPU: emulated thread by thread on the CPU, and assembled for every architecture."""

from __future__ import annotations

import ctypes
import re
import shutil
import struct
import subprocess
from pathlib import Path

import gpu_emulation
import pytest
import torch
from attention_layers import Layer, a_layer, assert_same_matches, in_type, layers, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.plugins import gpu_kernels

TYPES = {"float": torch.float32, "half": torch.float16, "bfloat": torch.bfloat16}


@pytest.fixture(scope="module")
def emulator() -> ctypes.CDLL:
    return gpu_emulation.emulator()


def emulate(
    emulator: ctypes.CDLL, layer: Layer, tensors: dict[str, Tensor], kind: str, team: int
) -> Attention:
    queries, keys = layer.query_size[0] * layer.query_size[1], layer.key_size[0] * layer.key_size[1]
    dtype = TYPES[kind]
    attended = torch.full((layer.frames, queries, layer.value_channels), torch.nan, dtype=dtype)
    confidence = torch.full((layer.frames, queries, 1), torch.nan, dtype=dtype)
    best = torch.full((layer.frames, queries, layer.top_k), -1, dtype=torch.int32)
    matches = layer.matches().int()
    given = [tensors[name] for name in ("query", "query_prune", "key", "key_prune", "value")]
    addresses = [x.data_ptr() for x in (*given, matches, attended, confidence, best)]
    numbers = (
        *(layer.frames, layer.exemplars, *layer.query_size, *layer.key_size),
        *(layer.channels, layer.prune_channels, layer.value_channels, layer.matches_k, layer.top_k),
        gpu_kernels.float_bits(layer.temperature),
    )
    assert keys == tensors["key"].shape[1]
    launched = emulator.emulate_kernel(
        gpu_kernels.kernel_name(layer.scale, kind, team).encode(),
        gpu_kernels.block_count(layer.frames, *layer.query_size, team),
        (ctypes.c_void_p * 9)(*addresses),
        (ctypes.c_int32 * 12)(*numbers),
    )
    assert launched
    return Attention(attended, confidence, best)


@settings(max_examples=25, deadline=None)
@given(layer=layers(), team=st.sampled_from(gpu_kernels.TEAMS))
def test_float32_equals_the_reference(emulator: ctypes.CDLL, layer: Layer, team: int) -> None:
    team = max(team, gpu_kernels.smallest_team(layer.candidates().shape[-1]))
    tensors = layer.tensors()
    expected = layer.reference(tensors)
    actual = emulate(emulator, layer, in_type(tensors, torch.float32), "float", team)
    for name in ("attended", "confidence"):
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
    assert_same_matches(layer, tensors, actual.matches.long(), expected.matches)


@pytest.mark.parametrize("kind", ["half", "bfloat"])
@pytest.mark.parametrize("channels", [16, 21])
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_16_bit_types_err_at_most_twice_as_much_as_the_plain_computation(
    emulator: ctypes.CDLL, kind: str, channels: int, scale: str
) -> None:
    layer = a_layer(
        scale=scale, query_size=(6, 4), channels=channels, value_channels=channels, temperature=0.3
    )
    tensors = {name: x.to(TYPES[kind]).double() for name, x in layer.tensors().items()}
    low = in_type(tensors, TYPES[kind])
    expected, plain = layer.reference(tensors), layer.reference(low)
    for team in gpu_kernels.TEAMS:
        actual = emulate(emulator, layer, low, kind, team)
        for name in ("attended", "confidence"):
            error = relative_error(getattr(actual, name), getattr(expected, name))
            assert error <= 2 * relative_error(getattr(plain, name), getattr(expected, name)), (name, team)
        assert_same_matches(layer, tensors, actual.matches.long(), expected.matches)


def test_equal_logits_rank_by_slot(emulator: ctypes.CDLL) -> None:
    layer = a_layer(query_size=(3, 5), top_k=16)
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query"] = torch.zeros_like(tensors["query"])
    for team in gpu_kernels.TEAMS:
        actual = emulate(emulator, layer, tensors, "float", team)
        assert torch.equal(actual.matches.long(), layer.candidates()[..., :16])


def test_a_query_that_keeps_nothing_has_confidence_0(emulator: ctypes.CDLL) -> None:
    layer = a_layer(query_size=(3, 5))
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query_prune"], tensors["key_prune"] = -tensors["query_prune"].abs(), tensors["key_prune"].abs()
    actual = emulate(emulator, layer, tensors, "float", 8)
    assert (actual.attended == 0).all()
    assert (actual.confidence == 0).all()


@pytest.mark.parametrize("candidates", range(1, 81))
def test_the_smallest_team_keeps_all_candidates(candidates: int) -> None:
    team = gpu_kernels.smallest_team(candidates)
    assert 3 * team >= candidates
    assert team == 8 or 3 * team // 2 < candidates


def test_a_float_travels_as_its_bits() -> None:
    for number in (0.01, 1.0, -2.5, 11.313708):
        assert struct.unpack("f", struct.pack("i", gpu_kernels.float_bits(number))) == struct.unpack(
            "f", struct.pack("f", number)
        )


@pytest.fixture(scope="session")
def ptx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc to compile the kernels with")
    path = tmp_path_factory.mktemp("ptx") / "attention.ptx"
    path.write_bytes(gpu_kernels.relabelled(gpu_kernels.compile_with_nvcc("", gpu_kernels.OLDEST)))
    return path


def test_every_entry_takes_the_parameters_in_the_plugins_order(ptx: Path) -> None:
    pointers, numbers = [".u64"] * 6, [".u32"] * 12
    entries = dict(re.findall(r"\.entry (\w+)\(([^)]*)\)", ptx.read_text()))
    assert set(entries) == {
        gpu_kernels.kernel_name(scale, kind, team)
        for scale in ("inter", "inner")
        for kind in TYPES
        for team in gpu_kernels.TEAMS
    }
    for parameters in entries.values():
        assert re.findall(r"\.param (\.\w+)", parameters) == [*pointers, *numbers, *[".u64"] * 3]


def test_ptx_for_a_plan_has_one_kernel_and_a_version_that_older_drivers_take() -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc to compile the kernels with")
    ptx = gpu_kernels.relabelled(gpu_kernels.compile_with_nvcc("dynast_inner_half_16", gpu_kernels.OLDEST))
    assert re.findall(rb"\.entry (\w+)", ptx) == [b"dynast_inner_half_16"]
    assert re.findall(rb"^\.version (.*)$", ptx, re.MULTILINE) == [gpu_kernels.PTX_VERSION.encode()]


@pytest.mark.parametrize(
    "capability",
    ["75", *(pytest.param(n, marks=pytest.mark.slow) for n in ("80", "86", "89", "90", "100", "120"))],
)
def test_every_kernel_assembles_without_spills(ptx: Path, capability: str, tmp_path: Path) -> None:
    if shutil.which("ptxas") is None:
        pytest.skip("no ptxas to assemble the kernels with")
    command = ["ptxas", "-v", f"-arch=sm_{capability}", str(ptx), "-o", str(tmp_path / "kernels.cubin")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = re.findall(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", printed
    )
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", printed)]
    print(f"sm_{capability}: {min(registers)} to {max(registers)} registers")
    assert len(spills) == len(registers) == 18
    assert set(spills) == {("0", "0", "0")}
    assert "bytes smem" not in printed
