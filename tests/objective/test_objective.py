"""The objective: which terms apply to which pairs, and what they add up to."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from golden import golden, golden_path  # noqa: E402
from objective_batch import SIZE, noise_batch, part_of, small_generator  # noqa: E402

from dynast_deploy.checkpoint import load_generator  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.objective import picture_terms as pictures  # noqa: E402
from dynast_deploy.objective.config import ObjectiveConfig, WarpMask  # noqa: E402
from dynast_deploy.objective.objective import Objective  # noqa: E402
from dynast_deploy.objective.vgg import VGG19  # noqa: E402
from dynast_deploy.plugins.bindings import native  # noqa: E402
from dynast_deploy.plugins.pyt import attention as torch_ops  # noqa: E402
from dynast_deploy.training.presets import preset  # noqa: E402

FOR_ONE_IDENTITY = {
    "reconstruction",
    "mse",
    "warp",
    "matching",
    "prune",
    "vgg",
    "feature_matching",
}
FOR_TWO_IDENTITIES = {"palette", "contextual", "style"}
EVERY_TERM = {name: 1.0 for name in ObjectiveConfig().weights() if name != "surface"}


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    torch.manual_seed(1)
    return VGG19([0.5] * 3, [0.3] * 3, bgr=False).requires_grad_(False)


def small(task: Task = Task.POSE, **changes: float) -> ObjectiveConfig:
    return replace(preset(task).objective, discriminator_channels=4, **changes)


def test_terms_follow_the_identity_of_each_pair(vgg: VGG19) -> None:
    objective = Objective(ObjectiveConfig(**EVERY_TERM, discriminator_channels=4), vgg)
    discriminator = objective.make_discriminator(20)
    for same in (True, False):
        batch = noise_batch(same_identity=(same, same))
        _, terms = objective.generator_terms(small_generator(), discriminator, batch)
        assert set(terms) == set(EVERY_TERM)
        off = FOR_TWO_IDENTITIES if same else FOR_ONE_IDENTITY
        assert {name for name, term in terms.items() if term == 0} == off


@pytest.mark.parametrize("task", list(Task))
def test_a_batch_is_the_mean_of_its_parts(task: Task, vgg: VGG19) -> None:
    objective = Objective(small(task, adversarial=1.0, feature_matching=1.0), vgg)
    batch, generator = noise_batch(same_identity=(True, False, True, True)), small_generator().eval()
    discriminator = objective.make_discriminator(20)
    assert discriminator is not None
    discriminator.eval()
    with torch.no_grad():
        _, whole = objective.generator_terms(generator, discriminator, batch)
        parts = [
            objective.generator_terms(generator, discriminator, part_of(batch, part))[1]
            for part in (slice(0, 2), slice(2, 4))
        ]
    for name, term in whole.items():
        assert float(term) == pytest.approx(float(parts[0][name] + parts[1][name]) / 2, rel=1e-5), name


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_learns_through_either_attention_and_under_autocast(autocast: bool) -> None:
    batch, objective = noise_batch(), Objective(small())
    losses = []
    for module in [None, *([torch_ops] if native.available() else [])]:
        generator, discriminator = small_generator(), objective.make_discriminator(20)
        if module is not None:
            generator.sparse_attention = module  # type: ignore[assignment]
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            image, terms = objective.generator_terms(generator, discriminator, batch)
        loss = objective.total(terms)
        loss.backward()
        assert image.dtype == loss.dtype == torch.float32
        assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())
        assert discriminator is not None
        assert all(p.grad is None for p in discriminator.parameters())
        losses.append(float(terms["warp"].detach()))
    assert max(losses) - min(losses) < (2e-2 if autocast else 1e-5)


def test_the_discriminator_learns_and_the_generator_does_not_hear_of_it() -> None:
    objective, batch, generator = Objective(small()), noise_batch(), small_generator()
    discriminator = objective.make_discriminator(20)
    assert discriminator is not None
    image, _ = objective.generator_terms(generator, discriminator, batch)
    terms = objective.discriminator_terms(discriminator, image, batch)
    loss = objective.total(terms)
    loss.backward()
    parts = terms["discriminator_real"] + terms["discriminator_painted"]
    assert loss.item() == pytest.approx(parts.item())
    gradients = {name: parameter.grad for name, parameter in discriminator.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    # Instance norm takes a bias out again, and the last one is pulled up by real and down by generated pictures alike:
    # what gradient they have is rounding, which may be 0.
    learning = [name for name in gradients if "weight" in name or "model0." in name]
    assert len(learning) == 2 * 6
    assert all(gradients[name].abs().sum() > 1e-3 for name in learning)  # type: ignore[union-attr]
    assert all(p.grad is None for p in generator.parameters())


def test_without_vgg_its_terms_are_off_and_named() -> None:
    objective = Objective(small(Task.FACE))
    named = {line.split(" is off")[0] for line in objective.inactive()}
    assert named == {"vgg", "perceptual", "contextual", "style"}
    assert not named & set(objective.terms)
    assert all("VGG19" in line for line in objective.inactive())


def test_with_vgg_nothing_is_off(vgg: VGG19) -> None:
    assert Objective(small(Task.STYLE), vgg).inactive() == []


def test_the_sum_is_weighted() -> None:
    objective = Objective(ObjectiveConfig(warp=3.0, palette=0.5))
    total = objective.total({"warp": torch.tensor(2.0), "palette": torch.tensor(4.0)})
    assert float(total) == 8.0


def test_without_adversarial_terms_there_is_no_discriminator() -> None:
    objective = Objective(small(adversarial=0.0, feature_matching=0.0))
    assert objective.make_discriminator(20) is None
    _, terms = objective.generator_terms(small_generator(), None, noise_batch())
    assert set(terms) == {"reconstruction", "warp", "matching", "prune", "palette"}


def test_surfaces_are_warped_with_the_picture_where_the_batch_has_them() -> None:
    batch, objective = noise_batch(), Objective(small(surface=1.0))
    _, without = objective.generator_terms(small_generator(), None, batch)
    batch |= {"exemplar_surface": batch["exemplar"], "target_surface": batch["target"]}
    _, terms = objective.generator_terms(small_generator(), None, batch)
    assert "surface" not in without
    torch.testing.assert_close(terms["surface"], terms["warp"])


def test_the_published_warp_mask_gives_the_published_warps() -> None:
    recorded = {
        name: torch.from_numpy(array) for name, array in golden("generator_warp_64.npz").items() if array.ndim
    }
    batch = {
        "condition": recorded["seg"],
        "exemplar": recorded["ref"],
        "exemplar_condition": recorded["ref_seg"],
        "target": torch.rand(recorded["ref"].shape) * 2 - 1,
        "same_identity": torch.ones(len(recorded["ref"]), dtype=torch.bool),
    }
    generator = load_generator(golden_path("generator_warp_64.pth"), smooth=0.1)
    warps = [recorded[name] for name in recorded if name.startswith("warp")]
    pooled = [torch.nn.functional.adaptive_avg_pool2d(batch["target"], warp.shape[-2:]) for warp in warps]
    expected = torch.stack(
        [(ours - theirs).abs().mean() for ours, theirs in zip(warps, pooled, strict=True)]
    ).mean()
    with torch.no_grad():
        values = [
            Objective(ObjectiveConfig(warp=1.0, warp_mask=mask)).generator_terms(generator, None, batch)[1][
                "warp"
            ]
            for mask in (WarpMask.PUBLISHED, WarpMask.KEPT)
        ]
    assert float(values[0]) == pytest.approx(float(expected), rel=1e-4)
    assert abs(float(values[1]) - float(expected)) > 1e-2 * float(expected)


def test_equal_pictures_cost_nothing() -> None:
    picture = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    for term in (pictures.reconstruction, pictures.mse, pictures.palette, pictures.structure):
        assert term(picture, picture).tolist() == [0, 0]


def test_palette_and_structure_part_style_from_content() -> None:
    content = torch.rand(1, 3, SIZE, SIZE)
    restyled, shuffled = 0.3 * content - 0.5, content.flip(3)
    assert pictures.structure(restyled, content) < 0.05 < 0.1 < pictures.palette(restyled, content)
    assert pictures.palette(shuffled, content) < 1e-5 < 1e-1 < pictures.structure(shuffled, content)


def test_identity_terms_paint_a_picture_from_itself() -> None:
    batch, generator = noise_batch(), small_generator().eval()
    objective = Objective(ObjectiveConfig(reconstruction=1.0, warp=1.0, identity=1.0, identity_warp=1.0))
    own = batch | {"exemplar": batch["target"], "exemplar_condition": batch["condition"]}
    with torch.no_grad():
        _, terms = objective.generator_terms(generator, None, batch)
        _, expected = objective.generator_terms(
            generator, None, own | {"same_identity": torch.ones(3, dtype=torch.bool)}
        )
    torch.testing.assert_close(terms["identity"], expected["reconstruction"])
    torch.testing.assert_close(terms["identity_warp"], expected["warp"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warp": -1.0}, "the weight warp is -1.0"),
        ({"warp": float("nan")}, "the weight warp is nan"),
        ({"warp_mask": "inverted"}, "warp_mask is 'inverted'; it must be one of kept, published"),
        ({"discriminator_layers": 0}, "discriminator_layers is 0"),
        ({"wrap": 1.0}, "unknown terms or settings wrap"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(DynastError, match=message):
        ObjectiveConfig.from_dict(changes)
