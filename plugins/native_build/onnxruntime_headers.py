"""Find ONNX Runtime's C headers, which its Python wheels do not contain. Standard library only.

They are looked for in the folder that the environment variable DYNAST_ORT_INCLUDE names, where the system keeps
headers, and in the user's cache; then Debian's package `libonnxruntime-dev` is fetched with apt into that cache. The
headers only describe an interface: those of API version 21 serve every later ONNX Runtime.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.scratch_folder import scratch_folder

HEADER = "onnxruntime_cxx_api.h"
VARIABLE = "DYNAST_ORT_INCLUDE"
API_VERSION = 21
_PACKAGE = "libonnxruntime-dev"
_SUITE = "trixie"  # Debian's first release with headers of that version
_SYSTEM = ("/usr/include/onnxruntime", "/usr/local/include/onnxruntime", "/opt/onnxruntime/include")
_PATIENCE_S = 60
_APT = ("apt-get", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10")


def find_headers(cache: Path) -> Path:
    """The folder with `onnxruntime_cxx_api.h`, API version 21 or later.

    Raises:
        DynastError: Naming DYNAST_ORT_INCLUDE, where there is none and none can be fetched.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        folder = Path(chosen)
        if not _serves(folder):
            raise DynastError(
                f"{VARIABLE} is {chosen}, but there is no {HEADER} of API version {API_VERSION} or later"
            )
        return folder
    kept = cache / "onnxruntime-headers"
    for folder in (*map(Path, _SYSTEM), kept):
        if _serves(folder):
            return folder
    _fetch(kept)
    return kept


def _serves(folder: Path) -> bool:
    if not (folder / HEADER).is_file():
        return False
    version = re.search(r"#define ORT_API_VERSION (\d+)", (folder / "onnxruntime_c_api.h").read_text())
    return version is not None and int(version[1]) >= API_VERSION


def _fetch(target: Path) -> None:
    """Download Debian's package and keep its headers in `target`.

    Raises:
        DynastError: Where apt has no such package, or it cannot be fetched.
    """
    advice = f"unpack the headers of an ONNX Runtime release and name their folder in {VARIABLE}"
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise DynastError(f"ONNX Runtime's C headers were not found: {advice}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent, "headers") as work:
        try:
            archive = _download(work, []) or _download(work, _newer_debian(work))
            if archive is None:
                raise DynastError(f"ONNX Runtime's C headers were not found, nor apt's {_PACKAGE}: {advice}")
            _run(["dpkg-deb", "-x", str(archive), str(work / "package")])
        except (OSError, subprocess.SubprocessError) as error:
            raise DynastError(
                f"ONNX Runtime's C headers could not be fetched with apt ({error}): {advice}"
            ) from None
        headers = work / "package" / "usr" / "include" / "onnxruntime"
        if not _serves(headers):
            raise DynastError(
                f"{archive.name} has no headers of API version {API_VERSION} or later: {advice}"
            )
        shutil.rmtree(target, ignore_errors=True)
        os.replace(headers, target)


def _download(work: Path, options: list[str]) -> Path | None:
    """The package, from wherever apt finds it; None if that has none, or an old one."""
    for old in work.glob("*.deb"):
        old.unlink()
    done = subprocess.run(
        [*_APT, *options, "download", _PACKAGE],
        cwd=work,
        capture_output=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    archives = [path for path in work.glob("*.deb") if _upstream_version(path) >= (1, API_VERSION)]
    return archives[0] if done.returncode == 0 and archives else None


def _upstream_version(archive: Path) -> tuple[int, ...]:
    """`libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb` -> `(1, 21)`."""
    found = re.search(r"_(?:\d+(?:%3a|:))?(\d+)\.(\d+)", archive.name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _newer_debian(work: Path) -> list[str]:
    """apt's options for a newer Debian from this system's own mirror, with lists and archives kept in `work`."""
    mirror = _debian_mirror()
    if mirror is None:
        return []
    for folder in ("lists/partial", "archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "sources.list").write_text(f"deb {mirror} {_SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work,
        "APT::Sandbox::User": "",
    }
    arguments = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    _run([*_APT, *arguments, "update"])
    return arguments


def _debian_mirror() -> str | None:
    """The first Debian archive among the system's package sources, of either form that apt reads."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))):
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            found = re.match(r"\s*(?:deb\s+(?:\[.*?\]\s*)?|URIs:\s*)(\S+/debian/?)(?=\s|$)", line)
            if found:
                return found[1]
    return None


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, timeout=_PATIENCE_S)
