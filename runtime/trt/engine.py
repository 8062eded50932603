"""`model.plan` on TensorRT or TensorRT-RTX."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import Any

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import Manifest, TensorSpec
from dynast_deploy.formats.plan import read_manifest, read_plans
from dynast_deploy.plugins import tensorrt_plugin
from dynast_deploy.runtime.cuda.device import DeviceResources, Gpu, open_gpu
from dynast_deploy.runtime.engine import EncodedExemplar, Engine, EngineInfo, check_exemplar, closed
from dynast_deploy.runtime.engine_arrays import float_images, network_input
from dynast_deploy.runtime.trt.compatibility import Host, check_compatible
from dynast_deploy.runtime.trt.encoder import Encoder
from dynast_deploy.runtime.trt.plan import Plan, shape_of
from dynast_deploy.runtime.trt.render_pipeline import DeviceExemplar, Frames, RenderPipeline
from dynast_deploy.tensorrt_library import import_library

_logger = logging.getLogger(__name__)


class TensorRTEngine(Engine):
    """See `engine.Engine` and `engine.Asynchronous`.

    May be used from several threads; each has contexts of its own, one for each number of frames it renders at once.
    Exemplars stay on the GPU until they are forgotten or the engine is closed.
    """

    def __init__(self, path: str | os.PathLike[str], cuda_graphs: bool = True) -> None:
        """Load a plan on the GPU that CUDA takes first; `cuda_graphs` makes frames after the first start faster.

        Raises:
            DynastError: Where the file is damaged or was built for another machine, or something is missing.
        """
        manifest = read_manifest(path)
        trt = import_library(manifest.kind)
        gpu = open_gpu()
        host = Host(
            manifest.kind, trt.__version__, gpu.compute_capability, gpu.name, tensorrt_plugin.PLUGIN_VERSION
        )
        for note in check_compatible(manifest, path, host):
            _logger.warning("%s", note)
        self.manifest = manifest
        self.info = EngineInfo(
            source=str(path),
            task=Task(manifest.task) if manifest.task else None,
            channels=manifest.channels,
            height=manifest.height,
            width=manifest.width,
            backend=manifest.kind.value,
            device="cuda",
            attention="native" if manifest.plugin_version else "function",
        )
        self._parts = _Parts(gpu, trt, manifest, str(path), cuda_graphs)
        # Exit is seen to by gpu.close_gpus, which knows the order.
        weakref.finalize(self, gpu.retire, self._parts).atexit = False

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        """See `engine.Engine.encode_exemplar`.

        Raises:
            DynastError: As stated there, and where the GPU has no room.
        """
        types = {spec.name: spec.dtype for spec in self.manifest.encoder_inputs}
        pictures = network_input("exemplar", exemplar, 3, self.info, types["exemplar"], lowest=-1)
        conditions = network_input(
            "exemplar_condition",
            exemplar_condition,
            self.info.channels,
            self.info,
            types["exemplar_condition"],
        )
        if len(pictures) != len(conditions):
            raise DynastError(
                f"{len(pictures)} exemplars have {len(conditions)} conditions; each needs its own"
            )
        encoded = [
            self._parts.encode({"exemplar": pictures[i : i + 1], "exemplar_condition": conditions[i : i + 1]})
            for i in range(len(pictures))
        ]
        return EncodedExemplar(self, encoded, len(encoded))

    def exemplar_tensors(self, exemplar: EncodedExemplar) -> dict[str, np.ndarray]:
        """See `engine.ShowsExemplars`.

        Raises:
            DynastError: As stated there.
        """
        check_exemplar(self, exemplar, exemplar.count)
        parts = [self._parts.read(one) for one in exemplar.tensors]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def submit(self, exemplar: EncodedExemplar, condition: np.ndarray) -> FramesInOrder:
        """Start rendering; see `engine.Asynchronous`. Images come in the plan's type, uint8 or float32.

        Raises:
            DynastError: As `render`, but for what shows when the images are computed.
        """
        types = {spec.name: spec.dtype for spec in self.manifest.renderer_inputs}
        condition = network_input("condition", condition, self.info.channels, self.info, types["condition"])
        check_exemplar(self, exemplar, len(condition))
        if exemplar.count > 1:
            groups = [(one, condition[i : i + 1]) for i, one in enumerate(exemplar.tensors)]
        else:
            groups = [(exemplar.tensors[0], condition)]
        batch = self.manifest.batch
        if len(groups[0][1]) > batch.max:
            raise DynastError(
                f"{self.info.source} renders {batch.max} frames at once, and {len(condition)} were given; give fewer, "
                f"or build it with --batch {batch.min},{batch.opt},{len(condition)}"
            )
        return FramesInOrder([self._parts.submit(one, frames) for one, frames in groups])

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """See `engine.Engine.render`.

        Raises:
            DynastError: As stated there, and for more frames than the plan renders at once.
        """
        return float_images(self.submit(exemplar, condition).result())

    def compute(self, exemplar: EncodedExemplar, frames: int) -> None:
        """Render `frames` frames that were submitted before another time, and wait; nothing is copied. For measuring.

        Raises:
            DynastError: For an exemplar of another engine, or after `close`.
        """
        check_exemplar(self, exemplar, frames)
        self._parts.lane(frames).compute(exemplar.tensors[0])

    def close(self) -> None:
        """Finish what is on its way and release everything on the GPU, exemplars included; safe to call again."""
        self._parts.close()


class FramesInOrder:
    """What `submit` gives out; see `engine.Pending`."""

    def __init__(self, parts: list[Frames]) -> None:
        self._parts = parts

    def result(self) -> np.ndarray:
        """See `engine.Pending`.

        Raises:
            DynastError: As stated there.
        """
        images = [part.result() for part in self._parts]
        return images[0] if len(images) == 1 else np.concatenate(images)


class _Parts:
    """What an engine has on the GPU; separate, so that it is released when nothing refers to the engine any more."""

    def __init__(self, gpu: Gpu, trt: Any, manifest: Manifest, source: str, cuda_graphs: bool) -> None:
        self._gpu, self._manifest, self._source = gpu, manifest, source
        self._graphs_wanted = cuda_graphs
        self._lock = threading.Lock()
        self._lanes: dict[threading.Thread, dict[int, RenderPipeline]] = {}
        self._exemplars: weakref.WeakSet[DeviceExemplar] = weakref.WeakSet()
        self._resources = DeviceResources(gpu)
        with self._resources.close_on_error():
            plans = read_plans(source)
            host_code = manifest.version_compatible
            self._renderer = Plan(trt, manifest.kind, f"{source}: renderer", plans.renderer, host_code)
            self._resources.keep(self._renderer.close)
            encoder = Plan(trt, manifest.kind, f"{source}: encoder", plans.encoder, host_code)
            self._resources.keep(encoder.close)
            for plan, inputs, outputs in (
                (encoder, manifest.encoder_inputs, manifest.encoder_outputs),
                (self._renderer, manifest.renderer_inputs, manifest.renderer_outputs),
            ):
                _check_tensors(source, plan.inputs, inputs)
                _check_tensors(source, plan.outputs, outputs)
            self._encoder = Encoder(self._resources, encoder)

    def encode(self, inputs: dict[str, np.ndarray]) -> DeviceExemplar:
        with self._lock, self._gpu.current():
            self._check_open()
            exemplar = DeviceExemplar(self._gpu, self._manifest.encoder_outputs)
            with exemplar.resources.close_on_error():
                self._encoder.encode(inputs, exemplar)
            weakref.finalize(exemplar, self._gpu.retire, exemplar.resources).atexit = False
            self._exemplars.add(exemplar)
            return exemplar

    def read(self, exemplar: DeviceExemplar) -> dict[str, np.ndarray]:
        """What the exemplar's buffers hold."""
        with self._lock, self._gpu.current():
            self._check_open()
            resources = DeviceResources(self._gpu)
            try:
                stream = resources.stream()
                found = {}
                for spec in self._manifest.encoder_outputs:
                    host = resources.pinned(shape_of(spec, 1), spec.dtype)
                    stream.download(host, exemplar.buffers[spec.name])
                    stream.synchronize()
                    found[spec.name] = host.copy()
                return found
            finally:
                resources.close()

    def submit(self, exemplar: DeviceExemplar, condition: np.ndarray) -> Frames:
        return self.lane(len(condition)).submit(exemplar, condition)

    def lane(self, frames: int) -> RenderPipeline:
        """This thread's lane; a thread that has ended leaves its lanes to the next that needs one of that size."""
        frames = max(frames, self._manifest.batch.min)
        with self._lock, self._gpu.current():
            self._check_open()
            lanes = self._lanes.setdefault(threading.current_thread(), {})
            for thread, left in list(self._lanes.items()):
                if not thread.is_alive():
                    if frames not in lanes and frames in left:
                        lanes[frames] = left.pop(frames)
                    if not left:
                        del self._lanes[thread]
            if frames not in lanes:
                lanes[frames] = RenderPipeline(
                    self._gpu, self._renderer, frames, self._graphs_wanted, self._refused
                )
            return lanes[frames]

    def _refused(self, reason: str) -> None:
        """Say once that no graphs are captured, and try no more."""
        if self._graphs_wanted:
            self._graphs_wanted = False
            _logger.warning("%s runs without CUDA graphs, somewhat slower: %s", self._source, reason)

    def _check_open(self) -> None:
        if self._resources.closed:
            raise DynastError(closed(self._source))

    def close(self) -> None:
        with self._lock, self._gpu.current():
            if self._resources.closed:
                return
            for lanes in self._lanes.values():
                for lane in lanes.values():
                    lane.close()
            self._lanes.clear()
            for exemplar in list(self._exemplars):
                exemplar.resources.close()
            self._resources.close()


def _check_tensors(source: str, found: dict[str, TensorSpec], stated: tuple[TensorSpec, ...]) -> None:
    """The plan must have the tensors that the manifest states, or it would be given memory that does not fit.

    Raises:
        DynastError: Where it has others.
    """
    if found != {spec.name: spec for spec in stated}:
        names = ", ".join(sorted({spec.name for spec in {*found.values()} ^ {*stated}}))
        raise DynastError(
            f"{source}: its plans are not those of its manifest ({names} differ); build it again with: "
            "dynast build-engine"
        )
