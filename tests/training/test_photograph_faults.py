"""Damaged, missing and oddly encoded files of photograph data: passed over, or one clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from miniature_data import write_deepfashion
from PIL import Image

torch = pytest.importorskip("torch")

from photograph_samples import SIZE, WRITERS, first_epoch  # noqa: E402

from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.data import stream_batches  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.tasks.training_data import training_data  # noqa: E402


@pytest.mark.parametrize("task", list(Task))
def test_a_damaged_picture_is_passed_over_and_named(task: Task, tmp_path: Path) -> None:
    WRITERS[task](tmp_path)
    pictures = sorted(tmp_path.rglob("*.jpg" if task is not Task.STYLE else "content/*.png"))
    broken = pictures[0]
    broken.write_bytes(broken.read_bytes()[:60])
    stream = training_data(task, tmp_path, SIZE, seed=0)
    assert stream.entries is not None
    samples = [stream[n] for n in range(2 * stream.entries)]
    assert all(torch.isfinite(sample["target"]).all() for sample in samples)
    skipped = {line for sample in samples for line in sample["skipped"].splitlines()}
    assert len(skipped) == 1
    assert skipped.pop().startswith(f"{broken}: ")


def test_a_damaged_keypoint_file_is_passed_over(tmp_path: Path) -> None:
    write_deepfashion(tmp_path)
    files = sorted((tmp_path / "pose").rglob("*_candidate.txt"))
    files[0].write_text("no numbers here\n")
    stream = training_data(Task.POSE, tmp_path, SIZE, seed=0)
    skipped = "\n".join(stream[n]["skipped"] for n in range(4))
    assert str(files[0]) in skipped


def _empty(root: Path) -> None:
    (root / "train.txt").write_text("\n\n")


def _no_list(root: Path) -> None:
    (root / "train.txt").unlink()


def _no_keypoints(root: Path) -> None:
    sorted((root / "pose").rglob("*_subset.txt"))[0].unlink()


def _no_photograph(root: Path) -> None:
    sorted(root.rglob("*.jpg"))[0].unlink()


def _no_pairs(root: Path) -> None:
    for path in root.glob("deepfashion_*.txt"):
        path.unlink()


def _missing_exemplar(root: Path) -> None:
    pairs = (root / "deepfashion_ref.txt").read_text()
    (root / "deepfashion_ref.txt").write_text(pairs.strip() + ",img/WOMEN/Dresses/id_9/01_1_front.jpg\n")


def _half_a_pair(root: Path) -> None:
    (root / "deepfashion_ref.txt").write_text("img/a.jpg\n")


def _another_size(root: Path) -> None:
    path = sorted(root.rglob("*.jpg"))[1]
    Image.open(path).resize((50, 70)).save(path)


def _all_broken(root: Path) -> None:
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"JFIF?")


def _no_masks(root: Path) -> None:
    (root / "train.txt").write_text("0\n1\n")
    for path in root.rglob("00001_*.png"):
        path.unlink()


def _odd_mask(root: Path) -> None:
    for path in root.rglob("*_nose.png"):
        Image.open(path).resize((40, 40)).save(path)


def _wide_photographs(root: Path) -> None:
    for path in root.rglob("*.jpg"):
        Image.open(path).resize((90, 60)).save(path)


def _word_in_list(root: Path) -> None:
    (root / "train.txt").write_text("0\nfirst.png\n")


def _no_photographs(root: Path) -> None:
    for path in root.rglob("*.jpg"):
        path.unlink()


def _no_styles(root: Path) -> None:
    for path in (root / "style").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("task", "harm", "message"),
    [
        (Task.POSE, _empty, r"train\.txt: the list is empty"),
        (Task.POSE, _no_list, r"train\.txt: no such list"),
        (Task.POSE, _no_keypoints, r"train\.txt line 1: .*pose.*01_1_front_subset\.txt is missing"),
        (Task.POSE, _no_photograph, r"train\.txt line 1: .*01_1_front\.jpg is missing"),
        (Task.POSE, _no_pairs, r"deepfashion_self_pair\.txt: no such list; copy"),
        (
            Task.POSE,
            _missing_exemplar,
            r"id_9/01_1_front\.jpg is missing, .* an exemplar of img/.*0001/01_1_front\.jpg",
        ),
        (Task.POSE, _half_a_pair, r"deepfashion_ref\.txt line 1: names no exemplar"),
        (
            Task.POSE,
            _another_size,
            r"01_2_front\.jpg is 50x70 pixels and the first photograph of the list 64x64",
        ),
        (Task.POSE, _all_broken, r"not one of the 4 listed photographs can be read"),
        (Task.FACE, _empty, r"train\.txt: the list is empty"),
        (Task.FACE, _word_in_list, r"train\.txt: 'first\.png' is not the number of a photograph"),
        (Task.FACE, _no_masks, r"train\.txt entry 2: .*0/00001_skin\.png is missing"),
        (Task.FACE, _odd_mask, r"masks of face \d+ differ in size: .*nose 40x40"),
        (Task.FACE, _wide_photographs, r"\.jpg is 90x60 and its masks are 128x128"),
        (Task.FACE, _all_broken, r"no usable sample among 4 in a row; the first: .*\.jpg"),
        (Task.FACE, _no_photographs, r"CelebA-HQ-img: holds no photographs NUMBER\.jpg to train on"),
        (Task.STYLE, _no_styles, r"style holds no pictures"),
    ],
)
def test_bad_data_is_one_clear_error(
    task: Task, harm: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    WRITERS[task](tmp_path)
    harm(tmp_path)
    with pytest.raises(DynastError, match=message) as caught:
        first_epoch(task, tmp_path)
    assert "\n" not in str(caught.value)


def test_an_error_in_a_worker_process_is_as_clear(tmp_path: Path) -> None:
    write_deepfashion(tmp_path)
    _another_size(tmp_path)
    stream = training_data(Task.POSE, tmp_path, SIZE, seed=0)
    with pytest.raises(DynastError) as caught:
        next(iter(stream_batches(stream, batch=4, workers=1)))
    assert str(caught.value).startswith(f"{tmp_path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
@pytest.mark.parametrize("task", [Task.POSE, Task.FACE])
def test_lists_may_begin_with_a_byte_order_mark(task: Task, encoding: str, tmp_path: Path) -> None:
    WRITERS[task](tmp_path)
    if task is Task.FACE:
        (tmp_path / "train.txt").write_text("0.jpg\n2001.jpg\n")
        (tmp_path / "celebahq_ref.txt").write_text("0.jpg,2001.jpg\n")
    before = first_epoch(task, tmp_path)
    for path in tmp_path.rglob("*.txt"):
        text = path.read_text().replace("\n", "\r\n")
        marked = "\ufeff" + text if encoding == "utf-16-le-bom" else text
        path.write_bytes(marked.encode(encoding.removesuffix("-bom")))
    after = first_epoch(task, tmp_path)
    assert after.keys() == before.keys()
    for name, sample in before.items():
        torch.testing.assert_close(after[name]["condition"], sample["condition"], rtol=0, atol=0)


def test_a_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    write_deepfashion(tmp_path)
    (tmp_path / "train.txt").write_bytes("img/Kleider/größe.jpg\n".encode("latin-1"))
    with pytest.raises(DynastError, match=r"train\.txt: the list cannot be read .* save it as UTF-8"):
        training_data(Task.POSE, tmp_path, SIZE, seed=0)
