"""Checkpoints: published and own layout, and every way in which a file can be wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from dynast_deploy import DynastError, load_generator
from dynast_deploy.checkpoint import read_checkpoint, save_generator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator

CONFIG = GeneratorConfig(
    semantic_nc=3, crop_size=16, ngf=4, max_multi=4, n_layers=1, pos_dim=2, prune_dim=3, smooth=0.05, top_k=2
)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CONFIG).eval()


def test_our_own_layout_keeps_the_configuration(generator: Generator, tmp_path: Path) -> None:
    save_generator(generator, tmp_path / "own.pth", step=7)
    loaded = load_generator(tmp_path / "own.pth")
    assert loaded.config == CONFIG
    assert not loaded.training
    assert read_checkpoint(tmp_path / "own.pth")["step"] == 7
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert [path.name for path in tmp_path.iterdir()] == ["own.pth"]


def test_options_override_the_stored_configuration(generator: Generator, tmp_path: Path) -> None:
    save_generator(generator, tmp_path / "own.pth")
    assert load_generator(tmp_path / "own.pth", top_k=3, smooth=0.2).config.smooth == 0.2


def test_a_bare_state_dict_shows_its_configuration(generator: Generator, tmp_path: Path) -> None:
    torch.save(generator.state_dict(), tmp_path / "bare.pth")
    assert load_generator(tmp_path / "bare.pth", top_k=2, smooth=0.05).config == CONFIG


def test_data_parallel_prefixes_and_wrappers_are_understood(generator: Generator, tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in generator.state_dict().items()}
    torch.save({"netG": state, "epoch": 3}, tmp_path / "wrapped.pth")
    assert load_generator(tmp_path / "wrapped.pth").config.ngf == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("decoder_10.0.bias"), "decoder_10.0.bias is missing"),
        (lambda s: s.update({"decoder_99.weight": torch.zeros(1)}), "decoder_99.weight is extra"),
        (
            lambda s: s.update({"decoder_10.0.bias": torch.zeros(5)}),
            r"decoder_10.0.bias has shape \[5\] where \[3\]",
        ),
        (
            lambda s: s["decoder_10.0.bias"].fill_(torch.nan),
            "decoder_10.0.bias has values that are not finite",
        ),
        (lambda s: s.pop("pos_embed"), "pos_embed is missing, so this is not a DynaST generator"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(
    generator: Generator, tmp_path: Path, change, message
) -> None:
    state = generator.state_dict()
    change(state)
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(DynastError, match=message):
        load_generator(tmp_path / "bad.pth")


class _RunsCode:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("was-run"),))


# The loader warns of the pickle protocol before it refuses.
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_checkpoint_with_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"generator": _RunsCode()}, tmp_path / "code.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(_RunsCode()))
    for name in ("code.pth", "plain.pth"):
        with pytest.raises(DynastError, match=name):
            load_generator(tmp_path / name)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("contents", [b"", b"just text\n", b"PK\x03\x04 cut short"])
def test_a_damaged_file_gets_one_line(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "damaged.pth").write_bytes(contents)
    with pytest.raises(DynastError, match="damaged") as caught:
        load_generator(tmp_path / "damaged.pth")
    assert "\n" not in str(caught.value)


def test_a_truncated_checkpoint_gets_one_line(generator: Generator, tmp_path: Path) -> None:
    save_generator(generator, tmp_path / "own.pth")
    whole = (tmp_path / "own.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DynastError, match="damaged"):
        load_generator(tmp_path / "cut.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="nowhere.pth: no such file"):
        load_generator(tmp_path / "nowhere.pth")
