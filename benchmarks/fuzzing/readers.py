"""Every reader of the product: whole files that it reads, how they are damaged, and how it is asked to read one."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fuzzing.damage import Damage, damaged_bytes
from fuzzing.structure import (
    damaged_archive,
    damaged_json,
    damaged_onnx,
    damaged_safetensors,
    damaged_toml,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FRAMES = 30
"""As many frames of a damaged video are read."""


@dataclass(frozen=True)
class Reader:
    """read: reads a file; seeds: (name, contents) of whole files; damages: what is done to them, each as often."""

    read: Callable[[Path], object]
    seeds: Callable[[], Sequence[tuple[str, bytes]]]
    damages: tuple[Damage, ...] = (damaged_bytes,)
    needs: str | None = None


def _examples(*names: str) -> Callable[[], list[tuple[str, bytes]]]:
    return lambda: [(Path(name).name, (EXAMPLES / name).read_bytes()) for name in names]


def _drawn(height: int = 24, width: int = 32) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 8, columns * 7, rows + columns], axis=-1).astype(np.uint8)


def _picture_seeds() -> list[tuple[str, bytes]]:
    from PIL import Image, ImageCms, features

    picture = Image.fromarray(_drawn())
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = Image.fromarray(_drawn()[..., 0].astype(np.uint16) * 257)
    tagged = {"icc_profile": profile, "exif": exif}
    floats = Image.fromarray(_drawn()[..., 0].astype(np.float32))
    kinds: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "a.png": (picture, tagged), "a.jpg": (picture, tagged), "p.jpg": (picture, {"progressive": True}),
        "c.jpg": (picture.convert("CMYK"), {}), "a.gif": (picture, {}), "a.bmp": (picture, {}), "f.tif": (floats, {}),
        "a.tif": (picture, {"compression": "tiff_lzw", "exif": exif}), "d.tif": (deep, {}), "d.png": (deep, {}),
        "a.ppm": (picture, {}), "t.png": (picture.convert("RGBA"), {}), "a.tga": (picture, {}),
        "p.png": (picture.quantize(16), {"transparency": 3}),
    }  # fmt: skip
    kinds |= {f"a.{each}": (picture, {}) for each in ("webp", "avif") if each in features.get_supported()}
    if features.check("jpg_2000"):
        kinds["a.jp2"] = picture, {}
    found = []
    for name, (image, how) in kinds.items():
        packed = io.BytesIO()
        packed.name = name
        image.save(packed, **how)
        found.append((name, packed.getvalue()))
    return found


def _read_picture(path: Path) -> object:
    from dynast_deploy.media.picture_files import read_picture

    return read_picture(path)


def _mask_seeds() -> list[tuple[str, bytes]]:
    from PIL import Image

    labels = np.zeros((32, 32), np.uint8)
    labels[4:28, 4:28] = 1
    labels[8:10, 8:12], labels[8:10, 20:24], labels[16:20, 14:18], labels[24:26, 12:20] = 4, 5, 10, 12
    found = []
    for name, array in (("a.png", (labels > 0).astype(np.uint8)), ("l.png", labels)):
        packed = io.BytesIO()
        Image.fromarray(array).save(packed, "PNG")
        found.append((name, packed.getvalue()))
    return found


def _read_masks(path: Path) -> None:
    from dynast_deploy.errors import DynastError
    from dynast_deploy.face_parts.mask_pictures import read_label_map, read_mask

    refused = []
    for read in (read_mask, read_label_map):
        try:
            read(path)
        except DynastError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _video_seeds() -> list[tuple[str, bytes]]:
    from fractions import Fraction

    import av

    found = _examples("style/town.mp4")()
    for name, codec, kind in (
        ("a.mkv", "libx264", "yuv420p"), ("a.webm", "libvpx", "yuv420p"), ("a.avi", "mpeg4", "yuv420p"),
        ("a.gif", "gif", "rgb8"), ("a.mov", "png", "rgba"), ("a.ts", "mpeg2video", "yuv420p"),
    ):  # fmt: skip
        packed = io.BytesIO()
        form = {"mkv": "matroska", "ts": "mpegts"}.get(name[2:], name[2:])
        try:
            with av.open(packed, "w", format=form) as container:
                stream = container.add_stream(codec, rate=10)
                stream.width, stream.height, stream.pix_fmt = 64, 48, kind  # type: ignore[union-attr]
                for number in range(8):
                    frame = av.VideoFrame.from_ndarray(
                        np.roll(_drawn(48, 64), number, axis=1), format="rgb24"
                    )
                    frame.pts, frame.time_base = number, Fraction(1, 10)
                    container.mux(stream.encode(frame))  # type: ignore[union-attr]
                container.mux(stream.encode(None))  # type: ignore[union-attr]
        except (av.FFmpegError, ValueError):  # this FFmpeg lacks the encoder
            continue
        found.append((name, packed.getvalue()))
    return found


def _read_video(path: Path) -> None:
    from dynast_deploy.media.video_reader import VideoReader

    with VideoReader(path) as reader:
        for frame in reader:
            if frame.index >= FRAMES:
                break


def _pose_numbers() -> list[float]:
    return [float(value) for k in range(18) for value in (10 + 3 * k, 20 + 2 * k, 0.9)]


def _pose_json_seeds() -> list[tuple[str, bytes]]:
    people = [{"pose_keypoints_2d": _pose_numbers()}]
    frame = {"people": people, "canvas_width": 64, "canvas_height": 64}
    body = {
        "keypoints": _pose_numbers()[:51],
        "image_id": 1,
        "score": 0.9,
        "bbox": [1, 2, 30, 40],
        "category_id": 1,
    }
    coco = {"images": [{"id": 1, "width": 64, "height": 64, "file_name": "a.png"}], "annotations": [body]}
    person = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [0.9] * 17}
    mmpose = {"instance_info": [{"frame_id": 1, "instances": [person]}]}
    documents = {
        "a.json": frame,
        "l.json": [frame] * 3,
        "c.json": coco,
        "r.json": [body] * 2,
        "m.json": mmpose,
    }
    found = [(name, json.dumps(document).encode()) for name, document in documents.items()]
    return [*found, ("a.jsonl", "\n".join([json.dumps(frame)] * 3).encode())]


def _read_poses(path: Path) -> None:
    from dynast_deploy.keypoints import read_poses

    read_poses(path)


def _read_pose_folder(path: Path) -> None:
    from dynast_deploy.keypoints import read_poses

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = json.dumps({"people": [{"pose_keypoints_2d": _pose_numbers()}]}).encode()
        for number, content in enumerate((whole, path.read_bytes(), whole)):
            (Path(folder) / f"{number:04d}_{path.stem}.json").write_bytes(content)
        read_poses(folder)


def _read_parts(path: Path) -> None:
    from dynast_deploy.face_parts import PartsFile

    with PartsFile(path) as parts:
        for frame in range(min(parts.frames, 3)):
            parts.masks(frame)


def _labels_seeds() -> list[tuple[str, bytes]]:
    packed = io.BytesIO()
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, 4:28, 4:28], labels[:, 8:10, 8:12], labels[:, 24:26, 12:20] = 1, 4, 12
    np.savez_compressed(packed, labels=labels)
    return [("labels.npz", packed.getvalue()), *_examples("face/blue-hair.parts.npz")()]


def _checkpoint_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.checkpoint import save_generator, save_published
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    config = GeneratorConfig(3, 16, ngf=2, max_multi=1, n_layers=1, pos_dim=2, prune_dim=2, smooth=0.1)
    generator = Generator(config).eval()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, save in (("a.pth", save_generator), ("p.pth", save_published)):
            save(generator, Path(folder) / name)
            found.append((name, (Path(folder) / name).read_bytes()))
    return found


def _safetensors_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    config = GeneratorConfig(3, 16, ngf=2, max_multi=1, n_layers=1, pos_dim=2, prune_dim=2, smooth=0.1)
    header: dict[str, object] = {}
    data = b""
    for name, tensor in Generator(config).state_dict().items():
        values = tensor.detach().numpy().astype(np.float32)
        end = len(data) + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    return [("a.safetensors", len(text).to_bytes(8, "little") + text + data)]


def _read_checkpoint(path: Path) -> None:
    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.commands.inspect import describe

    describe(path)
    load_generator(path)


def _describe(path: Path) -> None:
    from dynast_deploy.commands.inspect import describe

    describe(path)


def _onnx_seeds() -> list[tuple[str, bytes]]:
    """An engine without most of its weights' bytes would be refused, so a whole one: the smallest that ships."""
    return _examples("style.onnx")()


