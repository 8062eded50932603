"""What every source of training data gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NotRequired, TypedDict

from torch import Tensor
from torch.utils.data import Dataset


class Sample(TypedDict):
    """One exemplar and what is to be generated with it: tensors `[C, size, size]`, float32; batches stack them.

    condition, exemplar_condition: `[S, H, W]`, 0..1.
    target: `[3, H, W]`, -1..1, the picture that the condition shows: the truth where `same_identity`, else a picture
    of somebody else in that pose, and for style the content picture.
    exemplar: `[3, H, W]`, -1..1.
    same_identity: `[]` bool, whether exemplar and target show one person or thing: then the target is the truth.
    correspondence: `[3, H, W]`, for each target pixel the x and y of what it shows in the exemplar, as shares of the
    picture (pixel centres lie at (x + 0.5) / size), and 1 where that is visible there; all 0 where it is unknown.
    name: which sample this is, for messages.
    skipped: damaged files that were passed over to find this sample, one to a line; empty for most.
    target_surface, exemplar_surface: `[9, H, W]`, -1..1, codes of the surface points seen (`surface_code`): only from
    sources that know them, and then in every sample.
    """

    condition: Tensor
    target: Tensor
    exemplar: Tensor
    exemplar_condition: Tensor
    same_identity: Tensor
    correspondence: Tensor
    name: str
    skipped: str
    target_surface: NotRequired[Tensor]
    exemplar_surface: NotRequired[Tensor]


class SampleStream(Dataset[Sample], ABC):
    """An endless sequence of samples in which the number alone determines the sample: `stream[n]`, any n from 0.

    `entries` is how many samples the source lists, which the stream goes through again and again, each time in
    another order; None where samples are made up and never repeat.
    """

    entries: int | None = None

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...
