"""An exemplar through TensorRT's encoder, once."""

from __future__ import annotations

import numpy as np

from dynast_deploy.runtime.cuda.device import DeviceResources
from dynast_deploy.runtime.trt.plan import Plan, shape_of, size_of
from dynast_deploy.runtime.trt.render_pipeline import DeviceExemplar


class Encoder:
    """The encoder's context and its inputs, kept so that an exemplar can be changed while frames are rendered."""

    def __init__(self, resources: DeviceResources, plan: Plan) -> None:
        """What it needs is added to `resources`."""
        specs = plan.inputs.values()
        self._stream = resources.stream()
        self._host = {spec.name: resources.pinned(shape_of(spec, 1), spec.dtype) for spec in specs}
        self._device = {spec.name: resources.buffer(size_of(spec, 1)) for spec in specs}
        self._context = plan.context(1)
        resources.keep(self._context.close)

    def encode(self, inputs: dict[str, np.ndarray], exemplar: DeviceExemplar) -> None:
        """Fill the exemplar's tensors from `inputs`, arrays `[1, C, H, W]` by name; returns when they are there. One
        thread at a time.

        Raises:
            DynastError: Where TensorRT refuses.
        """
        try:
            for name, array in inputs.items():
                self._host[name][:] = array
                self._stream.upload(self._device[name], self._host[name])
            addresses = {name: buffer.address for name, buffer in self._device.items()}
            self._context.enqueue(exemplar.addresses | addresses, self._stream)
        finally:
            self._stream.synchronize()
