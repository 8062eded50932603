"""Readers of pictures, masks, face parts and videos."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from fuzzing.reader import ARCHIVE_DAMAGES, Reader, drawn_picture, examples

FRAMES = 30
"""As many frames of a damaged video are read."""


def _picture_seeds() -> list[tuple[str, bytes]]:
    from PIL import Image, ImageCms, features

    picture = Image.fromarray(drawn_picture())
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = Image.fromarray(drawn_picture()[..., 0].astype(np.uint16) * 257)
    tagged = {"icc_profile": profile, "exif": exif}
    floats = Image.fromarray(drawn_picture()[..., 0].astype(np.float32))
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


def _labels_seeds() -> list[tuple[str, bytes]]:
    packed = io.BytesIO()
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, 4:28, 4:28], labels[:, 8:10, 8:12], labels[:, 24:26, 12:20] = 1, 4, 12
    np.savez_compressed(packed, labels=labels)
    return [("labels.npz", packed.getvalue()), *examples("face/blue-hair.parts.npz")()]


def _read_parts(path: Path) -> None:
    from dynast_deploy.face_parts import PartsFile

    with PartsFile(path) as parts:
        for frame in range(min(parts.frames, 3)):
            parts.masks(frame)


def _video_seeds() -> list[tuple[str, bytes]]:
    from fractions import Fraction

    import av

    found = examples("style/town.mp4")()
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
                        np.roll(drawn_picture(48, 64), number, axis=1), format="rgb24"
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


READERS = {
    "pictures": Reader(_read_picture, _picture_seeds),
    "masks": Reader(_read_masks, _mask_seeds),
    "videos": Reader(_read_video, _video_seeds),
    "parts": Reader(_read_parts, _labels_seeds, ARCHIVE_DAMAGES),
}
