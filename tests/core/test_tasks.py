"""Every value of Task has a file in dynast_deploy/tasks that says all that the package asks of it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dynast_deploy.condition_options import Crop, CropOptions, ExemplarsOptions, RenderOptions
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.objective.config import ObjectiveConfig
from dynast_deploy.runtime.pipeline.condition_sources import check_options
from dynast_deploy.tasks import spec_of


@pytest.mark.parametrize("task", list(Task))
def test_what_a_task_says_fits_the_rest(task: Task) -> None:
    spec = spec_of(task)
    assert all(0 <= channel < task.semantic_nc for channel in spec.preview)
    assert ObjectiveConfig.from_dict(spec.objective).weights().items() >= dict(spec.objective).items()
    if spec.source is not None:
        known = {field.name for group in (RenderOptions, ExemplarsOptions) for field in fields(group)}
        assert spec.source.kind.words.option in spec.source.options
        assert known.issuperset(spec.source.options)


def test_channels_and_names_of_data_are_each_tasks_own() -> None:
    assert len({task.semantic_nc for task in Task}) == len(Task)
    assert len({spec_of(task).shipped for task in Task}) == len(Task)


def test_options_of_another_task_are_refused() -> None:
    check_options(Task.POSE, "e.onnx", CropOptions(pose_score=0.0, crop=Crop.PERSON))
    with pytest.raises(DynastError, match="style conditions, which have no keypoints; leave pose options"):
        check_options(Task.STYLE, "e.onnx", CropOptions(pose_score=0.0))
    with pytest.raises(DynastError, match="leave --crop out"):
        check_options(Task.FACE, "e.onnx", CropOptions(crop=Crop.PERSON))