def _load_engine(path: Path) -> None:
    from dynast_deploy.runtime import load_engine

    load_engine(path, "cpu")


def _plan_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.formats.plan import BatchSizes, Manifest, PlanKind, TensorSpec, write_plan_file

    cut = TensorSpec("block0.key", "float16", (1, 24, 16))
    picture, condition = (TensorSpec(name, "uint8", (1, 3, 32, 48)) for name in ("exemplar", "condition"))
    image = TensorSpec("image", "uint8", (-1, 3, 32, 48))
    manifest = Manifest(
        PlanKind.TENSORRT, "10.9.0.34", "a GPU", ("8.9",), "fp16", "style", 3, 32, 48, BatchSizes(1, 2, 4), False,
        False, (picture, condition), (cut,), (condition, cut), (image,), (cut.name,), "model.onnx", "0" * 64, "1", "0",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "a.plan"
        write_plan_file(plan, manifest, b"encoder" * 50, b"renderer" * 50)
        return [("a.plan", plan.read_bytes())]


def _read_plan(path: Path) -> None:
    from dynast_deploy.commands.inspect import describe
    from dynast_deploy.formats.plan import read_manifest, read_plans

    describe(path)
    read_manifest(path)
    read_plans(path)


def _read_settings(path: Path) -> None:
    from dynast_deploy.config import Task
    from dynast_deploy.training.configure import configure

    configure(Task.POSE, [path], [])


def _calibration_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.formats.calibration import Calibration
    from dynast_deploy.formats.precision import Format, Method

    method, number_format = Method.ENTROPY, Format.INT8
    psnr, ranges, left = {"int8": 30.0}, {"a": 1.5, "b": 2.0}, {"c": "first"}
    found = Calibration("0" * 64, "1" * 64, "a.mp4", 10, 1, method, number_format, psnr, ranges, left)
    return [("calibration.json", found.text().encode())]


def _read_calibration(path: Path) -> None:
    from dynast_deploy.formats.calibration import read_calibration

    read_calibration(path, "0" * 64, "model.onnx")


def _array_seeds() -> list[tuple[str, bytes]]:
    packed = io.BytesIO()
    ramp = np.linspace(0, 1, 2 * 3 * 64 * 64, dtype=np.float32).reshape(2, 3, 64, 64)
    arrays = dict.fromkeys(("exemplar", "exemplar_condition", "condition"), ramp)
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    return [("a.npz", packed.getvalue())]


def _read_arrays(path: Path) -> None:
    from dynast_deploy.formats.onnx_model import ModelMetadata
    from dynast_deploy.frames.read_frames import read_data
    from dynast_deploy.frames.request import FrameRequest

    info = ModelMetadata({"semantic_nc": 3}, "style", 64, 64, "0", "0" * 64, "fp32", [])
    read_data(FrameRequest(str(path), frames=3), info, "model.onnx")


def _pose_model_seeds() -> list[tuple[str, bytes]]:
    """A model of RTMPose's form, whose answer is the mean of the picture everywhere."""
    from onnx import TensorProto, helper

    shapes = {"simcc_x": [1, 17, 96], "simcc_y": [1, 17, 128]}
    nodes = [helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=1, axes=[1, 2, 3])]
    weights = []
    for name, shape in shapes.items():
        nodes += [
            helper.make_node("Expand", ["mean", f"{name}_shape"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]),
        ]
        weights.append(helper.make_tensor(f"{name}_shape", TensorProto.INT64, [3], shape))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 48])
    answers = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "pose", [picture], answers, weights)
    # Expand takes [1, 1, 1, 1] to [1, 1, 17, 96], which Reshape makes three axes again.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return [("a.onnx", model.SerializeToString())]


