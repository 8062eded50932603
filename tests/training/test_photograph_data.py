"""DeepFashion, CelebAMask-HQ and picture folders, as miniatures in the published layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from miniature_data import (
    PHOTO,
    figures,
    portraits,
    write_celebamask,
    write_deepfashion,
    write_keypoints,
    write_style_folders,
)
from PIL import Image

torch = pytest.importorskip("torch")

from dynast_deploy.conditions import face_condition, picture_tensor, pose_condition  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.data import Sample, stream_batches  # noqa: E402
from dynast_deploy.data.augment import Augmentation  # noqa: E402
from dynast_deploy.data.deepfashion import read_keypoints, same_person  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.tasks.training_data import training_data  # noqa: E402

SIZE = 32
WRITERS: dict[Task, Callable[[Path], object]] = {
    Task.POSE: write_deepfashion,
    Task.FACE: write_celebamask,
    Task.STYLE: write_style_folders,
}


def first_epoch(task: Task, root: Path, **how: object) -> dict[str, Sample]:
    stream = training_data(task, root, SIZE, seed=0, **how)  # type: ignore[arg-type]
    assert stream.entries is not None
    return {sample["name"]: sample for sample in (stream[n] for n in range(stream.entries))}


@pytest.mark.parametrize("task", list(Task))
def test_batches_of_a_data_set_come_from_worker_processes(task: Task, tmp_path: Path) -> None:
    WRITERS[task](tmp_path)
    batch = next(iter(stream_batches(training_data(task, tmp_path, SIZE, seed=0), batch=3, workers=1)))
    assert batch["condition"].shape == (3, task.semantic_nc, SIZE, SIZE)
    assert batch["exemplar"].shape == batch["target"].shape == (3, 3, SIZE, SIZE)
    assert not batch["correspondence"].any()


def test_deepfashion_pairs_are_those_of_the_lists(tmp_path: Path) -> None:
    names = write_deepfashion(tmp_path)
    samples = first_epoch(Task.POSE, tmp_path)
    # A self pair, the last of the pair list, and a photograph in no list: itself.
    expected = {0: (names[1], True), 1: (names[0], True), 2: (names[1], False), 3: (names[3], True)}
    for line, (exemplar, same) in expected.items():
        sample = samples[f"train.txt line {line + 1}: {names[line]} <- {exemplar}"]
        assert bool(sample["same_identity"]) == same
    (held_out,) = first_epoch(Task.POSE, tmp_path, held_out=True).values()
    assert held_out["name"].endswith(f" <- {names[0]}")
    assert not held_out["same_identity"]


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (4.2, r"train\.txt: \d+% of the keypoints lie outside the picture of"),
        (0.4, r"train\.txt: the keypoints of 20 photographs reach to \d+, \d+ only, in pictures of"),
    ],
)
def test_deepfashion_keypoints_of_other_picture_sizes_are_refused(
    tmp_path: Path, factor: float, message: str
) -> None:
    names = write_deepfashion(tmp_path)
    (tmp_path / "train.txt").write_text("\n".join(names * 5))
    training_data(Task.POSE, tmp_path, SIZE, seed=0)
    for name, figure in zip(names, [pose for person in figures() for pose in person], strict=False):
        write_keypoints(
            tmp_path / ("pose" + name.removeprefix("img")), figure.keypoints * [factor, factor, 1]
        )
    with pytest.raises(DynastError, match=message):
        training_data(Task.POSE, tmp_path, SIZE, seed=0)


def test_one_photograph_whose_keypoints_lie_outside_is_passed_over(tmp_path: Path) -> None:
    names = write_deepfashion(tmp_path)
    path = tmp_path / ("pose" + names[3].removeprefix("img"))
    write_keypoints(path, figures()[1][1].keypoints * [4, 4, 1])
    stream = training_data(Task.POSE, tmp_path, SIZE, seed=0)
    skipped = "".join(stream[number]["skipped"] for number in range(4))
    assert f"{path.stem}_candidate.txt: keypoints: " in skipped
    assert "lie outside the picture" in skipped


def test_deepfashion_conditions_are_drawn_from_the_keypoint_files(tmp_path: Path) -> None:
    names = write_deepfashion(tmp_path)
    sample = first_epoch(Task.POSE, tmp_path)[f"train.txt line 1: {names[0]} <- {names[1]}"]
    for figure, name, condition in zip(
        figures()[0], names, ("condition", "exemplar_condition"), strict=False
    ):
        wanted = pose_condition(figure.keypoints, (PHOTO, PHOTO), SIZE)
        assert torch.equal(sample[condition], torch.from_numpy(wanted).float() / 255)  # type: ignore[literal-required]
        photo = picture_tensor(np.asarray(Image.open(tmp_path / name)), SIZE)
        assert torch.equal(
            sample["target" if condition == "condition" else "exemplar"], torch.from_numpy(photo)
        )


def test_keypoints_survive_openpose_tables(tmp_path: Path) -> None:
    keypoints = figures()[1][0].keypoints.astype(float)
    keypoints[[3, 14], 2] = 0
    write_keypoints(tmp_path / "01_1_front.jpg", keypoints)
    read = read_keypoints(*(tmp_path / f"01_1_front_{each}.txt" for each in ("candidate", "subset")))
    seen = keypoints[:, 2] > 0
    np.testing.assert_allclose(read[seen], keypoints[seen])
    assert np.isnan(read[~seen, :2]).all()


def test_a_mirrored_pose_is_the_pose_of_the_mirrored_picture(tmp_path: Path) -> None:
    names = write_deepfashion(tmp_path)
    flips = Augmentation(flip=True)
    stream = training_data(Task.POSE, tmp_path, SIZE, seed=0, augmentation=flips)
    photo = torch.from_numpy(picture_tensor(np.asarray(Image.open(tmp_path / names[0])), SIZE))
    seen = set()
    for sample in (stream[n] for n in range(24)):
        if f" line 1: {names[0]}" not in sample["name"]:
            continue
        mirrored = torch.allclose(sample["target"], photo.flip(-1), atol=0.02)
        assert mirrored or torch.equal(sample["target"], photo)
        seen.add(mirrored)
        if mirrored:
            keypoints = figures()[0][0].keypoints.copy()
            keypoints[:, 0] = PHOTO - 1 - keypoints[:, 0]
            keypoints = keypoints[[0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]]
            wanted = torch.from_numpy(pose_condition(keypoints, (PHOTO, PHOTO), SIZE)).float() / 255
            assert (sample["condition"] - wanted).abs().mean() < 1e-3
    assert seen == {True, False}


def test_the_same_person_is_one_folder_and_one_number() -> None:
    assert same_person("img/W/id_1/01_1_front.jpg", "img/W/id_1/01_7_additional.jpg")
    assert not same_person("img/W/id_1/01_1_front.jpg", "img/W/id_1/02_1_front.jpg")
    assert not same_person("img/W/id_1/01_1_front.jpg", "img/W/id_2/01_1_front.jpg")


def test_celebamask_conditions_are_drawn_from_the_masks(tmp_path: Path) -> None:
    write_celebamask(tmp_path)
    (tmp_path / "val.txt").write_text("0\n2001\n")
    (tmp_path / "celebahq_ref_test.txt").write_text("0.jpg,2001.jpg\n")
    first, second = first_epoch(Task.FACE, tmp_path, held_out=True).values()
    assert first["name"].endswith("val.txt entry 1: 0.jpg <- 2001.jpg")
    assert second["name"].endswith(" 2001.jpg <- 0.jpg")
    photo = np.asarray(Image.open(tmp_path / "CelebA-HQ-img" / "0.jpg"))
    wanted = torch.from_numpy(face_condition(portraits()[0].masks, photo, SIZE)).float() / 255
    assert torch.equal(first["condition"], wanted)
    assert torch.equal(second["exemplar_condition"], wanted)
    assert torch.equal(first["target"], torch.from_numpy(picture_tensor(photo, SIZE)))


def test_celebamask_pairs_people_by_identity(tmp_path: Path) -> None:
    write_celebamask(tmp_path)
    (tmp_path / "train.txt").write_text("0\n1\n2001\n4005\n")
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_text(
        "idx orig_idx orig_file\n0 7 000008.jpg\n1 9 000010.jpg\n2001 3 000004.jpg\n4005 5 000006.jpg\n"
    )
    (tmp_path / "identity_CelebA.txt").write_text(
        "000008.jpg 17\n000010.jpg 17\n000004.jpg 2\n000006.jpg 5\n"
    )
    stream = training_data(Task.FACE, tmp_path, SIZE, seed=0)
    kinds = set()
    for sample in (stream[n] for n in range(40)):
        target, exemplar = (int(each.removesuffix(".jpg")) for each in sample["name"].split()[-3::2])
        same = target == exemplar or {target, exemplar} == {0, 1}
        assert bool(sample["same_identity"]) == same
        kinds.add((target == exemplar, same))
    assert kinds == {(True, True), (False, True), (False, False)}


def test_celebamask_lists_and_what_stands_for_a_missing_one(tmp_path: Path) -> None:
    write_celebamask(tmp_path, (0, 9, 2001, 4009))

    def numbers(held_out: bool) -> list[int]:
        return training_data(Task.FACE, tmp_path, SIZE, seed=0, held_out=held_out).numbers  # type: ignore[attr-defined]

    assert (numbers(False), numbers(True)) == ([0, 2001], [9, 4009])
    (tmp_path / "train.txt").write_text("4009\n9.jpg\n")
    assert (numbers(False), numbers(True)) == ([4009, 9], [0, 2001])
    (tmp_path / "val.txt").write_text("2001\n")
    assert numbers(True) == [2001]


def test_mirrored_faces_exchange_left_and_right_parts(tmp_path: Path) -> None:
    write_celebamask(tmp_path)
    (tmp_path / "train.txt").write_text("0\n")
    stream = training_data(Task.FACE, tmp_path, SIZE, seed=0, augmentation=Augmentation(flip=True))
    photo = np.asarray(Image.open(tmp_path / "CelebA-HQ-img" / "0.jpg"))
    plain = face_condition(portraits()[0].masks, photo, SIZE)
    swapped = {part: mask[:, ::-1] for part, mask in portraits()[0].masks.items()}
    for left, right in (("l_brow", "r_brow"), ("l_eye", "r_eye"), ("l_ear", "r_ear")):
        swapped[left], swapped[right] = swapped[right], swapped[left]
    mirrored = face_condition(swapped, np.ascontiguousarray(photo[:, ::-1]), SIZE)
    assert (plain != mirrored).any()
    found = [(stream[n]["condition"] * 255).round().byte().numpy() for n in range(8)]
    kinds = {(each == plain).all() * 1 + (each == mirrored).all() * 2 for each in found}
    assert kinds == {1, 2}


def test_published_augmentation_cuts_a_square_out_of_a_larger_picture(tmp_path: Path) -> None:
    write_celebamask(tmp_path)
    (tmp_path / "train.txt").write_text("0\n")
    stream = training_data(Task.FACE, tmp_path, 64, seed=0)
    photo = picture_tensor(np.asarray(Image.open(tmp_path / "CelebA-HQ-img" / "0.jpg")), 72)  # 64 * 286 / 256
    for sample in (stream[n] for n in range(4)):
        cuts = [photo[:, y : y + 64, x : x + 64] for y in range(9) for x in range(9)]
        cuts += [cut[:, :, ::-1] for cut in cuts]
        assert min(np.abs(cut - sample["target"].numpy()).max() for cut in cuts) < 0.2


def test_style_folders_take_pictures_of_every_size_and_mode(tmp_path: Path) -> None:
    write_style_folders(tmp_path)
    samples = first_epoch(Task.STYLE, tmp_path)
    assert len(samples) == 10  # and the eleventh is held out
    for name, sample in samples.items():
        assert torch.equal(sample["condition"], (sample["target"] + 1) / 2), name
        assert torch.equal(sample["exemplar_condition"], (sample["exemplar"] + 1) / 2), name
    (held_out,) = first_epoch(Task.STYLE, tmp_path, held_out=True)
    assert "content/9.png" in held_out
    assert not any("/9.png" in name for name in samples)


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
