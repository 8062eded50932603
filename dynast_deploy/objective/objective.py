"""The objective: which terms apply to which pairs, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.generator import Generator
from dynast_deploy.objective import adversarial, features, warping
from dynast_deploy.objective import picture_terms as pictures
from dynast_deploy.objective.config import ObjectiveConfig
from dynast_deploy.objective.discriminator import Discriminator
from dynast_deploy.objective.matching import matching_terms
from dynast_deploy.objective.vgg import VGG19, Features

Batch = Mapping[str, Any]
Terms = dict[str, Tensor]


class Pairs(StrEnum):
    """Pairs of target and exemplar that a term is for: of one identity, of two, or all."""

    SAME = "same"
    OTHER = "other"
    ALL = "all"

    def chosen(self, same_identity: Tensor) -> Tensor:
        """bool `[N]`."""
        if self is Pairs.ALL:
            return torch.ones_like(same_identity)
        return same_identity if self is Pairs.SAME else ~same_identity


class Term(NamedTuple):
    """Pulls generated images towards an entry of the batch; `function(ours, theirs)` gives a value a sample, `[N]`."""

    pairs: Pairs
    towards: str
    function: Callable[[Any, Any], Tensor]

    def mean(self, ours: Tensor | Features, theirs: Tensor | Features, pairs: int) -> Tensor:
        """Over `pairs`, of which `ours` and `theirs` hold only the chosen ones, which may be none. A scalar."""
        some = ours if isinstance(ours, Tensor) else next(iter(ours.values()))
        return self.function(ours, theirs).sum() / pairs if len(some) else some.new_zeros(())


PICTURE_TERMS = {
    "reconstruction": Term(Pairs.SAME, "target", pictures.reconstruction),
    "mse": Term(Pairs.SAME, "target", pictures.mse),
    "palette": Term(Pairs.OTHER, "exemplar", pictures.palette),
    "structure": Term(Pairs.ALL, "target", pictures.structure),
}
FEATURE_TERMS = {
    "vgg": Term(Pairs.SAME, "target", features.layers_l1),
    "perceptual": Term(Pairs.ALL, "target", features.perceptual),
    "contextual": Term(Pairs.OTHER, "exemplar", features.contextual),
    "style": Term(Pairs.OTHER, "exemplar", features.style),
}
WARP_TERMS = {"warp": ("exemplar", "target"), "surface": ("exemplar_surface", "target_surface")}
"""Entries of the batch: what the blocks warp, and what that is compared with, in pairs of one identity."""

MATCHING_TERMS = ("matching", "prune")
IDENTITY_TERMS = ("identity", "identity_warp", "identity_features")
NEED_VGG = (*FEATURE_TERMS, "identity_features")


class Objective:
    """Computes the terms of a batch, unweighted, and their weighted sum.

    A batch is what the data loader gives: condition and exemplar_condition `[N, S, H, W]` in 0..1, target and exemplar
    `[N, 3, H, W]` in -1..1, same_identity bool `[N]`, correspondence `[N, 3, H, W]`, and, where the data has them,
    target_surface and exemplar_surface `[N, C, H, W]`. A term counts 0 for pairs that it is not for, and is the mean
    over the whole batch: so the means of a batch's parts average to that of the batch.

    Networks may run under autocast; the terms are computed in float32.
    """

    def __init__(self, config: ObjectiveConfig, vgg: VGG19 | None = None) -> None:
        self.config, self.vgg = config, vgg
        on = [name for name, weight in config.weights().items() if weight > 0]
        self.terms = [name for name in on if vgg is not None or name not in NEED_VGG]
        """Names of the generator's terms that are on; one that needs what a batch does not hold is absent there."""

    def inactive(self) -> list[str]:
        """Terms that have a weight and cannot be computed, one line each, with the reason."""
        off = [
            name for name, weight in self.config.weights().items() if weight > 0 and name not in self.terms
        ]
        return [f"{name} is off: it needs VGG19, and no file with its weights was named" for name in off]

    def make_discriminator(self, semantic_nc: int) -> Discriminator | None:
        """A new discriminator for conditions of that many channels, or None where no term needs one."""
        return Discriminator(semantic_nc, self.config) if self.config.wants_discriminator else None

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the generator's terms, or of the discriminator's, which weigh 1.

        Terms and sum are scalars.
        """
        weights = self.config.weights()
        return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()

    def generator_terms(
        self, generator: Generator, discriminator: Discriminator | None, batch: Batch
    ) -> tuple[Tensor, Terms]:
        """The generated images `[N, 3, H, W]` float32, and every term, a scalar, by its name in `ObjectiveConfig`.

        Raises:
            DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
        """
        sources = self._warp_sources(batch)
        encoded = generator.encode_exemplar(batch["exemplar"], batch["exemplar_condition"])
        queries: list[tuple[Tensor, Tensor]] = []
        image, attentions = generator.render_with_attention(
            encoded,
            batch["condition"],
            torch.cat(list(sources.values()), 1) if sources else None,
            self.config.warp_mask.value,
            queries,
        )
        image = image if image.dtype == torch.float64 else image.float()
        found = self._adversarial_terms(discriminator, image, batch) if discriminator is not None else {}
        own = self._own_exemplar(generator, batch) if set(IDENTITY_TERMS) & set(self.terms) else None
        with torch.autocast(image.device.type, enabled=False):
            found |= self._picture_terms(image, batch)
            found |= self._warp_terms(attentions, sources, batch)
            if set(MATCHING_TERMS) & set(self.terms):
                values = matching_terms(generator.config, encoded, queries, batch)
                found |= {
                    name: (value * batch["same_identity"]).mean()
                    for name, value in zip(MATCHING_TERMS, values, strict=True)
                }
            if self.vgg is not None:
                found |= self._feature_terms(self.vgg, image, batch)
            if own is not None:
                found |= self._identity_terms(*own, batch["target"])
        return image, {name: found[name] for name in self.terms if name in found}

    def discriminator_terms(self, discriminator: Discriminator, image: Tensor, batch: Batch) -> Terms:
        """Hinge terms on the targets and on generated images, through which no gradient goes.

        `image` is `[N, 3, H, W]` in -1..1, the terms are scalars.
        """
        generated, real = _discriminate(discriminator, image.detach(), batch)
        return {
            "discriminator_real": adversarial.discriminator_hinge(real, real=True).mean(),
            "discriminator_painted": adversarial.discriminator_hinge(generated, real=False).mean(),
        }

    def _picture_terms(self, image: Tensor, batch: Batch) -> Terms:
        terms = {}
        for name, term in PICTURE_TERMS.items():
            if name in self.terms:
                chosen = term.pairs.chosen(batch["same_identity"])
                terms[name] = term.mean(image[chosen], batch[term.towards][chosen], len(chosen))
        return terms

    def _feature_terms(self, vgg: VGG19, image: Tensor, batch: Batch) -> Terms:
        wanted = {name: term for name, term in FEATURE_TERMS.items() if name in self.terms}
        if not wanted:
            return {}
        with torch.no_grad():
            theirs = {entry: vgg(batch[entry]) for entry in {term.towards for term in wanted.values()}}
        ours, terms = vgg(image), {}
        for name, term in wanted.items():
            chosen = term.pairs.chosen(batch["same_identity"])
            terms[name] = term.mean(_of(ours, chosen), _of(theirs[term.towards], chosen), len(chosen))
        return terms

    def _warp_sources(self, batch: Batch) -> dict[str, Tensor]:
        """What the blocks warp together, by term: maps `[N, C, H, W]` of the exemplar."""
        return {
            name: batch[source]
            for name, (source, _) in WARP_TERMS.items()
            if name in self.terms and source in batch
        }

    def _warp_terms(self, attentions: list[Attention], sources: dict[str, Tensor], batch: Batch) -> Terms:
        terms, first = {}, 0
        for name, source in sources.items():
            channels = slice(first, first + source.shape[1])
            values = warping.warp(attentions, batch[WARP_TERMS[name][1]], channels)
            terms[name] = (values * batch["same_identity"]).mean()
            first = channels.stop
        return terms

    def _adversarial_terms(self, discriminator: Discriminator, image: Tensor, batch: Batch) -> Terms:
        discriminator.requires_grad_(False)
        generated, real = _discriminate(discriminator, image, batch)
        discriminator.requires_grad_(True)
        matching = adversarial.feature_matching(generated, real) * batch["same_identity"]
        return {
            "adversarial": adversarial.generator_hinge(generated).mean(),
            "feature_matching": matching.mean(),
        }

    def _own_exemplar(self, generator: Generator, batch: Batch) -> tuple[Tensor, list[Attention]]:
        """Pictures generated with the target as their own exemplar, which their blocks warp.

        All of the batch, whatever its pairs are: processes that share a batch norm have to make the same calls.
        """
        condition, target = batch["condition"], batch["target"]
        return generator.render_with_attention(
            generator.encode_exemplar(target, condition), condition, target, self.config.warp_mask.value
        )

    def _identity_terms(self, image: Tensor, attentions: list[Attention], target: Tensor) -> Terms:
        terms = {
            "identity": pictures.reconstruction(image.to(target.dtype), target).mean(),
            "identity_warp": warping.warp(attentions, target, slice(None)).mean(),
        }
        if self.vgg is not None and "identity_features" in self.terms:
            with torch.no_grad():
                theirs = self.vgg(target)
            terms["identity_features"] = features.layers_l1(self.vgg(image), theirs).mean()
        return terms


def _discriminate(
    discriminator: Discriminator, image: Tensor, batch: Batch
) -> tuple[adversarial.ScaleMaps, adversarial.ScaleMaps]:
    """The discriminator's maps of generated images and of targets, both with their condition, in one pass."""
    pictures_of_both = torch.cat([image, batch["target"]])
    condition = torch.cat([batch["condition"]] * 2)
    maps_of_both, count = discriminator(torch.cat([condition, pictures_of_both], 1)), len(image)
    return (
        [[x[:count] for x in maps] for maps in maps_of_both],
        [[x[count:] for x in maps] for maps in maps_of_both],
    )


def _of(maps: Features, chosen: Tensor) -> Features:
    return {name: x[chosen] for name, x in maps.items()}
