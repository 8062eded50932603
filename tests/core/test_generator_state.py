"""The generator among what training scripts save, and tensors that no generator has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors_bytes import safetensors_bytes
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dynast_deploy import DynastError, load_generator
from dynast_deploy.checkpoint import FORMAT, save_generator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator import Generator

CONFIG = GeneratorConfig(
    semantic_nc=3, crop_size=16, ngf=4, max_multi=2, n_layers=1, pos_dim=2, prune_dim=3, top_k=2
)
State = dict[str, Tensor]


def generator(seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    return Generator(CONFIG).eval()


def state(seed: int = 0) -> State:
    return generator(seed).state_dict()


def under(prefix: str, seed: int = 0) -> State:
    return {prefix + name: tensor for name, tensor in state(seed).items()}


def assert_same(loaded: Generator) -> None:
    """That it is `generator()`."""
    expected, found = state(), loaded.state_dict()
    assert loaded.config == CONFIG
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def discriminator() -> State:
    return {"discriminator_0.enc.0.weight": torch.ones(3), "discriminator_0.enc.0.bias": torch.ones(3)}


WRAPPED: dict[str, Callable[[], Any]] = {
    "a prefix of torch.compile": lambda: under("_orig_mod."),
    "prefixes in either order": lambda: under("_orig_mod.module."),
    "a prefix within": lambda: {
        n.replace("encoder_q.", "encoder_q._orig_mod."): t for n, t in state().items()
    },
    "a name of their own": lambda: under("my_painter."),
    "Lightning": lambda: {
        "epoch": 3,
        "pytorch-lightning_version": "2.1",
        "state_dict": under("netG.") | {f"netD.{n}": t for n, t in discriminator().items()},
    },
    "Lightning with a wrapped generator": lambda: {"state_dict": under("model.generator.module.")},
    "another generator's copy as a discriminator": lambda: under("netG.") | under("netD.", 1),
    "model": lambda: {"model": state(), "epoch": 3},
    "model_state_dict": lambda: {"model_state_dict": state(), "optimizer_state_dict": {"state": {}}},
    "the averaged of two": lambda: {"params": state(1), "params_ema": state()},
    "the averaged of two wrappers": lambda: {"state_dict": state(1), "state_dict_ema": state()},
    "the averaged inside one wrapper": lambda: {"state_dict": under("netG.", 1) | under("netG_ema.")},
    "G and D": lambda: {"G": state(), "D": discriminator(), "iter": 1},
    "networks in a wrapper": lambda: {"networks": {"gen": under("module."), "dis": state(1)}},
    "AveragedModel": lambda: AveragedModel(generator()).state_dict(),
    "AveragedModel of a wrapped one": lambda: {
        "ema": AveragedModel(nn.DataParallel(generator())).state_dict()
    },
    "parameters": lambda: {n: nn.Parameter(t) if t.is_floating_point() else t for n, t in state().items()},
    "float64": lambda: {n: t.double() if t.is_floating_point() else t for n, t in state().items()},
    "together with numbers of NumPy": lambda: {
        "state_dict": state(),
        "best": np.float64(0.3),
        "step": np.int64(9),
        "done": np.bool_(True),
        "rate": np.array([1e-3], ">f4")[0],
        "phase": np.complex64(1j),
        "name": np.str_("run 3"),
    },
    "spectral norm as a parametrisation": lambda: {
        n.replace("weight_orig", "parametrizations.weight.original")
        .replace("weight_u", "parametrizations.weight.0._u")
        .replace("weight_v", "parametrizations.weight.0._v"): t
        for n, t in state().items()
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_generator_is_found_in(kind: str, tmp_path: Path) -> None:
    torch.save(WRAPPED[kind](), tmp_path / "last.ckpt")
    assert_same(load_generator(tmp_path / "last.ckpt", top_k=2))


def test_safetensors_are_read(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(under("module.")))
    assert_same(load_generator(tmp_path / "model.safetensors", top_k=2))


def test_no_values_of_a_shape_beyond_counting_are_damage(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[0,99999999999999,99999999999999],"data_offsets":[0,0]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(DynastError, match="a has 0 bytes, which its shape .* does not fit"):
        load_generator(tmp_path / "model.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_small_floats_are_widened(dtype: torch.dtype, tmp_path: Path) -> None:
    small = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state().items()}
    torch.save(small, tmp_path / "small.pth")
    loaded = load_generator(tmp_path / "small.pth").state_dict()
    assert all(torch.equal(loaded[name], small[name].to(loaded[name].dtype)) for name in loaded)


def test_numbers_of_numpy_are_read_as_plain_ones(tmp_path: Path) -> None:
    numbers = {
        "a": np.float64(0.3),
        "b": np.int64(-9),
        "c": np.bool_(True),
        "d": np.float16(2),
        "e": np.uint8(255),
    }
    torch.save(numbers, tmp_path / "numbers.pth")
    contents = read_checkpoint(tmp_path / "numbers.pth")
    assert contents == {"a": 0.3, "b": -9, "c": True, "d": 2.0, "e": 255}
    assert {type(value) for value in contents.values()} == {float, int, bool}


class Crafted:
    """A scalar of NumPy whose type is not one of a number, as only a made file has it."""

    def __reduce__(self) -> Any:
        return (np.float64(0).__reduce__()[0], (np.dtype("O"), b"12345678"))


def test_a_scalar_of_no_number_is_none(tmp_path: Path) -> None:
    torch.save({"x": Crafted()}, tmp_path / "crafted.pth")
    assert read_checkpoint(tmp_path / "crafted.pth") == {"x": None}


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("as_zip", [True, False])
def test_other_protocols_of_pickle_are_read_or_named(protocol: int, as_zip: bool, tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    torch.save(state(), file, pickle_protocol=protocol, _use_new_zipfile_serialization=as_zip)
    if protocol == 3:
        assert_same(load_generator(file, top_k=2))
    else:
        with pytest.raises(DynastError, match="protocol .* of pickle.* without pickle_protocol"):
            load_generator(file)


def in_use(model: Generator) -> State:
    """The weights that convolutions with spectral norm use."""
    stored = model.state_dict()
    stems = [name.removesuffix("_orig") for name in stored if name.endswith(".weight_orig")]
    return {
        stem: stored[f"{stem}_orig"]
        / torch.dot(stored[f"{stem}_u"], stored[f"{stem}_orig"].flatten(1) @ stored[f"{stem}_v"])
        for stem in stems
    }


def test_folded_spectral_norm_is_the_same_weights(tmp_path: Path) -> None:
    whole = generator()
    for name, tensor in whole.state_dict().items():
        if name.endswith(".weight_orig"):
            tensor *= 3  # as training moves them, away from norm 1
    expected = in_use(whole)
    assert expected
    rest = {n: t for n, t in whole.state_dict().items() if not n.endswith(("_orig", "weight_u", "weight_v"))}
    torch.save(rest | expected, tmp_path / "folded.pth")
    loaded = load_generator(tmp_path / "folded.pth", top_k=2)
    assert loaded.config == CONFIG
    for name, weight in in_use(loaded).items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-7)
        assert torch.equal(loaded.state_dict()[f"{name}_orig"], expected[name])
    # Training goes on from vectors that are those of the largest singular value, nearly.
    conv = loaded.train().encoder_q.layer1[0]
    conv(torch.rand(1, 3, 16, 16))
    largest = torch.linalg.matrix_norm(conv.weight_orig.flatten(1), 2)
    torch.testing.assert_close(conv.weight, conv.weight_orig / largest, rtol=0.1, atol=0.01)


def test_several_generators_are_not_chosen_from(tmp_path: Path) -> None:
    torch.save({"netG_A": state(), "netG_B": state(1)}, tmp_path / "two.pth")
    with pytest.raises(DynastError, match="holds several generators \\(netG_A and netG_B\\)"):
        load_generator(tmp_path / "two.pth")


def changed(name: str, value: Any) -> State:
    return state() | {name: value}


BIAS = "decoder_10.0.bias"
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "int8": (lambda: {n: t.to(torch.int8) for n, t in state().items()}, "is int8"),
    "complex": (lambda: changed(BIAS, torch.zeros(3, dtype=torch.complex64)), "is complex64"),
    "sparse": (lambda: changed(BIAS, torch.ones(3).to_sparse()), "more than dense tensors"),
    "no values": (lambda: changed(BIAS, torch.zeros(3, device="meta")), "more than dense tensors"),
    "a byte array": (lambda: {"generator": state(), "x": bytearray(9)}, "more than dense tensors"),
    "repeated values": (
        lambda: changed("pos_embed", torch.zeros(1).expand(1, 4, 9999, 9999)),
        "repeats its values",
    ),
    "a scalar": (
        lambda: changed("encoder_q.layer1.0.weight_orig", torch.ones(())),
        "4 dimensions are needed",
    ),
    "a position code too wide": (
        lambda: changed("pos_embed", torch.zeros(1, 4, 1, 9999)),
        "crop_size is 79992",
    ),
    "text": (lambda: changed(BIAS, "three"), "is not a tensor"),
    "numbers as names": (lambda: {1: torch.zeros(3), 2: torch.zeros(3)}, "an entry is named '1'"),
    "nothing": (lambda: {}, "not a DynaST generator"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_generator_holds_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    make, words = REFUSED[kind]
    torch.save(make(), tmp_path / "bad.pth")
    with pytest.raises(DynastError, match=words) as refused:
        load_generator(tmp_path / "bad.pth")
    assert "bad.pth" in str(refused.value)


NESTED: tuple[Any, ...] = ()
for _ in range(40):
    NESTED = (NESTED, NESTED)
"""Of a trillion tuples when it is spelled out."""

OWN: dict[str, tuple[dict[str, Any], str]] = {
    "a later version": ({"version": 99}, "is of version 99"),
    "nested without end for a version": ({"version": NESTED}, "is of version \\(\\("),
    "nested without end for a number": ({"config": CONFIG.to_dict() | {"ngf": NESTED}}, "ngf is \\(\\("),
    "an endless name": ({"generator": {"x" * 10**6: torch.ones(2)}}, "is missing"),
    "an endless name too many": (
        {"generator": state() | {"x" * 10**6: torch.ones(2)}},
        "x\\.\\.\\. is extra",
    ),
    "no version": ({"version": None}, "is of version None"),
    "no configuration": ({"config": None}, "'config' is not a table"),
    "a list for a generator": ({"generator": [1]}, "'generator' is not a table"),
    "text for a number": (
        {"config": CONFIG.to_dict() | {"ngf": "4"}},
        "ngf is '4'; it must be a whole number",
    ),
    "half a channel": ({"config": CONFIG.to_dict() | {"ngf": 4.5}}, "ngf is 4.5; it must be a whole number"),
    "no channels": ({"config": CONFIG.to_dict() | {"ngf": 0}}, "ngf is 0; it must be positive"),
    "a million channels": ({"config": CONFIG.to_dict() | {"ngf": 1_000_000}}, "no more than 1,024"),
    "a million layers": ({"config": CONFIG.to_dict() | {"n_layers": 1_000_000}}, "no more than 64"),
    "a million pixels": ({"config": CONFIG.to_dict() | {"crop_size": 8_000_000}}, "no more than 2,048"),
    "gigabytes": ({"config": CONFIG.to_dict() | {"ngf": 1024, "max_multi": 8}}, "a generator of gigabytes"),
    "more matches than keys": ({"config": CONFIG.to_dict() | {"top_k": 5}}, "has 4 keys to match"),
    "other widths": ({"config": CONFIG.to_dict() | {"ngf": 8}}, "has shape"),
    "more layers": ({"config": CONFIG.to_dict() | {"n_layers": 3}}, "is missing"),
}


@pytest.mark.parametrize("kind", OWN)
def test_damaged_files_of_our_own_are_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    changes, words = OWN[kind]
    own = {"format": FORMAT, "version": 1, "config": CONFIG.to_dict(), "generator": state()}
    torch.save(own | changes, tmp_path / "bad.pth")
    with pytest.raises(DynastError, match=words) as refused:
        load_generator(tmp_path / "bad.pth")
    assert len(str(refused.value)) < 1000


def test_our_own_layout_still_goes_both_ways(tmp_path: Path) -> None:
    save_generator(generator(), tmp_path / "own.pth", step=3)
    assert_same(load_generator(tmp_path / "own.pth"))
