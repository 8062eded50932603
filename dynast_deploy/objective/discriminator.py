"""The multi-scale patch discriminator, with the parameter names of published `net_D` checkpoints.

Wang et al., pix2pixHD, CVPR 2018, as SPADE (Park et al., CVPR 2019), CoCosNet and DynaST train it: spectral norm and
instance norm. Published files hold a decoder (`discriminator_0.dec...`) that their code never runs; it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from dynast_deploy.errors import DynastError
from dynast_deploy.objective.config import ObjectiveConfig

MOST_CHANNELS = 512
"""Channels double from layer to layer up to this number."""


class PatchDiscriminator(nn.Module):
    """Feature maps of every layer; the last one, `[N, 1, h, w]`, scores patches: high where they look real."""

    def __init__(self, channels_in: int, channels: int, layers: int) -> None:
        super().__init__()
        first = nn.Conv2d(channels_in, channels, 4, stride=2, padding=1)
        self.model0 = nn.Sequential(first, nn.LeakyReLU(0.2))
        for layer in range(1, layers):
            inputs, channels = channels, min(2 * channels, MOST_CHANNELS)
            conv = nn.Conv2d(inputs, channels, 4, stride=1 if layer == layers - 1 else 2, padding=1)
            block = nn.Sequential(spectral_norm(conv), nn.InstanceNorm2d(channels), nn.LeakyReLU(0.2))
            self.add_module(f"model{layer}", block)
        self.add_module(f"model{layers}", nn.Sequential(nn.Conv2d(channels, 1, 4, padding=1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The maps of every layer, `[N, C, h, w]` each, for `x` `[N, S + 3, H, W]`."""
        maps = []
        for block in self.children():
            x = block(x)
            maps.append(x)
        return maps


class Discriminator(nn.Module):
    """One `PatchDiscriminator` for the picture and one for each time that it is halved.

    Called with a condition and its picture along the channels, `[N, S + 3, H, W]`; gives each scale's feature maps.
    """

    def __init__(self, semantic_nc: int, config: ObjectiveConfig) -> None:
        super().__init__()
        self._smallest = 2 ** (config.discriminator_scales + config.discriminator_layers - 2) * 3
        self._layers = config.discriminator_layers
        for scale in range(config.discriminator_scales):
            patch_discriminator = PatchDiscriminator(
                semantic_nc + 3, config.discriminator_channels, config.discriminator_layers
            )
            self.add_module(f"discriminator_{scale}", patch_discriminator)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Under spectral norm the weight that is trained is `weight_orig`.
                parameters = dict(module.named_parameters())
                nn.init.xavier_normal_(parameters.get("weight_orig", module.weight), gain=0.02)
                nn.init.zeros_(parameters["bias"])

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """The maps of every layer at every scale, for `x` `[N, S + 3, H, W]`.

        Raises:
            DynastError: For pictures so small that nothing is left to normalise in the last layers.
        """
        self._check_size(x)
        results = []
        for patch_discriminator in self.children():
            results.append(patch_discriminator(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return results

    def _check_size(self, x: Tensor) -> None:
        if min(x.shape[-2:]) < self._smallest:
            raise DynastError(
                f"pictures of {x.shape[-1]}x{x.shape[-2]} are too small for a discriminator of {self._layers} layers, "
                f"which needs {self._smallest} pixels; lower discriminator_layers or discriminator_scales"
            )


def load_discriminator(discriminator: Discriminator, state: Mapping[str, Tensor], source: str) -> None:
    """Copy parameters of a published or own file.

    Raises:
        DynastError: Naming `source` and the first parameter that does not fit.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    state = {name: tensor for name, tensor in state.items() if ".dec." not in name}
    wanted = discriminator.state_dict()
    for name in [*wanted, *state]:
        if name not in state:
            raise DynastError(f"{source} does not fit the discriminator: {name} is missing")
        if name not in wanted:
            raise DynastError(f"{source} does not fit the discriminator: {name} is extra")
        if state[name].shape != wanted[name].shape:
            raise DynastError(
                f"{source} does not fit the discriminator: {name} has shape {list(state[name].shape)} where "
                f"{list(wanted[name].shape)} is needed"
            )
    discriminator.load_state_dict(state)
