"""VGG19 from weights files of both layouts, the terms on its features, and the discriminator."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from objective_batch import noise_batch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.objective import features  # noqa: E402
from dynast_deploy.objective.adversarial import discriminator_hinge, feature_matching, generator_hinge  # noqa: E402
from dynast_deploy.objective.config import ObjectiveConfig  # noqa: E402
from dynast_deploy.objective.discriminator import Discriminator, load_discriminator  # noqa: E402
from dynast_deploy.objective.vgg import FEATURES, load_vgg  # noqa: E402

LAYOUT = (
    64,
    64,
    "M",
    128,
    128,
    "M",
    256,
    256,
    256,
    256,
    "M",
    512,
    512,
    512,
    512,
    "M",
    512,
    512,
    512,
    512,
    "M",
)
RELUS = {"relu1_2": 3, "relu2_2": 8, "relu3_2": 13, "relu4_2": 22, "relu5_2": 31}
"""Places in torchvision's `features` of the maps that are used."""


def torchvision_features() -> nn.Sequential:
    """`torchvision.models.vgg19().features`, with random weights."""
    torch.manual_seed(2)
    layers: list[nn.Module] = []
    before = 3
    for width in LAYOUT:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def reference() -> nn.Sequential:
    return torchvision_features()


@pytest.fixture(scope="module")
def torchvision_file(reference: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19-dcbb9e9d.pth"
    state = {f"features.{name}": tensor for name, tensor in reference.state_dict().items()}
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


@pytest.fixture(scope="module")
def published_file(reference: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19_conv.pth"
    names = [
        f"conv{stage}_{layer}"
        for stage, count in enumerate((2, 2, 4, 4, 4), 1)
        for layer in range(1, count + 1)
    ]
    convs = [layer for layer in reference if isinstance(layer, nn.Conv2d)]
    torch.save(
        {
            f"{name}.{part}": getattr(conv, part)
            for name, conv in zip(names, convs, strict=True)
            for part in ("weight", "bias")
        },
        path,
    )
    return path


def expected_features(reference: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    found = {}
    for place, layer in enumerate(reference):
        x = layer(x)
        found |= {name: x for name, relu in RELUS.items() if relu == place}
    return found


@torch.no_grad()
def test_torchvisions_weights_see_normalised_rgb(reference: nn.Sequential, torchvision_file: Path) -> None:
    picture = torch.rand(2, 3, 32, 48) * 2 - 1
    mean, deviation = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = ((picture + 1) / 2 - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
    found = load_vgg(torchvision_file)(picture)
    assert tuple(found) == FEATURES
    for name, expected in expected_features(reference, x).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_published_weights_see_bgr_in_0_to_255_less_its_mean(
    reference: nn.Sequential, published_file: Path
) -> None:
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    bgr = (picture[:, [2, 1, 0]] + 1) / 2
    x = (bgr - torch.tensor([0.40760392, 0.45795686, 0.48501961])[:, None, None]) * 255
    found = load_vgg(published_file)(picture)
    for name, expected in expected_features(reference, x).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-3)


def test_vgg_learns_nothing_and_stays_in_float32_under_autocast(torchvision_file: Path) -> None:
    vgg = load_vgg(torchvision_file)
    assert not any(parameter.requires_grad for parameter in vgg.parameters())
    picture = torch.zeros(1, 3, 32, 32, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = vgg(picture)
    assert {x.dtype for x in found.values()} == {torch.float32}
    found["relu5_2"].sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"model.weight": torch.zeros(3)}, r"no VGG19 weights; needed are torchvision's vgg19-\*\.pth"),
        (
            {"features.0.weight": torch.zeros(64, 3, 3, 3)},
            r"features\.0\.bias is missing, VGG19 has \[64\] there",
        ),
        ({"conv1_1.weight": torch.zeros(64, 1, 3, 3)}, r"conv1_1\.weight has shape \[64, 1, 3, 3\]"),
        ([1, 2], "holds a list"),
    ],
)
def test_a_file_that_is_no_vgg19_is_named(contents: object, message: str, tmp_path: Path) -> None:
    torch.save(contents, tmp_path / "vgg.pth")
    with pytest.raises(DynastError, match=rf"vgg\.pth.*{message}"):
        load_vgg(tmp_path / "vgg.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "vgg.pth")
    with pytest.raises(DynastError, match="could run code"):
        load_vgg(tmp_path / "vgg.pth")


def test_contextual_similarity_is_that_of_its_definition() -> None:
    x, y = torch.randn(2, 5, 7), torch.randn(2, 5, 9)
    expected = []
    for ours, theirs in zip(x, y, strict=True):
        centre = theirs.mean(1)
        best = []
        for i in range(7):
            a = ours[:, i] - centre
            cosines = [float(torch.cosine_similarity(a, theirs[:, j] - centre, dim=0)) for j in range(9)]
            distances = torch.tensor([1 - cosine for cosine in cosines])
            weights = torch.exp((1 - distances / (distances.min() + 1e-3)) / 0.1)
            best.append(weights.max() / weights.sum())
        expected.append(-torch.stack(best).mean().log())
    torch.testing.assert_close(
        features.contextual_distance(x, y), torch.stack(expected), rtol=1e-4, atol=1e-4
    )


def test_contextual_distance_and_style_ignore_places() -> None:
    maps = {name: torch.randn(1, 6, 8, 8) for name in FEATURES}
    shuffled = {name: x.flatten(2)[..., torch.randperm(64)].view_as(x) for name, x in maps.items()}
    other = {name: 3 * torch.randn(1, 6, 8, 8) + 1 for name in FEATURES}
    same = {
        name: x.flatten(2)[..., torch.randperm(64)].view_as(x)
        for name, x in {"relu5_2": maps["relu5_2"]}.items()
    }
    ours, theirs = maps["relu5_2"].flatten(2), same["relu5_2"].flatten(2)
    assert features.contextual_distance(ours, theirs) < 0.01
    assert features.contextual_distance(ours, other["relu5_2"].flatten(2)) > 0.1
    assert features.style(maps, shuffled) < 1e-4 < 1 < features.style(maps, other)
    assert features.layers_l1(maps, maps) == features.perceptual(maps, maps) == 0


def small_discriminator(**changes: int) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(20, ObjectiveConfig(discriminator_channels=4, **changes))


def test_the_discriminator_has_the_published_names_and_shapes() -> None:
    state = Discriminator(20, ObjectiveConfig()).state_dict()
    for scale in (0, 1):
        shapes = {
            name.removeprefix(f"discriminator_{scale}."): list(x.shape)
            for name, x in state.items()
            if name.startswith(f"discriminator_{scale}.") and name.endswith(("weight", "weight_orig"))
        }
        assert shapes == {
            "model0.0.weight": [64, 23, 4, 4],
            "model1.0.weight_orig": [128, 64, 4, 4],
            "model2.0.weight_orig": [256, 128, 4, 4],
            "model3.0.weight_orig": [512, 256, 4, 4],
            "model4.0.weight": [1, 512, 4, 4],
        }
    assert {
        "discriminator_0.model1.0.weight_u",
        "discriminator_1.model3.0.weight_v",
        "discriminator_1.model4.0.bias",
    } <= set(state)


def test_published_discriminators_load_without_the_decoder_they_never_use() -> None:
    state = small_discriminator().state_dict()
    loaded = Discriminator(20, ObjectiveConfig(discriminator_channels=4))
    load_discriminator(loaded, state | {"discriminator_0.dec.1.bias": torch.zeros(3)}, "net_D.pth")
    assert all(torch.equal(x, state[name]) for name, x in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("discriminator_0.model0.0.weight", None, "net_D.pth .* discriminator_0.model0.0.weight is missing"),
        ("discriminator_2.model0.0.weight", torch.zeros(1), "discriminator_2.model0.0.weight is extra"),
        ("discriminator_1.model4.0.bias", torch.zeros(2), r"has shape \[2\] where \[1\] is needed"),
    ],
)
def test_a_discriminator_of_another_shape_is_refused(name: str, tensor: Tensor | None, message: str) -> None:
    state = small_discriminator().state_dict()
    state.pop(name, None)
    if tensor is not None:
        state[name] = tensor
    with pytest.raises(DynastError, match=message):
        load_discriminator(small_discriminator(), state, "net_D.pth")


