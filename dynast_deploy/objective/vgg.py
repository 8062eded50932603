"""VGG19's features (Simonyan and Zisserman, ICLR 2015), from a weights file that the user names.

Two layouts are read: torchvision's `vgg19-*.pth` (`features.0.weight`, ...; RGB, ImageNet mean and deviation) and the
`vgg19_conv.pth` of CoCosNet and DynaST (`conv1_1.weight`, ...; Caffe's weights: BGR in 0..255 less the mean).
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator_state import weight

STAGES = (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
FEATURES = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")

Features = dict[str, Tensor]
"""Feature maps `[N, C, h, w]` by name: relu1_2 at the picture's size, each later one at half the size before it."""

_LAYERS = [(stage, layer) for stage, count in enumerate(STAGES, 1) for layer in range(1, count + 1)]
# Places of the convolutions in torchvision's `features`: a ReLU follows each, a pooling each stage.
_TORCHVISION = {
    f"conv{stage}_{layer}": f"features.{2 * place + stage - 1}"
    for place, (stage, layer) in enumerate(_LAYERS)
}


class VGG19(nn.Module):
    """The convolutions up to the last feature that is asked for. Called with pictures `[N, 3, H, W]` in -1..1, RGB.

    mean, deviation: `[3, 1, 1]` in the weights' own channel order and over 0..1.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: list[float], deviation: list[float], bgr: bool) -> None:
        super().__init__()
        self.bgr = bgr
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        before = 3
        for stage, layer in _LAYERS:
            width = WIDTHS[stage - 1]
            self.add_module(f"conv{stage}_{layer}", nn.Conv2d(before, width, 3, padding=1))
            before = width

    def forward(self, picture: Tensor) -> Features:
        """The maps named in `FEATURES`, in float32 whatever autocast says: at 0..255 half precision would overflow.

        `picture` is RGB `[N, 3, H, W]` in -1..1.
        """
        with torch.autocast(picture.device.type, enabled=False):
            x = (picture.float() + 1) / 2
            x = ((x.flip(1) if self.bgr else x) - self.mean) / self.deviation
            found: Features = {}
            for stage, layer in _LAYERS:
                if layer == 1 and stage > 1:
                    x = F.max_pool2d(x, 2)
                x = self.get_submodule(f"conv{stage}_{layer}")(x).relu()
                if (name := f"relu{stage}_{layer}") in FEATURES:
                    found[name] = x
                    if len(found) == len(FEATURES):
                        break
        return found


def load_vgg(path: str | os.PathLike[str]) -> VGG19:
    """A frozen VGG19 from a file in either layout.

    Raises:
        DynastError: Naming the file, where it is missing, damaged or of another network.
    """
    state = read_checkpoint(path)
    if "conv1_1.weight" in state:
        vgg = VGG19([0.40760392, 0.45795686, 0.48501961], [1 / 255] * 3, bgr=True)
        names = {name: name for name in _TORCHVISION}
    elif "features.0.weight" in state:
        vgg = VGG19([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], bgr=False)
        names = _TORCHVISION
    else:
        raise DynastError(
            f"{path}: no VGG19 weights; needed are torchvision's vgg19-*.pth (features.0.weight, ...) or the "
            "vgg19_conv.pth of CoCosNet and DynaST (conv1_1.weight, ...)"
        )
    wanted = vgg.state_dict()
    for name, theirs in names.items():
        for part in ("weight", "bias"):
            tensor, expected = state.get(f"{theirs}.{part}"), wanted[f"{name}.{part}"]
            if not isinstance(tensor, Tensor) or tensor.shape != expected.shape:
                found = f"has shape {list(tensor.shape)}" if isinstance(tensor, Tensor) else "is missing"
                raise DynastError(
                    f"{path}: {theirs}.{part} {found}, VGG19 has {list(expected.shape)} there; VGG16 and the variants "
                    "with batch norm do not serve"
                )
            wanted[f"{name}.{part}"] = weight(f"{theirs}.{part}", tensor, str(path))
    vgg.load_state_dict(wanted)
    return vgg.eval().requires_grad_(False)
