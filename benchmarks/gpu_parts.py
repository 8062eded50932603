"""Our kernels on a GPU without TensorRT, for `gpu_runtime.py`: launched, captured into graphs, and behind a lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import TensorSpec
from dynast_deploy.plugins import gpu_kernels
from dynast_deploy.plugins.bindings import native
from dynast_deploy.runtime.cuda.device import DeviceResources, Gpu, Stream
from dynast_deploy.runtime.cuda.graph import CaptureRefused
from dynast_deploy.runtime.trt.render_pipeline import DeviceExemplar, RenderPipeline

Timer = Callable[[Callable[[], object], int], dict[str, float]]

SIDE, CHANNELS, PRUNE, VALUES, TOP_K = 64, 80, 16, 64, 4
LAUNCHES = 16
"""Kernels in a graph: as many as a renderer has attention layers, give or take."""

INVERT = b"""
.version 6.4
.target sm_75
.address_size 64
.visible .entry invert(.param .u64 source, .param .u64 target, .param .u32 count) {
  .reg .pred %p; .reg .b32 %r<5>; .reg .b64 %rd<6>; .reg .b16 %h<2>;
  ld.param.u64 %rd1, [source];
  ld.param.u64 %rd2, [target];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r2, %r2, %r3, %r4;
  setp.ge.u32 %p, %r2, %r1;
  @%p ret;
  cvta.to.global.u64 %rd1, %rd1;
  cvta.to.global.u64 %rd2, %rd2;
  cvt.u64.u32 %rd3, %r2;
  add.s64 %rd4, %rd1, %rd3;
  add.s64 %rd5, %rd2, %rd3;
  ld.global.u8 %h1, [%rd4];
  not.b16 %h1, %h1;
  st.global.u8 [%rd5], %h1;
  ret;
}
"""
"""Bytes turned over. In PTX, so that it needs no compiler."""


class Layer:
    """One inner-scale attention layer in float32 on the GPU, random inputs."""

    def __init__(self, gpu: Gpu, resources: DeviceResources) -> None:
        random = np.random.default_rng(0)
        length = SIDE * SIDE
        widths = (CHANNELS, PRUNE, CHANNELS, PRUNE, VALUES)
        self.inputs = [random.standard_normal((1, length, width), np.float32) for width in widths]
        self.inputs.append(random.integers(0, length, (1, length, TOP_K), np.int32))
        shapes = ((1, length, VALUES), (1, length, 1), (1, length, TOP_K))
        self.outputs = [
            resources.pinned(shape, dtype)
            for shape, dtype in zip(shapes, ("float32", "float32", "int32"), strict=True)
        ]
        self.stream = resources.stream()
        self._input_buffers = [resources.buffer(array.nbytes) for array in self.inputs]
        self._output_buffers = [resources.buffer(array.nbytes) for array in self.outputs]
        for array, buffer in zip(self.inputs, self._input_buffers, strict=True):
            pinned = resources.pinned(array.shape, str(array.dtype))
            pinned[:] = array
            self.stream.upload(buffer, pinned)
        self.stream.synchronize()
        self._team = gpu_kernels.smallest_team(5 * TOP_K)
        name = gpu_kernels.kernel_name("inner", "float", self._team)
        self._kernel = resources.kernel(gpu_kernels.compile_ptx(name), name)

    def launch(self, stream: Stream) -> None:
        """Submit the kernel to a stream."""
        sizes = (1, 1, SIDE, SIDE, SIDE, SIDE, CHANNELS, PRUNE, VALUES, TOP_K, TOP_K)
        arguments = [
            *(np.uintp(buffer.address) for buffer in self._input_buffers),
            *(np.int32(size) for size in (*sizes, gpu_kernels.float_bits(0.1))),
            *(np.uintp(buffer.address) for buffer in self._output_buffers),
        ]
        blocks = gpu_kernels.block_count(1, SIDE, SIDE, self._team)
        stream.call(self._kernel, blocks, gpu_kernels.BLOCK_THREADS, *arguments)

    def result(self) -> list[np.ndarray]:
        """The outputs, copied to the host."""
        for array, buffer in zip(self.outputs, self._output_buffers, strict=True):
            self.stream.download(array, buffer)
        self.stream.synchronize()
        return [array.copy() for array in self.outputs]

    def on_cpu(self) -> list[np.ndarray]:
        """The same by the native CPU kernels. Raises DynastError where they are not built."""
        outputs = [np.empty_like(array) for array in self.outputs]
        names = ("query", "query_prune", "key", "key_prune", "value", "matches")
        places = dict(
            zip((*names, "attended", "confidence", "next_matches"), (*self.inputs, *outputs), strict=True)
        )
        problem = native.Problem(
            inner=1, frames=1, exemplars=1, query_height=SIDE, query_width=SIDE, key_height=SIDE, key_width=SIDE,
            channels=CHANNELS, prune_channels=PRUNE, value_channels=VALUES, matches_k=TOP_K, top_k=TOP_K,
            temperature=0.1,
        )  # fmt: skip
        call = native.Forward(**{name: array.ctypes.data for name, array in places.items()})
        native.forward(problem, call, half=False, threads=1)
        return outputs


def attention_layer(gpu: Gpu, timer: Timer, times: int) -> dict[str, Any]:
    """Milliseconds of LAUNCHES launches, one by one and as one graph; the largest difference from the CPU's result."""
    resources = DeviceResources(gpu)
    with resources.close_on_error():
        layer = Layer(gpu, resources)

        def launches() -> None:
            for _ in range(LAUNCHES):
                layer.launch(layer.stream)

        def plain() -> None:
            launches()
            layer.stream.synchronize()

        found: dict[str, Any] = {"launches": LAUNCHES, "plain": timer(plain, times)}
        ours = layer.result()
        try:
            graph = layer.stream.capture(launches)
            resources.keep(graph.free)

            def launched() -> None:
                layer.stream.launch(graph)
                layer.stream.synchronize()

            found["graph"] = timer(launched, times)
            assert all(np.array_equal(a, b) for a, b in zip(ours, layer.result(), strict=True))
        except CaptureRefused as refusal:
            found["graph"] = {"skipped": str(refusal)}
        try:
            theirs = layer.on_cpu()
        except DynastError as error:
            found["difference"] = {"skipped": str(error)}
        else:
            found["difference"] = float(np.abs(ours[0] - theirs[0]).max())
            found["matches that differ"] = int((ours[2] != theirs[2]).sum())
        resources.close()
    return found


