"""`dynast evaluate` on checkpoints and engines too small to be good."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from objective_batch import noise_batch, part_of, small_generator  # noqa: E402
from PIL import Image  # noqa: E402
from tiny_engine import write_tiny_checkpoint, write_tiny_engine  # noqa: E402

from dynast_deploy import attention  # noqa: E402
from dynast_deploy.cli import app  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.evaluation.ablations import CoarseMatches, NoFineAttention  # noqa: E402
from dynast_deploy.evaluation.evaluate import EvaluationRequest, evaluate  # noqa: E402
from dynast_deploy.evaluation.models import load_evaluated_model  # noqa: E402
from dynast_deploy.tasks.training_data import training_data  # noqa: E402

SAMPLES = 2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny20.pth and, of the same weights, tiny20.onnx."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("models")
    write_tiny_engine(folder)
    return folder


@pytest.fixture(scope="module")
def run(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves behind for the checkpoint."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    arguments = [
        "evaluate",
        str(models / "tiny20.pth"),
        "--out",
        str(out),
        "--samples",
        str(SAMPLES),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads((out / "evaluation.json").read_text())
    return out


def test_a_checkpoint_is_compared_with_baselines_and_ablations(run: Path) -> None:
    report = json.loads((run / "evaluation.json").read_text())
    assert (report["task"], report["samples"]) == ("pose", SAMPLES)
    assert report["of_one_identity"] == SAMPLES
    rows = {row["painted"]: row for row in report["pictures"]}
    assert list(rows) == ["model", "coarse_matches", "no_fine_attention", "exemplar", "part_colours"]
    for row in rows.values():
        assert {"psnr_db", "ssim", "psnr_figure_db", "ssim_figure"} < set(row)
    assert rows["part_colours"]["psnr_figure_db"] > rows["exemplar"]["psnr_figure_db"] + 3
    blocks = [row["block"] for row in report["matching"]]
    assert blocks == [f"scale {scale}, block {layer}" for scale in (4, 3, 2, 1) for layer in (1, 2)]
    assert all(row["median_px"] > 0 for row in report["matching"])


def test_folders_for_fid_hold_the_same_numbers_as_png(run: Path) -> None:
    for folder in ("real", "fake"):
        files = sorted((run / folder).iterdir())
        assert [file.name for file in files] == ["000000.png", "000001.png"]
        for file in files:
            with Image.open(file) as picture:
                assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (32, 32))
    stream = training_data(Task.POSE, None, 32, 0, held_out=True)
    target = np.rint((stream[0]["target"].numpy().transpose(1, 2, 0) + 1) * 127.5)
    assert np.array_equal(np.asarray(Image.open(run / "real" / "000000.png")), target)


def test_the_page_has_a_row_a_sample(run: Path) -> None:
    with Image.open(run / "page.png") as page:
        assert page.size == (8 * 38 + 6, SAMPLES * 38 + 24)
        assert len(page.getcolors(1 << 20)) > 100


def test_an_engine_gives_the_checkpoints_pictures_and_matches(models: Path, tmp_path: Path) -> None:
    checkpoint = load_evaluated_model(models / "tiny20.pth", None, "cpu", ablate=False)
    engine = load_evaluated_model(models / "tiny20.onnx", Task.POSE, "cpu", ablate=False)
    sample = training_data(Task.POSE, None, 32, 0, held_out=True)[5]
    ours, theirs = checkpoint.render(sample), engine.render(sample)
    np.testing.assert_allclose(ours.image, theirs.image, atol=3e-4)  # 1.01e-4 with AVX-512
    assert ours.matches is not None
    assert theirs.matches is not None
    # The first coarse block keeps its matches to itself.
    assert [(block.scale, block.layer) for block in theirs.matches] == [
        (block.scale, block.layer) for block in ours.matches[1:]
    ]
    for mine, exported in zip(ours.matches[1:], theirs.matches, strict=True):
        assert (mine.best == exported.best).mean() > 0.98


def test_an_engines_report_says_what_needs_the_checkpoint(models: Path, tmp_path: Path) -> None:
    report = evaluate(EvaluationRequest(models / "tiny20.onnx", None, "marionette", tmp_path, 1))
    assert report["not_measured"] == "ablations need the checkpoint"
    assert [row["painted"] for row in report["pictures"]] == ["model", "exemplar", "part_colours"]
    assert len(report["matching"]) == 7


def test_faces_are_evaluated_the_same_way(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "face.pth", semantic_nc=15)
    report = evaluate(EvaluationRequest(checkpoint, Task.FACE, None, tmp_path / "out", 1, ablate=False))
    assert report["task"] == "face"
    assert {row["painted"] for row in report["pictures"]} == {"model", "exemplar", "part_colours"}
    assert report["matching"]


def test_style_has_no_truth_and_is_measured_by_what_it_keeps(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "style.pth", semantic_nc=3)
    report = evaluate(EvaluationRequest(checkpoint, Task.STYLE, None, tmp_path / "out", 2))
    assert report["of_one_identity"] == 0
    assert not {"pictures", "matching", "psnr_gain_db"} & set(report)
    rows = {row["painted"]: row for row in report["without_truth"]}
    assert list(rows) == ["model", "coarse_matches", "no_fine_attention", "exemplar", "content"]
    assert rows["exemplar"]["palette_to_exemplar"] == rows["content"]["structure_to_content"] == 0
    assert rows["exemplar"]["structure_to_content"] > 0.1
    assert rows["content"]["palette_to_exemplar"] > 0.01


def test_coarse_matches_take_the_child_at_the_querys_own_place() -> None:
    query, key = torch.randn(1, 24, 3), torch.randn(1, 32, 3)
    matches = torch.tensor(
        [[[5, 0], [0, 1], [7, 2], [2, 3], [1, 1], [6, 0]]]
    )  # of parents 2x3, in a key map of 2x4
    options = {"query_width": 6, "key_width": 8, "top_k": 2, "temperature": 0.1}
    kept = torch.ones(1, 24, 1), torch.ones(1, 32, 1)
    found = CoarseMatches().inter_scale_attention(query, kept[0], key, kept[1], key, matches, **options)
    best = found.matches[0, :, 0].reshape(4, 6)
    assert best[:2, :2].tolist() == [
        [18, 19],
        [26, 27],
    ]  # parent 5 is row 1, column 1: rows 2 and 3, columns 2 and 3
    assert best[2:, 4:].tolist() == [[20, 21], [28, 29]]
    candidates = attention.inter_scale_candidates(matches, 6, 8)
    assert (candidates[..., :4] == found.matches[..., :1]).any(-1).all()
    assert torch.equal(found.attended[0], key[0, best.flatten()])
    assert (found.confidence == 1).all()
    again = CoarseMatches().inner_scale_attention(query, kept[0], key, kept[1], key, found.matches, **options)
    assert torch.equal(again.matches, found.matches)


def test_the_mask_decides_in_the_ablation_as_ever() -> None:
    prune = torch.tensor([[[1.0], [-1.0]]])
    key, matches = torch.randn(1, 4, 3), torch.tensor([[[2], [3]]])
    found = CoarseMatches().inner_scale_attention(key[:, :2], prune, key, torch.ones(1, 4, 1), key, matches)
    assert found.confidence.flatten().tolist() == [1, 0]
    assert torch.equal(found.attended, torch.stack([key[:, 2], torch.zeros(1, 3)], 1))


def test_ablations_change_the_fine_scales_only() -> None:
    generator, batch = small_generator().eval(), part_of(noise_batch(), slice(0, 1))
    with torch.no_grad():
        exemplar = generator.encode_exemplar(batch["exemplar"], batch["exemplar_condition"])
        whole, attentions = generator.render_with_attention(exemplar, batch["condition"])
        for ablation in (CoarseMatches(), NoFineAttention()):
            generator.sparse_attention = ablation
            image, found = generator.render_with_attention(exemplar, batch["condition"])
            assert torch.equal(found[0].attended, attentions[0].attended)
            assert not torch.equal(image, whole)
        assert all(float(block.confidence.sum()) == 0 for block in found[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.pth"], "missing.pth: no such file"),
        (["tiny20.pth", "--task", "face"], "its conditions show pose, not face"),
        (["tiny20.pth", "--samples", "0"], "--samples 0"),
        (["tiny20.pth", "--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    models: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(DynastError, match=message):
        CliRunner().invoke(
            app,
            ["evaluate", str(models / arguments[0]), *arguments[1:], "--out", str(tmp_path / "out")],
            catch_exceptions=False,
        )


def test_a_folder_with_pictures_of_another_run_is_not_mixed_with(models: Path, run: Path) -> None:
    with pytest.raises(DynastError, match="real holds pictures already"):
        evaluate(EvaluationRequest(models / "tiny20.pth", None, None, run, 1))
