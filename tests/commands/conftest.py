"""What tests of `dynast-run` render: an engine, a driving video and an exemplar."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from run_command import FRAMES
from tiny_engine import write_tiny_engine

from dynast_deploy.keypoints import Poses, write_poses
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size
from dynast_deploy.synthetic.people import Identity, render, sample_pose


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an engine, a driving video of one marionette and an exemplar of another one, with keypoints."""
    folder = tmp_path_factory.mktemp("media")
    write_tiny_engine(folder)
    rng = np.random.default_rng(0)
    figures = [render(Identity.of_seed(1), sample_pose(rng), 64) for _ in range(FRAMES)]
    with VideoWriter(folder / "drive.mp4", Size(64, 64), 25) as writer:
        for figure in figures:
            writer.write(figure.picture)
    write_poses(folder / "drive.poses.npz", Poses(np.stack([figure.keypoints for figure in figures])))
    figure = render(Identity.of_seed(2), sample_pose(rng), 64)
    write_picture(folder / "ref.png", figure.picture)
    write_poses(folder / "ref.poses.npz", Poses(figure.keypoints[None]))
    return folder


@pytest.fixture
def work(media: Path, tmp_path: Path) -> Path:
    """A copy of `media` that a test may change."""
    return Path(shutil.copytree(media, tmp_path / "work"))
