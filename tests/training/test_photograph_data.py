"""DeepFashion, CelebAMask-HQ and picture folders, as miniatures in the published layouts."""

from __future__ import annotations

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

from photograph_samples import SIZE, WRITERS, first_epoch  # noqa: E402

from dynast_deploy.conditions import face_condition, picture_tensor, pose_condition  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.data import stream_batches  # noqa: E402
from dynast_deploy.data.augment import Augmentation  # noqa: E402
from dynast_deploy.data.deepfashion import read_keypoints, same_person  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.tasks.training_data import training_data  # noqa: E402


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