def _run_pose_model(path: Path) -> None:
    from dynast_deploy.keypoints.pose_model import PoseModel

    PoseModel(path)(_drawn(64, 48), None)


def _network_seeds() -> list[tuple[str, bytes]]:
    """A convolution and an addition, as TensorFlow Lite has them."""
    sys.path.append(str(EXAMPLES.parent / "tests" / "support"))
    from tflite_files import FileOperator, FileTensor, tflite_file

    from dynast_deploy.formats.tflite.graph import Operation

    kernel, bias = np.ones((6, 3, 3, 4), np.float32), np.ones(6, np.float32)
    tensors = [FileTensor((1, 7, 5, 4)), FileTensor(kernel.shape, kernel), FileTensor((6,), bias)]
    tensors += [FileTensor((1, 7, 5, 6)), FileTensor((1, 7, 5, 6))]
    options = {0: ("b", 0), 1: ("i", 1), 2: ("i", 1), 3: ("b", 1)}
    operators = [
        FileOperator(Operation.CONV_2D, [0, 1, 2], [3], options),
        FileOperator(Operation.ADD, [3, 2], [4]),
    ]
    return [("a.tflite", tflite_file(tensors, operators, [0], [4]))]


def _read_network(path: Path) -> None:
    from dynast_deploy.formats.tflite import onnx_of_tflite
    from dynast_deploy.keypoints.session import open_session

    open_session(onnx_of_tflite(path.read_bytes(), str(path)).SerializeToString(), str(path))


