"""Conditions: the recorded ones to the last bit, and the fast form against the plain one everywhere else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from checkout import DATA, RECORDINGS
from conditions_reference import plain_distance_map, plain_face_condition, plain_pose_condition
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dynast_deploy.conditions import (
    FACE_PARTS,
    face_condition,
    picture_tensor,
    pose_condition,
    style_condition,
    tensor_picture,
)
from dynast_deploy.conditions.distance import PixelBox, write_distance_map
from dynast_deploy.conditions.edges import canny_edges
from dynast_deploy.errors import DynastError
from dynast_deploy.tasks.preview import draw_condition

RECORDED_POSES = np.load(DATA / "pose_conditions.npz")
GOLDEN = RECORDINGS
NAN = float("nan")


def recorded(name: str) -> dict[str, np.ndarray]:
    path = GOLDEN / name
    if not path.is_file():
        pytest.skip(f"the recording {name} is not next to this checkout")
    with np.load(path) as arrays:
        return dict(arrays)


def a_photo(height: int = 40, width: int = 56) -> np.ndarray:
    blocks = np.random.default_rng(7).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


class TestPose:
    @pytest.mark.parametrize("case", ["front_256", "upper_256", "tall_176x256", "side_512"])
    def test_recorded_conditions_hold_to_the_last_bit(self, case: str) -> None:
        keypoints, size = RECORDED_POSES[f"{case}_keypoints"], tuple(RECORDED_POSES[f"{case}_size"])
        expected = RECORDED_POSES[f"{case}_condition_u8"]
        np.testing.assert_array_equal(pose_condition(keypoints, size), expected)
        np.testing.assert_array_equal(plain_pose_condition(keypoints, size, (256, 256)), expected)

    coordinate = st.one_of(st.floats(-90, 160), st.integers(-5, 70), st.just(NAN), st.just(30.5))

    @given(
        keypoints=st.lists(st.tuples(coordinate, coordinate), min_size=18, max_size=18),
        image_size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
        size=st.one_of(st.none(), st.tuples(st.integers(1, 80), st.integers(1, 80))),
    )
    @example(keypoints=[(30.5, 30.5)] * 18, image_size=(64, 48), size=None)
    @example(keypoints=[(NAN, NAN)] * 18, image_size=(64, 48), size=(31, 17))
    @example(keypoints=[(-90.0, 20.0), (500.0, 21.0)] * 9, image_size=(64, 48), size=None)
    @settings(max_examples=150, deadline=None)
    def test_every_pose_equals_the_plain_drawing(
        self,
        keypoints: list[tuple[float, float]],
        image_size: tuple[int, int],
        size: tuple[int, int] | None,
    ) -> None:
        size = size or (image_size[1], image_size[0])
        points = np.array(keypoints, np.float64)
        np.testing.assert_array_equal(
            pose_condition(points, image_size, size), plain_pose_condition(points, image_size, size)
        )

    def test_score_zero_hides_a_keypoint_and_any_other_score_does_not(self) -> None:
        points = RECORDED_POSES["front_256_keypoints"]
        hidden = points.copy()
        hidden[4] = NAN
        scored = np.column_stack([points, np.full(18, 0.05)])
        scored[4, 2] = 0
        np.testing.assert_array_equal(pose_condition(scored, (256, 256)), pose_condition(hidden, (256, 256)))

    def test_a_missing_limb_is_far_everywhere(self) -> None:
        condition = pose_condition(np.full((18, 2), NAN), (64, 48), (48, 64))
        assert not condition[:3].any()
        assert (condition[3:] == 255).all()

    def test_float32_keypoints_are_as_good(self) -> None:
        points = np.round(RECORDED_POSES["front_256_keypoints"])
        np.testing.assert_array_equal(
            pose_condition(points.astype(np.float32), (256, 256)), pose_condition(points, (256, 256))
        )

    @pytest.mark.parametrize(
        ("keypoints", "image_size", "size", "message"),
        [
            (np.zeros((17, 3)), (64, 64), 64, "[17, 3]"),
            (np.zeros((1, 18, 3)), (64, 64), 64, "[18, 2] or [18, 3]"),
            (np.full((18, 2), "x"), (64, 64), 64, "a pose is numbers"),
            (np.full((18, 2), np.inf), (64, 64), 64, "keypoint 0 (nose)"),
            (np.full((18, 2), 1e9), (64, 64), 64, "not a pixel position"),
            (np.zeros((18, 2)), (64, 0), 64, "picture size (64, 0)"),
            (np.zeros((18, 2)), (64,), 64, "(width, height)"),
            (np.zeros((18, 2)), (64, 64), 0, "size 0"),
            (np.zeros((18, 2)), (64, 64), (64, -1), "size (64, -1)"),
            (np.zeros((18, 2)), (64, 64), (64, 64, 3), "(height, width)"),
            (np.zeros((18, 2)), (64, 64), 64.5, "whole numbers"),
        ],
    )
    def test_impossible_input_is_named(
        self, keypoints: np.ndarray, image_size: tuple[int, int], size: int, message: str
    ) -> None:
        with pytest.raises(DynastError) as error:
            pose_condition(keypoints, image_size, size)
        assert message in str(error.value)


@given(data=st.data(), height=st.integers(1, 40), width=st.integers(1, 900), upright=st.booleans())
@settings(max_examples=60, deadline=None)
def test_distances_continue_exactly_outside_the_box(
    data: st.DataObject, height: int, width: int, upright: bool
) -> None:
    if upright:
        height, width = width, height
    left, right = sorted(data.draw(st.tuples(st.integers(0, width - 1), st.integers(0, width - 1))))
    top, bottom = sorted(data.draw(st.tuples(st.integers(0, height - 1), st.integers(0, height - 1))))
    box = PixelBox(left, top, right + 1, bottom + 1)
    drawn = np.zeros((height, width), np.uint8)
    points = st.tuples(st.integers(top, bottom), st.integers(left, right))
    for row, column in data.draw(st.lists(points, max_size=4)):
        drawn[row, column] = 255
    out = np.empty_like(drawn)
    write_distance_map(255 - drawn[top : bottom + 1, left : right + 1], box, out)
    np.testing.assert_array_equal(out, plain_distance_map(drawn))


class TestFace:
    def test_the_recorded_condition_holds_to_the_last_bit(self) -> None:
        arrays = recorded("face_conditions.npz")
        masks = {
            name.removeprefix("mask_"): mask for name, mask in arrays.items() if name.startswith("mask_")
        }
        np.testing.assert_array_equal(face_condition(masks, arrays["photo_1024"]), arrays["condition_u8"])

    @pytest.mark.parametrize("size", [(40, 56), (33, 47), (64, 64)])
    def test_every_face_equals_the_plain_form(self, size: tuple[int, int]) -> None:
        pytest.importorskip("skimage", reason="scikit-image draws the reference edges")
        rng = np.random.default_rng(size[0])
        coarse = rng.random((len(FACE_PARTS), 5, 7)) < 0.2
        masks = {
            part: np.kron(coarse[index], np.full((8, 8), 200)).astype(np.uint8)
            for index, part in enumerate(FACE_PARTS)
            if part != "eye_g"
        }
        masks["mouth"] = np.zeros_like(masks["mouth"])
        np.testing.assert_array_equal(
            face_condition(masks, a_photo(), size), plain_face_condition(masks, a_photo(), size)
        )

    def test_masks_of_every_type_mean_the_same(self) -> None:
        mask = np.zeros((20, 20), bool)
        mask[5:12, 6:15] = True
        expected = face_condition({"nose": mask}, a_photo(), 32)
        for dtype in (np.uint8, np.int64, np.uint16):
            other = mask.astype(dtype) * 255
            np.testing.assert_array_equal(face_condition({"nose": other}, a_photo(), 32), expected)

    def test_no_masks_leave_the_texture_alone(self) -> None:
        condition = face_condition({}, a_photo(), 64)
        assert condition[0].any()
        assert (condition[1:-1] == 255).all()
        assert not condition[-1].any()

    def test_impossible_input_is_named(self) -> None:
        mask = np.zeros((8, 8), bool)
        with pytest.raises(DynastError, match="no part of a face: beard"):
            face_condition({"beard": mask}, a_photo())
        with pytest.raises(DynastError, match=r"mask of nose is float64"):
            face_condition({"nose": mask.astype(float)}, a_photo())
        with pytest.raises(DynastError, match="RGB is wanted"):
            face_condition({}, a_photo()[..., 0])


class TestEdges:
    def test_they_are_scikit_images_default_edges(self) -> None:
        data = pytest.importorskip("skimage.data", reason="scikit-image draws the reference edges")
        from skimage.feature import canny

        grey = data.camera()
        np.testing.assert_array_equal(canny_edges(grey), canny(grey))

    @given(
        seed=st.integers(0, 2**32 - 1),
        height=st.integers(1, 30),
        width=st.integers(1, 30),
        coarse=st.booleans(),
    )
    @settings(max_examples=80, deadline=None)
    def test_they_are_so_on_noise_and_on_flat_blocks(
        self, seed: int, height: int, width: int, coarse: bool
    ) -> None:
        canny = pytest.importorskip("skimage.feature", reason="scikit-image draws the reference edges").canny
        grey = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
        if coarse:
            grey = np.kron(grey // 128 * 255, np.ones((6, 6), np.uint8))
        np.testing.assert_array_equal(canny_edges(grey), canny(grey))


class TestPicture:
    def test_the_recorded_tensor_holds_to_the_last_bit(self) -> None:
        arrays = recorded("image_transform.npz")
        np.testing.assert_array_equal(picture_tensor(arrays["photo_1024"]), arrays["image"])

    def test_a_picture_survives_the_way_there_and_back(self) -> None:
        photo = np.arange(16 * 16 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
        tensor = picture_tensor(photo, 16)
        assert tensor.dtype == np.float32
        assert (tensor.min(), tensor.max()) == (-1, 1)
        np.testing.assert_array_equal(tensor_picture(tensor), photo)
        np.testing.assert_array_equal(style_condition(photo, 16), photo.transpose(2, 0, 1))

    def test_values_beyond_the_range_are_cut(self) -> None:
        image = np.array([-1.5, 1.5, 0.0], np.float32).reshape(3, 1, 1)
        assert tensor_picture(image).tolist() == [[[0, 255, 128]]]

    def test_sizes_are_height_then_width(self) -> None:
        assert picture_tensor(a_photo(), (24, 40)).shape == (3, 24, 40)
        assert style_condition(a_photo(), (24, 40)).shape == (3, 24, 40)

    @pytest.mark.parametrize(
        "photo", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
    )
    def test_what_is_no_picture_is_refused(self, photo: np.ndarray) -> None:
        with pytest.raises(DynastError, match="in RGB is wanted"):
            picture_tensor(photo)


class TestDraw:
    def test_each_task_shows_what_it_draws(self) -> None:
        pose = pose_condition(RECORDED_POSES["front_256_keypoints"], (256, 256))
        np.testing.assert_array_equal(draw_condition(pose), pose[:3].transpose(1, 2, 0))
        face = face_condition({}, a_photo(), 32)
        np.testing.assert_array_equal(draw_condition(face)[..., 2], face[0])
        photo = a_photo()
        np.testing.assert_array_equal(draw_condition(style_condition(photo, photo.shape[:2])), photo)

    @pytest.mark.parametrize("condition", [np.zeros((7, 8, 8), np.uint8), np.zeros((20, 8, 8), np.float32)])
    def test_another_array_is_refused(self, condition: np.ndarray) -> None:
        with pytest.raises(DynastError, match="condition"):
            draw_condition(condition)


def test_importing_conditions_and_keypoints_imports_nothing_heavy() -> None:
    heavy = ["torch", "scipy", "skimage", "onnx", "onnxruntime", "mediapipe", "av"]
    code = (
        "import sys, dynast_deploy.conditions, dynast_deploy.keypoints; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