class KernelPlan:
    """What a lane takes for a renderer's plan: bytes in are turned over, after as many attention layers as LAUNCHES."""

    def __init__(self, resources: DeviceResources, layer: Layer, shape: tuple[int, ...]) -> None:
        self.inputs = {"condition": TensorSpec("condition", "uint8", (-1, *shape))}
        self.outputs = {"image": TensorSpec("image", "uint8", (-1, *shape))}
        self.layer, self.size = layer, int(np.prod(shape))
        self.kernel = resources.kernel(INVERT, "invert")

    def context(self, frames: int) -> KernelContext:
        """A context for this many frames at once."""
        return KernelContext(self, frames)


class KernelContext:
    """Runs a plan's kernel for a fixed number of frames."""

    def __init__(self, plan: KernelPlan, frames: int) -> None:
        self._plan, self._count = plan, frames * plan.size

    def enqueue(self, addresses: Mapping[str, int], stream: Stream) -> None:
        """Submit the plan's work to a stream; `addresses` are those of its tensors by name."""
        for _ in range(LAUNCHES):
            self._plan.layer.launch(stream)
        source, target = (np.uintp(addresses[name]) for name in ("condition", "image"))
        stream.call(self._plan.kernel, -(-self._count // 256), 256, source, target, np.uint32(self._count))

    def close(self) -> None:
        """Nothing to free."""
        pass


def frames_through_a_lane(
    gpu: Gpu, timer: Timer, times: int, shape: tuple[int, ...] = (20, 256, 256)
) -> dict[str, Any]:
    """Milliseconds of a frame that is copied in, computed and copied out: alone, and with the next one on its way."""
    found: dict[str, Any] = {}
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (1, *shape), np.uint8) for _ in range(8)]
    for graphs in (False, True):
        resources = DeviceResources(gpu)
        refusals: list[str] = []
        with resources.close_on_error():
            plan: Any = KernelPlan(resources, Layer(gpu, resources), shape)
            lane = RenderPipeline(gpu, plan, 1, graphs, refusals.append)
            exemplar = DeviceExemplar(gpu, ())
            waiting = [lane.submit(exemplar, frames[0])]

            images: list[np.ndarray] = []

            def one(lane: RenderPipeline = lane, exemplar: Any = exemplar, images: Any = images) -> None:
                images[:] = [lane.submit(exemplar, frames[1]).result()]

            turn = iter(range(1 << 30))

            def ahead(
                lane: RenderPipeline = lane,
                exemplar: Any = exemplar,
                waiting: Any = waiting,
                turn: Any = turn,
            ) -> None:
                waiting.append(lane.submit(exemplar, frames[next(turn) % len(frames)]))
                waiting.pop(0).result()

            waiting.pop().result()
            waiting.append(lane.submit(exemplar, frames[0]))
            row: dict[str, Any] = {"overlapping": timer(ahead, times)}
            waiting.pop().result()
            row["one after another"] = timer(one, times)
            row["wrong bytes"] = int((images[0] != ~frames[1]).sum())
            if refusals:
                row["skipped"] = refusals[0]
            found["graphs" if graphs else "plain"] = row
            lane.close()
            exemplar.resources.close()
            resources.close()
    return found