def _list_seeds() -> list[tuple[str, bytes]]:
    lines = "0.jpg\n1.jpg\n", "0.jpg,1.jpg,2.jpg\n1.jpg,0.jpg\n", "0 1 000004.jpg\n1 2 000005.jpg\n"
    encodings = "utf-8", "utf-8-sig", "utf-16"
    return [(f"{k}.txt", text.encode(each)) for k, text in enumerate(lines) for each in encodings]


def _read_lists(path: Path) -> None:
    """As every list of CelebAMask-HQ and DeepFashion in turn, and as a table of keypoints."""
    from dynast_deploy.data import celebamask, deepfashion
    from dynast_deploy.data.damage import Damaged
    from dynast_deploy.errors import DynastError

    refused: list[DynastError] = []
    for read in (
        celebamask._listed,
        celebamask._pairs,
        deepfashion._rows,
        lambda p: deepfashion.read_keypoints(p, p),
    ):
        try:
            read(path)
        except Damaged as error:
            refused.append(DynastError(str(error)))
        except DynastError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _histogram_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.calib import ranges
    from dynast_deploy.calib.histogram import Histogram

    histogram = Histogram(16, signed=False)
    histogram.add(np.linspace(0, 3, 50, dtype=np.float32))
    state = ranges._State(1, 10, {"a": histogram, "b": histogram})
    with tempfile.TemporaryDirectory() as folder:
        ranges._save(Path(folder) / "a.npz", state)
        return [("a.npz", (Path(folder) / "a.npz").read_bytes())]


def _read_histograms(path: Path) -> None:
    from dynast_deploy.calib import ranges

    ranges._restored(path)


def _library_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.plugins.bindings import library

    name = library.file_name(library.CPU)
    return (
        [(name, (library.FOLDER / name).read_bytes())]
        if (library.FOLDER / name).exists()
        else [(name, b"\x7fELF")]
    )


def _find_library(path: Path) -> None:
    """Whether a library is taken for ours; a damaged one that is must not be executed here."""
    from dynast_deploy.plugins.bindings import library

    library._identifier(path)


_SETTINGS = _examples("published-pose.toml", "training/matched.toml")
_POSES = _examples("dance.poses.npz", "blue-dots.poses.npz")
_ARCHIVE, _JSON = (damaged_archive, damaged_bytes), (damaged_json, damaged_json, damaged_json, damaged_bytes)

READERS: dict[str, Reader] = {
    "pictures": Reader(_read_picture, _picture_seeds),
    "masks": Reader(_read_masks, _mask_seeds),
    "videos": Reader(_read_video, _video_seeds),
    "poses-json": Reader(_read_poses, _pose_json_seeds, _JSON),
    "poses-npz": Reader(_read_poses, _POSES, _ARCHIVE),
    "poses-folder": Reader(_read_pose_folder, lambda: _pose_json_seeds()[:1], _JSON),
    "parts": Reader(_read_parts, _labels_seeds, _ARCHIVE),
    "checkpoints": Reader(_read_checkpoint, _checkpoint_seeds, _ARCHIVE, "torch"),
    "safetensors": Reader(
        _read_checkpoint, _safetensors_seeds, (damaged_safetensors, damaged_bytes), "torch"
    ),
    "onnx": Reader(_describe, _onnx_seeds, (damaged_onnx, damaged_bytes)),
    "onnx-engine": Reader(_load_engine, _onnx_seeds, (damaged_onnx,), "onnxruntime"),
    "plans": Reader(_read_plan, _plan_seeds, _ARCHIVE),
    "settings": Reader(_read_settings, _SETTINGS, (damaged_toml, damaged_bytes)),
    "calibration": Reader(_read_calibration, _calibration_seeds, _JSON),
    "calibration-arrays": Reader(_read_arrays, _array_seeds, _ARCHIVE),
    "pose-models": Reader(_run_pose_model, _pose_model_seeds, (damaged_onnx, damaged_bytes), "onnxruntime"),
    "networks": Reader(_read_network, _network_seeds, needs="flatbuffers"),
    "histograms": Reader(_read_histograms, _histogram_seeds, _ARCHIVE, "onnxruntime"),
    "lists": Reader(_read_lists, _list_seeds, needs="torch"),
    "libraries": Reader(_find_library, _library_seeds),
}


def available() -> list[str]:
    """The readers whose libraries are installed."""
    return [name for name, reader in READERS.items() if reader.needs is None or find_spec(reader.needs)]
