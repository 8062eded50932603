"""Which files of a folder are pictures: by their endings, and by what the installed Pillow reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.natural_order import natural_order

WRITTEN_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""What `write_picture` writes."""

_FORMATS = {
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif .jif .mpo",
    "MPO": "",
    "WEBP": ".webp",
    "BMP": ".bmp .dib",
    "TIFF": ".tif .tiff",
    "GIF": ".gif",
    "AVIF": ".avif .avifs",
    "HEIF": ".heic .heif .hif",
    "JPEG2000": ".jp2 .j2k .jpf .jpx .j2c .jpc",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
    "TGA": ".tga",
    "QOI": ".qoi",
    "SGI": ".sgi .rgb .rgba .bw",
    "PCX": ".pcx",
}
"""Pillow's formats (HEIF comes with pillow-heif) in which people keep photographs and drawings, and their endings."""

_HEIF = frozenset(_FORMATS["HEIF"].split())
# fmt: off
CAMERA_RAW = frozenset({
    ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".pef", ".srw",
    ".raw", ".3fr", ".iiq",
})
# fmt: on
"""Sensor data; what Pillow finds in some of them is a small preview."""

_OTHERS = frozenset({".jxl", ".jxr", ".exr", ".hdr", ".svg", ".psd", ".psb", ".xcf", ".kra", ".ai", ".eps"})
PICTURE_SUFFIXES = frozenset(" ".join(_FORMATS.values()).split()) | CAMERA_RAW | _OTHERS
"""Endings of pictures, those that cannot be read included."""

_OUR_ENDINGS = (".dynast", ".condition")
_FEATURES = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
_SHOWN = 3


def remedy(suffix: str) -> str:
    """What fixes a picture of this ending that Pillow does not read."""
    suffix = suffix.lower()
    if suffix not in CAMERA_RAW and _reads(suffix):
        return "copy it again, or convert it to PNG or JPEG"  # the kind is read, so what is in this file is wrong
    if suffix in _HEIF:
        return "pip install pillow-heif, or convert it to PNG or JPEG"
    if suffix in (".avif", ".avifs"):
        return "pip install 'pillow>=11.3', or convert it to PNG or JPEG"
    if suffix in CAMERA_RAW:
        return "develop it to PNG or JPEG with the program that you use for your camera's raw files"
    return "convert it to PNG or JPEG"


def list_pictures(arguments: Iterable[str | Path], notes: list[str] | None = None) -> list[Path]:
    """The picture files that a list of files and folders names, each once.

    Arguments stay in their order. A folder stands for the pictures directly in it, in natural order (frame2 before
    frame10), hidden files left out: by ending where the installed Pillow reads that kind, else by content. With a line
    in `notes` two kinds are left out: pictures that Pillow cannot read, and results of this program (`a.dynast.png`,
    `a.condition.png`) next to what they were made from.

    Raises:
        DynastError: For a name that does not exist, a folder that cannot be listed or holds no pictures, and an empty
            list.
    """
    notes = notes if notes is not None else []
    pictures: dict[Path, None] = {}
    for argument in map(Path, arguments):
        if _is_folder(argument):
            pictures.update(dict.fromkeys(_in_folder(argument, notes)))
        elif argument.exists():
            pictures[argument] = None
        else:
            raise DynastError(f"{argument}: no such picture file or folder")
    if not pictures:
        raise DynastError("no pictures are named; give picture files or folders with pictures in them")
    return list(pictures)


def register_heif() -> None:
    """Have Pillow read HEIC and HEIF where pillow-heif is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise DynastError(f"{path}: no such picture file or folder ({error})") from None


def _in_folder(folder: Path, notes: list[str]) -> list[Path]:
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]
    except OSError as error:
        raise DynastError(f"{folder} cannot be listed ({error.strerror}); change its permissions") from None
    files.sort(key=natural_order)
    stems = {path.stem for path in files}
    named = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES or not path.suffix]
    readable = {suffix: _reads(suffix) for suffix in {path.suffix.lower() for path in named}}
    found = [path for path in named if readable[path.suffix.lower()] or _is_picture(path)]
    unread = [path for path in named if path.suffix and path not in found]
    ours = [path for path in found if _is_ours(path, stems)]
    why_unread = "; ".join(_unread(unread, suffix) for suffix in dict.fromkeys(_suffixes(unread)))
    if len(ours) == len(found):
        rest = f"; {why_unread}" if unread else f" ({', '.join(sorted(filter(_reads, PICTURE_SUFFIXES)))})"
        raise DynastError(f"{folder} holds no pictures{rest}")
    if unread:
        notes.append(f"left out of {folder}: {why_unread}")
    if ours:
        notes.append(
            f"left out of {folder}: results of an earlier run next to their pictures ({_names(ours)})"
        )
    return [path for path in found if path not in ours]


def _suffixes(paths: Sequence[Path]) -> list[str]:
    return [path.suffix.lower() for path in paths]


def _unread(unread: Sequence[Path], suffix: str) -> str:
    names = _names([path for path in unread if path.suffix.lower() == suffix])
    return f"{names}, which Pillow does not read ({remedy(suffix)})"


def _names(paths: Sequence[Path]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(path.name for path in paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _is_ours(path: Path, stems: set[str]) -> bool:
    """Whether a file is named like a result and lies next to a file that it can be the result of."""
    source, dot, ending = path.stem.rpartition(".")
    return f"{dot}{ending}" in _OUR_ENDINGS and source in stems


def _reads(suffix: str) -> bool:
    """Whether the installed Pillow reads the kind of picture that has this ending."""
    from PIL import Image, features

    if suffix in _HEIF:
        register_heif()
    kind = Image.registered_extensions().get(suffix, "")
    feature = _FEATURES.get(kind, "")
    if feature in (*features.modules, *features.codecs) and not features.check(feature):
        return False
    return kind in _FORMATS and kind in Image.OPEN


def _is_picture(path: Path) -> bool:
    """Whether Pillow recognizes the contents of a file whose ending it does not know."""
    from PIL import Image

    if path.suffix.lower() in CAMERA_RAW:
        return False
    try:
        with Image.open(path, formats=[kind for kind in _FORMATS if kind in Image.OPEN]):
            return True
    except Exception:  # whatever Pillow's readers raise over what is in a file
        return False


def has_picture_beside(media: Path) -> bool:
    """Whether a picture of the same name, but for its ending, lies next to a video."""
    siblings = media.parent.glob("*") if media.parent.is_dir() else ()
    return any(
        path.stem == media.stem and path != media and path.suffix.lower() in PICTURE_SUFFIXES
        for path in siblings
    )
