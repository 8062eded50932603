"""The generator against recordings of the published code."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import golden, golden_path
from torch import Tensor

from dynast_deploy import DynastError, attention, load_generator, metrics
from dynast_deploy.attention_interface import Attention
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator


def psnr(result: Tensor, expected: Tensor) -> float:
    """In dB over the range -1..1."""
    return metrics.psnr(result.numpy(), expected.numpy(), data_range=2)


def recorded(name: str) -> tuple[Generator, dict[str, Tensor]]:
    arrays = golden(f"generator_{name}.npz")
    settings = ast.literal_eval(str(arrays.pop("config")))
    generator = load_generator(golden_path(f"generator_{name}.pth"), settings["top_k"], settings["smooth"])
    settings.pop("gain")
    assert generator.config == GeneratorConfig(**settings)
    return generator, {key: torch.from_numpy(array) for key, array in arrays.items()}


@pytest.mark.parametrize("name", ["pose_64", "face_96"])
@torch.no_grad()
def test_the_published_picture_is_reproduced(name: str) -> None:
    generator, expected = recorded(name)
    image = generator(expected["seg"], expected["ref"], expected["ref_seg"])
    assert psnr(image, expected["image"]) >= 100


@pytest.mark.parametrize("name", ["pose_64", "face_96"])
@torch.no_grad()
def test_every_block_has_the_recorded_confidence_and_matches(name: str) -> None:
    generator, expected = recorded(name)
    exemplar = generator.encode_exemplar(expected["ref"], expected["ref_seg"])
    _, attentions = generator.render_with_attention(exemplar, expected["seg"])
    compared = 0
    for key, value in expected.items():
        if key.endswith("_conf"):
            block = int(key.split("_")[0].removeprefix("block"))
            found = attentions[block].confidence.mT.reshape(value.shape)
            torch.testing.assert_close(found, value, atol=1e-4, rtol=0)
            compared += 1
    assert compared == len(attentions)


@torch.no_grad()
def test_warps_follow_the_recording_block_by_block() -> None:
    # One pair of logits of block 6 is tied to the last bit of float32, so each block starts from recorded matches.
    generator, expected = recorded("warp_64")
    recorded_matches = [expected[key].long() for key in expected if key.endswith("_topk")]
    remaining = iter([*recorded_matches, torch.zeros(0)])

    def from_recording(attend):
        def run(*args: Tensor, **options: object) -> Attention:
            return attend(*args, **options)._replace(matches=next(remaining))

        return run

    generator.sparse_attention = SimpleNamespace(  # type: ignore[assignment]
        inter_scale_attention=from_recording(attention.inter_scale_attention),
        inner_scale_attention=from_recording(attention.inner_scale_attention),
    )
    exemplar = generator.encode_exemplar(expected["ref"], expected["ref_seg"])
    image, attentions = generator.render_with_attention(
        exemplar, expected["seg"], expected["ref"], "published"
    )
    assert psnr(image, expected["image"]) >= 100
    for block, found in enumerate(attentions):
        assert found.warped is not None
        warp = expected[f"warp{block}"]
        assert psnr(found.warped.mT.reshape(warp.shape), warp) >= 100


@torch.no_grad()
def test_warps_of_the_whole_network_differ_from_the_recording_by_one_tie() -> None:
    generator, expected = recorded("warp_64")
    exemplar = generator.encode_exemplar(expected["ref"], expected["ref_seg"])
    _, attentions = generator.render_with_attention(exemplar, expected["seg"], expected["ref"], "published")
    found = [found.warped.mT.flatten() for found in attentions if found.warped is not None]
    warps = [expected[f"warp{block}"].flatten() for block in range(len(attentions))]
    assert psnr(torch.cat(found), torch.cat(warps)) >= 60
    assert psnr(torch.cat(found[:-1]), torch.cat(warps[:-1])) >= 100


@torch.no_grad()
def test_the_warp_of_kept_candidates_is_not_the_published_one() -> None:
    generator, expected = recorded("warp_64")
    exemplar = generator.encode_exemplar(expected["ref"], expected["ref_seg"])
    _, attentions = generator.render_with_attention(exemplar, expected["seg"], expected["ref"])
    warped = attentions[0].warped
    assert warped is not None
    assert 0 < psnr(warped.mT.reshape(expected["warp0"].shape), expected["warp0"]) < 60


@torch.no_grad()
def test_frames_share_one_exemplar() -> None:
    generator, expected = recorded("pose_64")
    exemplar = generator.encode_exemplar(expected["ref"][:1], expected["ref_seg"][:1])
    both = generator.render(exemplar, expected["seg"])
    assert psnr(both[:1], expected["image"][:1]) >= 100
    assert psnr(both[1:], generator.render(exemplar, expected["seg"][1:])) >= 100


@pytest.mark.parametrize(("size", "exemplar_size"), [((72, 40), (72, 40)), ((48, 64), (80, 56))])
@torch.no_grad()
def test_any_size_divisible_by_8_renders(size: tuple[int, int], exemplar_size: tuple[int, int]) -> None:
    generator, _ = recorded("pose_64")
    image = generator(
        torch.rand(2, 20, *size), torch.rand(1, 3, *exemplar_size), torch.rand(1, 20, *exemplar_size)
    )
    assert image.shape == (2, 3, *size)
    assert image.isfinite().all()
    assert np.ptp(image.numpy()) > 0


def test_wrong_channels_and_sizes_are_named() -> None:
    generator = Generator(GeneratorConfig(semantic_nc=20, crop_size=16, ngf=2, pos_dim=2, prune_dim=2))
    with pytest.raises(DynastError, match=r"condition has shape \[1, 15, 16, 16\].* \[N, 20, H, W\]"):
        generator(torch.rand(1, 15, 16, 16), torch.rand(1, 3, 16, 16), torch.rand(1, 20, 16, 16))
    with pytest.raises(DynastError, match="multiples of 8"):
        generator(torch.rand(1, 20, 20, 16), torch.rand(1, 3, 16, 16), torch.rand(1, 20, 16, 16))
