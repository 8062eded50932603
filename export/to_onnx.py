"""`python export/to_onnx.py ckpt.pth`: a checkpoint becomes one ONNX file that any runtime executes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if __name__ == "__main__":
    # Run as a script, Python puts this folder on the path; the package lies one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import typer

from dynast_deploy.command import run
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError

if TYPE_CHECKING:
    import onnx

    from dynast_deploy.generator import Generator


def build_model(
    generator: Generator, height: int, width: int, task: str | None, source_sha256: str
) -> onnx.ModelProto:
    """The whole network as one model: inputs and output as `Generator`, batch sizes N and E dynamic."""
    import onnx
    from onnx import TensorProto, helper

    from dynast_deploy.export.attention_functions import DOMAIN, OPSET, attention_functions
    from dynast_deploy.export.network import Network, cut_tensors
    from dynast_deploy.formats.onnx_model import ModelInfo
    from dynast_deploy.version import __version__

    config = generator.config
    blocks = range(4 * config.n_layers)
    graph = Network(generator, height, width).write()

    def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [
        tensor("condition", "N", config.semantic_nc, height, width),
        tensor("exemplar", "E", 3, height, width),
        tensor("exemplar_condition", "E", config.semantic_nc, height, width),
    ]
    cuts = []
    for number in blocks:
        scale = 4 - number // config.n_layers
        length = height * width // 4 ** (scale - 1)
        widths = (
            config.channels(scale) + config.pos_channels(scale),
            config.prune_channels(scale),
            config.channels(scale),
        )
        cuts += [
            tensor(name, "E", length, size) for name, size in zip(cut_tensors(number), widths, strict=True)
        ]
    proto = helper.make_graph(
        graph.nodes,
        "dynast",
        inputs,
        [tensor("image", "N", 3, height, width)],
        list(graph.initializers.values()),
        value_info=[*cuts, *graph.value_info.values()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(
        proto,
        functions=attention_functions(),
        opset_imports=opsets,
        ir_version=10,
        producer_name="dynast-deploy",
        producer_version=__version__,
    )
    ModelInfo(
        config=config.to_dict(),
        task=task,
        height=height,
        width=width,
        producer_version=__version__,
        source_sha256=source_sha256,
        precision="fp32",
        cut_tensors=[cut.name for cut in cuts],
    ).write(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def parse_size(text: str) -> tuple[int, int]:
    """`"256x192"` -> (256, 192): height and width in pixels; one number is both."""
    try:
        height, width = (int(part) for part in (text.split("x") if "x" in text else (text, text)))
    except ValueError:
        raise DynastError(f"--size {text}: write HEIGHTxWIDTH, such as 256x192") from None
    if height % 8 or width % 8 or height <= 0 or width <= 0:
        raise DynastError(f"--size {text}: height and width must be multiples of 8")
    return height, width


def export(
    checkpoint: Annotated[Path, typer.Argument(help="PyTorch checkpoint, published layout or our own.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("model.onnx"),
    top_k: Annotated[
        int | None, typer.Option(help="Matches per query.", show_default="the checkpoint's, else 4")
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(
            help="Softmax temperature of the fine scales.", show_default="the checkpoint's, else 0.01"
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Picture size HxW.", show_default="the checkpoint's")
    ] = None,
    task: Annotated[
        Task | None,
        typer.Option(help="What conditions show.", show_default="by channels: 20 pose, 15 face, 3 style"),
    ] = None,
    fp16: Annotated[
        bool,
        typer.Option(
            "--fp16", help="Half the size, for GPUs. TensorRT plans are made from files without it."
        ),
    ] = False,
) -> None:
    """Export a checkpoint to one ONNX file and check it against the PyTorch generator."""
    import onnx

    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.export.float16 import to_float16
    from dynast_deploy.export.self_check import difference
    from dynast_deploy.files.atomic_file import WholeFile
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.formats.onnx_model import sha256

    if not os.path.isdir(output.parent):
        raise DynastError(f"{output}: the folder {output.parent} does not exist")
    check_written({"-o": output}, {"checkpoint being read": checkpoint})
    generator = load_generator(checkpoint, top_k=top_k, smooth=smooth)
    config = generator.config
    if task is not None and task.semantic_nc != config.semantic_nc:
        raise DynastError(
            f"{checkpoint}: conditions of task {task} have {task.semantic_nc} channels, this checkpoint's have "
            f"{config.semantic_nc}; leave --task out or name the right one"
        )
    height, width = parse_size(size or str(config.crop_size))
    model = build_model(generator, height, width, task or config.task, sha256(checkpoint))
    if fp16:
        to_float16(model)
    with WholeFile(output) as partial:
        onnx.save(model, partial)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {height}x{width}, {len(model.graph.node)} nodes")
    print(difference(generator, output, height, width))


def main() -> None:
    run(export)


if __name__ == "__main__":
    main()