def test_pictures_too_small_for_the_discriminator_are_named() -> None:
    with pytest.raises(
        DynastError, match="40x40 are too small for a discriminator of 4 layers, which needs 48"
    ):
        small_discriminator()(torch.zeros(1, 23, 40, 40))
    assert small_discriminator()(torch.zeros(1, 23, 48, 48))[1][-1].shape == (1, 1, 1, 1)
    assert small_discriminator(discriminator_layers=2)(torch.zeros(1, 23, 32, 32))[1][-1].isfinite().all()


def test_hinge_terms_are_those_of_their_definition() -> None:
    scales = [
        [torch.zeros(2, 1), torch.tensor([[2.0, -2.0], [0.5, 0.5]])],
        [torch.zeros(2, 1), torch.zeros(2, 1)],
    ]
    assert generator_hinge(scales).tolist() == [0, -0.25]
    assert discriminator_hinge(scales, real=True).tolist() == [(1.5 + 1) / 2, (0.5 + 1) / 2]
    assert discriminator_hinge(scales, real=False).tolist() == [(1.5 + 1) / 2, (1.5 + 1) / 2]


def test_feature_matching_sums_layers_and_averages_scales() -> None:
    real = [[torch.zeros(1, 2, 2), torch.zeros(1, 3), torch.zeros(1)] for _ in range(2)]
    generated = [[x + 1 for x in maps] for maps in real]
    assert feature_matching(generated, real).tolist() == [2]


def test_training_the_discriminator_tells_noise_from_flat_pictures() -> None:
    discriminator, batch = small_discriminator(discriminator_layers=2), noise_batch()
    real, flat = (
        torch.cat([batch["condition"], x], 1) for x in (batch["target"], torch.zeros_like(batch["target"]))
    )
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-2)

    def loss() -> Tensor:
        return (
            discriminator_hinge(discriminator(real), True) + discriminator_hinge(discriminator(flat), False)
        ).mean()

    before = loss()
    for _ in range(20):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss() < 0.7 * before
