"""The generator as one ONNX model that any runtime executes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynast_deploy.formats.precision import Precision

if TYPE_CHECKING:
    import onnx

    from dynast_deploy.generator import Generator


def build_model(
    generator: Generator, height: int, width: int, task: str | None, source_sha256: str
) -> onnx.ModelProto:
    """The whole network as one model: inputs and output as `Generator`, batch sizes N and E dynamic."""
    import onnx
    from onnx import TensorProto, helper

    from dynast_deploy.export.attention_functions import OPSET, attention_functions
    from dynast_deploy.export.network import NetworkWriter, cut_tensors
    from dynast_deploy.formats.onnx_model import DOMAIN, ModelMetadata
    from dynast_deploy.version import __version__

    config = generator.config
    blocks = range(4 * config.n_layers)
    graph = NetworkWriter(generator, height, width).write()

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
    ModelMetadata(
        config=config.to_dict(),
        task=task,
        height=height,
        width=width,
        producer_version=__version__,
        source_sha256=source_sha256,
        precision=Precision.FP32,
        cut_tensors=[cut.name for cut in cuts],
    ).write(model)
    onnx.checker.check_model(model, full_check=True)
    return model
