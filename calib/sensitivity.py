"""What each layer costs: the picture's PSNR when it alone is quantized, and which layers to leave for a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from dynast_deploy.calib.picture_quality import PictureQuality
from dynast_deploy.export.quantizable import QuantizableLayer
from dynast_deploy.export.quantize import quantize
from dynast_deploy.formats.precision import Precision
from dynast_deploy.progress import Progress


@dataclass(frozen=True)
class LayerSensitivity:
    """psnr: in dB, against the float32 picture, with this layer alone in eight bits; flops: share of all layers'."""

    layer: str
    part: str
    psnr: float
    flops: float


def sensitivity(
    model: onnx.ModelProto,
    layers: Sequence[QuantizableLayer],
    ranges: Mapping[str, float],
    number_format: Precision,
    quality: PictureQuality,
) -> list[LayerSensitivity]:
    """Every layer's row, the worst first.

    Raises:
        DynastError: As `quantize` does, and where ONNX Runtime cannot run the model.
    """
    total = sum(layer.flops for layer in layers)
    rows = []
    with Progress("sensitivity, layers", len(layers)) as progress:
        for layer in layers:
            changed = quantize(model, [layer], ranges, number_format, share_sums=False)
            psnr = quality.psnr(changed, encoder=layer.encoder, renderer=not layer.encoder)
            rows.append(LayerSensitivity(layer.name, layer.part.value, psnr, layer.flops / total))
            progress.advance(1)
    return sorted(rows, key=lambda row: row.psnr)


def fewest_left(
    ranking: Sequence[LayerSensitivity], psnr_without: Callable[[set[str]], float], target: float
) -> tuple[list[str], float]:
    """The shortest beginning of the ranking without which the target holds, and the PSNR then.

    `psnr_without` gives the PSNR with the named layers in float. The search halves, so that a few tries are enough; it
    takes PSNR to rise with every layer that is left. With every layer left the target counts as reached.
    """
    names = [row.layer for row in ranking]
    too_few, enough, reached = -1, len(names), psnr_without(set(names))
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        psnr = psnr_without(set(names[:middle]))
        if psnr >= target:
            enough, reached = middle, psnr
        else:
            too_few = middle
    return names[:enough], reached
