"""Frames through one TensorRT context: the next one is copied in and the last one out while one is computed.

A lane has two slots. A slot's frames are copied to the GPU on the upload stream, computed on the compute stream and
copied back on the download stream, each waiting for the one before by an event. The host waits for a slot's last copy
alone, before it reads the pictures or fills the slot again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import TensorSpec
from dynast_deploy.runtime.cuda.device import Buffer, DeviceResources, Gpu
from dynast_deploy.runtime.cuda.graph import CaptureRefused, Graph
from dynast_deploy.runtime.trt.plan import Plan, shape_of, size_of

SLOTS = 2


class DeviceExemplar:
    """One encoded exemplar on the GPU: the cut tensors, and the graphs that were captured with their addresses."""

    def __init__(self, gpu: Gpu, tensors: tuple[TensorSpec, ...]) -> None:
        self.resources = DeviceResources(gpu)
        self.graphs: dict[Slot, Graph] = {}
        with self.resources.close_on_error():
            self.buffers: dict[str, Buffer] = {
                spec.name: self.resources.buffer(size_of(spec, 1)) for spec in tensors
            }

    @property
    def addresses(self) -> dict[str, int]:
        """Where on the GPU each tensor lies, by name."""
        return {name: buffer.address for name, buffer in self.buffers.items()}

    def add_graph(self, slot: Slot, graph: Graph) -> None:
        """Keep a graph that was captured for a slot, to be released with the exemplar."""
        self.graphs[slot] = graph
        self.resources.keep(graph.free)


class Frames:
    """Frames on their way; `RenderPipeline.submit` gives one out."""

    def __init__(self, lane: RenderPipeline, slot: Slot, exemplar: DeviceExemplar, count: int) -> None:
        self.exemplar: DeviceExemplar | None = exemplar  # kept until nothing reads it any more
        self.slot, self.count = slot, count
        self.images: np.ndarray | None = None
        self.error: Exception | None = None
        self._lane = lane

    def result(self) -> np.ndarray:
        """Wait for the images `[N, 3, H, W]` in the plan's type.

        Raises:
            Exception: What went wrong with them.
        """
        self._lane.collect(self)
        if self.error is not None:
            raise self.error
        assert self.images is not None
        return self.images


class Slot:
    """Room for the frames of one `submit`, on the GPU and page-locked on the host."""

    def __init__(
        self, resources: DeviceResources, condition: TensorSpec, image: TensorSpec, frames: int
    ) -> None:
        self.host_condition = resources.pinned(shape_of(condition, frames), condition.dtype)
        self.host_image = resources.pinned(shape_of(image, frames), image.dtype)
        self.condition = resources.buffer(size_of(condition, frames))
        self.image = resources.buffer(size_of(image, frames))
        self.addresses = {condition.name: self.condition.address, image.name: self.image.address}
        self.uploaded, self.computed, self.downloaded = (resources.event() for _ in range(3))
        self.frames: Frames | None = None


class RenderPipeline:
    """One context of the renderer, for one number of frames. Thread-safe: calls wait for each other."""

    def __init__(
        self, gpu: Gpu, plan: Plan, frames: int, cuda_graphs: bool, refused: Callable[[str], None]
    ) -> None:
        """`refused` is told why no CUDA graph can be captured, if it comes to that."""
        condition, image = plan.inputs["condition"], plan.outputs["image"]
        self.frames = frames
        self._lock = threading.RLock()
        self._cuda_graphs, self._refused = cuda_graphs, refused
        self._enqueued = False
        self._turn = 0
        self._gpu = gpu
        self.resources = DeviceResources(gpu)
        with self.resources.close_on_error():
            self._upload, self._compute, self._download = (self.resources.stream() for _ in range(3))
            self._slots = [Slot(self.resources, condition, image, frames) for _ in range(SLOTS)]
            self._context = plan.context(frames)
            self.resources.keep(self._context.close)

    def submit(self, exemplar: DeviceExemplar, condition: np.ndarray) -> Frames:
        """Start rendering `[n, S, H, W]`, n at most `frames`, of the plan's type. Waits for the frames that were
        submitted two calls before.

        Raises:
            DynastError: After `close`, and where TensorRT refuses.
        """
        with self._lock, self._gpu.current():
            if self.resources.closed:
                raise DynastError("this engine was closed")
            slot = self._slots[self._turn]
            if slot.frames is not None:
                self.collect(slot.frames)
            self._turn = (self._turn + 1) % SLOTS
            slot.host_condition[: len(condition)] = condition
            slot.host_condition[len(condition) :] = condition[-1]
            try:
                self._start(slot, exemplar)
            except BaseException:
                # What was given to the GPU already must not meet the next frames.
                for stream in (self._upload, self._compute, self._download):
                    stream.synchronize()
                raise
            slot.frames = Frames(self, slot, exemplar, len(condition))
            return slot.frames

    def _start(self, slot: Slot, exemplar: DeviceExemplar) -> None:
        self._upload.upload(slot.condition, slot.host_condition)
        self._upload.record(slot.uploaded)
        self._compute.wait(slot.uploaded)
        self._run(slot, exemplar)
        self._compute.record(slot.computed)
        self._download.wait(slot.computed)
        self._download.download(slot.host_image, slot.image)
        self._download.record(slot.downloaded)

    def _run(self, slot: Slot, exemplar: DeviceExemplar) -> None:
        """The renderer on the compute stream, as a graph but for the first time, when TensorRT sets the context up."""

        def enqueue() -> None:
            self._context.enqueue(exemplar.addresses | slot.addresses, self._compute)

        graph = exemplar.graphs.get(slot)
        if graph is None and self._enqueued and self._cuda_graphs:
            try:
                graph = self._compute.capture(enqueue)
                exemplar.add_graph(slot, graph)
            except CaptureRefused as refusal:
                self._cuda_graphs = False
                self._refused(str(refusal))
        if graph is not None:
            self._compute.launch(graph)
        else:
            enqueue()
            self._enqueued = True

    def compute(self, exemplar: DeviceExemplar) -> None:
        """Run the renderer once on what earlier frames left on the GPU, and wait: no copies. For measuring.

        Raises:
            DynastError: Where TensorRT refuses.
        """
        with self._lock, self._gpu.current():
            slot = self._slots[self._turn]
            if slot.frames is not None:
                self.collect(slot.frames)
            self._run(slot, exemplar)
            self._compute.synchronize()

    def collect(self, frames: Frames) -> None:
        """Wait for `frames` and take their images out of the slot, unless that was done."""
        with self._lock, self._gpu.current():
            if frames.exemplar is None:
                return
            slot = frames.slot
            try:
                slot.downloaded.synchronize()
                frames.images = slot.host_image[: frames.count].copy()
            except Exception as error:  # told to whoever asks for these frames
                frames.error = error
            slot.frames, frames.exemplar = None, None

    def close(self) -> None:
        """Finish the frames on their way, whose results can still be asked for, and release everything."""
        with self._lock, self._gpu.current():
            if self.resources.closed:
                return
            for slot in self._slots:
                if slot.frames is not None:
                    self.collect(slot.frames)
            self._compute.synchronize()
            self.resources.close()
