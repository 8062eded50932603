"""Arrays in `.npz` files: whatever is wrong with one is said in one line, before memory is asked for."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import PartsFile
from dynast_deploy.formats import npz as npz_file
from dynast_deploy.formats.npz import NpzFile
from dynast_deploy.keypoints import npz_frames, read_poses
from dynast_deploy.keypoints.recording import MOST_FRAMES


def member(shape: str, data: bytes = b"", descr: str = "'<f4'", closed: bool = True) -> bytes:
    """An array whose header states any shape."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, " + "}" * closed
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin-1") + data


def write(path: Path, contents: bytes, name: str = "skin.npy") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, contents)
    return path


def patched(path: Path, offset_in_entry: int, value: bytes) -> Path:
    """The same archive with bytes of the first entry's two headers replaced; offsets are the central one's."""
    data = bytearray(path.read_bytes())
    central, local = data.index(b"PK\x01\x02"), data.index(b"PK\x03\x04")
    data[central + offset_in_entry : central + offset_in_entry + len(value)] = value
    data[local + offset_in_entry - 2 : local + offset_in_entry - 2 + len(value)] = value
    path.write_bytes(data)
    return path


FLAGS, METHOD = 8, 10

WRONG = {
    "1e12 frames": member("(1000000000000, 64, 64)", bytes(4096)),
    "2e8 frames": member("(200000000, 18, 3)", bytes(4096)),
    "larger than int64": member("(1" + "0" * 30 + ", 18, 3)", bytes(4096)),
    "empty and larger than int64": member("(0, 1" + "0" * 30 + ")"),
    "shape True": member("(True, 64, 64)", bytes(4 * 4096)),
    "negative": member("(-1, 64, 64)", bytes(4096)),
    "shape of text": member("('a', 64)", bytes(4096)),
    "shape of fractions": member("(1.5, 64)", bytes(384)),
    "no shape": member("None", bytes(4096)),
    "unclosed header": member("(1, 64, 64)", bytes(4 * 4096), closed=False),
    "unclosed shape": member("(1, 64, 64", bytes(4 * 4096)),
    "nested header": member("(" * 5000, bytes(64)),
    "unknown type": member("(1, 64, 64)", bytes(4096), descr="'<q9'"),
    "huge type": member("(1,)", bytes(64), descr="'V2147483647'"),
    "no npy": b"hello",
    "nothing": b"",
    "version 9": b"\x93NUMPY\x09\x00" + bytes(100),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("opened", [NpzFile, PartsFile])
def test_a_wrong_array_is_named_in_one_line(tmp_path: Path, name: str, opened: type) -> None:
    path = write(tmp_path / "wrong.npz", WRONG[name])
    with pytest.raises(DynastError) as error:
        opened(path)
    assert str(error.value).startswith(f"{path}: damaged, or holds Python objects instead of numbers (")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("offset", "value"), [(FLAGS, b"\x01\x00"), (METHOD, b"\x63\x00"), (METHOD, b"\x0e\x00")]
)
def test_encrypted_and_strangely_compressed_arrays_are_refused(
    tmp_path: Path, offset: int, value: bytes
) -> None:
    path = patched(write(tmp_path / "wrong.npz", member("(1, 2)", bytes(8))), offset, value)
    with pytest.raises(DynastError, match="damaged"):
        NpzFile(path)


def test_a_small_file_that_inflates_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "bomb.npz", member("(160, 65536)", bytes(160 << 18)))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(npz_file, "MOST_BYTES", 1 << 20)
    tracemalloc.start()
    with NpzFile(path) as file:
        array = file.arrays["skin"]
        assert array.rows(158, 160).shape == (2, 65536)
        with pytest.raises(DynastError, match=r"'skin' is float32 \[160, 65536\], 42 MB; at most 1 MB"):
            array.read()
        with pytest.raises(DynastError, match="at most 1 MB are read at once"):
            array.rows(0, 160)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 38e6  # zipfile skips ahead by 16 MB at a time


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_rows_are_what_numpy_reads(tmp_path: Path, layout) -> None:
    values = layout(np.random.default_rng(0).random((7, 3, 2), np.float32))
    np.savez_compressed(tmp_path / "a.npz", values=values, scalar=np.float64(3))
    with NpzFile(tmp_path / "a.npz") as file:
        array = file.arrays["values"]
        np.testing.assert_array_equal(array.read(), values)
        for first, end in ((4, 7), (0, 2), (3, 3)):
            np.testing.assert_array_equal(array.rows(first, end), values[first:end])
        assert file.arrays["scalar"].read() == 3


def test_only_wanted_arrays_must_be_sound(tmp_path: Path) -> None:
    good = io.BytesIO()
    np.save(good, np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("bad.npy", b"hello")
        archive.writestr("good.npy", good.getvalue())
    with NpzFile(tmp_path / "a.npz", wanted=("good",)) as file:
        assert list(file.arrays) == ["good"]


def test_keypoints_that_unpack_to_gigabytes_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_frames, "MOST_BYTES", 1 << 20)
    path = write(tmp_path / "long.npz", member("(1000, 10, 18, 3)", bytes(4 * 540_000)), "keypoints.npy")
    with pytest.raises(DynastError, match=r"`keypoints` is float32 \[1000, 10, 18, 3\], 0\.0 GB; at most"):
        read_poses(path)
    frames = MOST_FRAMES + 1
    path = write(tmp_path / "many.npz", member(f"({frames}, 17, 0)"), "keypoints.npy")
    with pytest.raises(DynastError, match=r"many\.npz: `keypoints` is float32"):
        read_poses(path)
    monkeypatch.setattr(npz_frames, "MOST_FRAMES", 10)
    np.savez(tmp_path / "eleven.npz", keypoints=np.ones((11, 18, 3)))
    with pytest.raises(DynastError, match="11 frames; at most 10 are read"):
        read_poses(tmp_path / "eleven.npz")


def test_keypoints_of_many_people_of_whom_most_have_none_are_read(tmp_path: Path) -> None:
    keypoints = np.zeros((50, 20, 18, 3), np.float16)
    keypoints[:, 7] = np.arange(54).reshape(18, 3) + 1
    np.savez_compressed(tmp_path / "padded.npz", keypoints=keypoints)
    np.testing.assert_array_equal(read_poses(tmp_path / "padded.npz").keypoints, keypoints[:, 7])
