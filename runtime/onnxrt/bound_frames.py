"""Frames through an ONNX Runtime session with everything at fixed places on its device."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from dynast_deploy.formats.uint8_io import SIGNED_IMAGE

IMAGE_SUM = "image.sum"
ELEMENT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class BoundFrames:
    """Renders so many frames against one exemplar: input, output and the exemplar's tensors are bound once.

    On CUDA a frame is one copy in, one run and one copy out, and a graph may be captured, which needs addresses that
    stay. One thread at a time.
    """

    def __init__(
        self,
        onnxruntime: Any,
        session: Any,
        memory: str,
        exemplar: dict[str, Any],
        frames: int,
        graph: int | None = None,
    ) -> None:
        """`memory`: see `empty_on`; `exemplar`: its tensors, which are there; `graph`: the number of the CUDA graph of
        these frames and this exemplar, None for none."""
        inputs = {value.name: value for value in session.get_inputs()}
        image, *sums = session.get_outputs()
        self._condition, self._image = (
            empty_on(onnxruntime, memory, [frames, *value.shape[1:]], ELEMENT_TYPES[value.type])
            for value in (inputs["condition"], image)
        )
        self._session = session
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("condition", self._condition)
        for name, tensor in exemplar.items():
            self._binding.bind_ortvalue_input(name, tensor)
        self._binding.bind_ortvalue_output(image.name, self._image)
        self._sum = empty_on(onnxruntime, memory, [], np.float32) if sums else None
        if self._sum is not None:
            self._binding.bind_ortvalue_output(IMAGE_SUM, self._sum)
        self._options = None
        if graph is not None:
            self._options = onnxruntime.RunOptions()
            self._options.add_run_config_entry("gpu_graph_id", str(graph))

    def render(self, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images `[N, 3, H, W]` for conditions `[N, S, H, W]`, both of the types that the session's graph states; and
        what of them is finite where all of them is, see `with_image_sum`."""
        self._condition.update_inplace(condition)
        self._session.run_with_iobinding(self._binding, self._options)
        images: np.ndarray = self._image.numpy()
        # On the CPU it is a view of what the next frame is written to.
        images = images.copy()
        return images, images if self._sum is None else self._sum.numpy()


def with_image_sum(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, changed in place: a renderer with bytes outside also gives the sum of its images before they are bytes.

    Bytes cannot show that a value was NaN; their sum is NaN then. It costs one pass over the images.
    """
    graph = model.graph
    graph.node.append(
        onnx.helper.make_node("ReduceSum", [SIGNED_IMAGE], [IMAGE_SUM], name=IMAGE_SUM, keepdims=0)
    )
    graph.output.append(onnx.helper.make_tensor_value_info(IMAGE_SUM, onnx.TensorProto.FLOAT, []))
    return model


def empty_on(onnxruntime: Any, memory: str, shape: list[int], dtype: type) -> Any:
    """An OrtValue with memory of its own, "cpu" or "cuda". One from a session's arena would keep the whole arena."""
    value = onnxruntime.OrtValue
    if memory == "cpu":
        return value.ortvalue_from_numpy(np.empty(shape, dtype))
    return value.ortvalue_from_shape_and_type(shape, dtype, memory)
