"""`dynast fetch-models`: MediaPipe's pose and face networks, taken out of the wheel that carries them."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from dynast_deploy.errors import DynastError

RELEASE = "mediapipe==0.10.14"
"""The last release whose wheel carries the networks and is still served for every system."""
DOWNLOAD = ("--no-deps", "--only-binary=:all:", "--python-version=3.12", "--platform=manylinux2014_x86_64")
"""Any Python and system can read this wheel, which is only opened, not installed."""
PATIENCE_S = 600


def fetch_models(
    source: Annotated[
        Path | None,
        typer.Argument(
            help=f"Wheel of {RELEASE} that is here already.", show_default="downloaded with pip, 35 MB"
        ),
    ] = None,
) -> None:
    """Fetch MediaPipe's pose and face networks (Apache-2.0), for poses and face parts without files of them.

    Raises:
        DynastError: Where pip cannot download, or the networks cannot be written.
    """
    from dynast_deploy.keypoints.mediapipe_models import models_file

    output = models_file()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DynastError(f"{output.parent} cannot be made: {error.strerror or error}") from None
    if source is not None:
        write_models(source, output)
    else:
        with TemporaryDirectory() as folder:
            write_models(download(Path(folder)), output)
    print(
        f"{output}\nMediaPipe's networks, by Google, Apache-2.0; used where no poses or face parts are given"
    )


def download(folder: Path) -> Path:
    """The wheel of `RELEASE`, fetched into `folder` by pip with the user's own settings.

    Raises:
        DynastError: Where there is no pip, or pip fails; then with the last line that it printed.
    """
    if importlib.util.find_spec("pip") is None:
        raise DynastError(
            "this Python has no pip to download with; the extra dynast-deploy[pose] brings it. Or name the wheel of "
            f"{RELEASE} (any system's): dynast fetch-models WHEEL"
        )
    command = [sys.executable, "-m", "pip", "download", "-q", *DOWNLOAD, "--dest", str(folder), RELEASE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise DynastError(
            f"pip did not finish downloading {RELEASE} within {PATIENCE_S} s; try again"
        ) from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise DynastError(
            f"pip cannot download {RELEASE} ({last}); on a machine with a network, pip download {' '.join(DOWNLOAD)} "
            f"{RELEASE}, then here: dynast fetch-models WHEEL"
        )
    return wheels[0]


def write_models(wheel: Path, output: Path) -> None:
    """Write the networks of a wheel to `output`, a bundle as MediaPipe's own; whole or not at all.

    Raises:
        DynastError: Where the wheel is damaged or holds other networks than those of `RELEASE`, or the file cannot be
            written.
    """
    from dynast_deploy.files.atomic_file import AtomicFile
    from dynast_deploy.keypoints.mediapipe_models import SHA256, MediaPipeNetwork, read_network

    networks = {network: read_network(wheel, network) for network in MediaPipeNetwork}
    for network, contents in networks.items():
        if hashlib.sha256(contents).hexdigest() != SHA256[network]:
            raise DynastError(f"{wheel}: {network.value[0]} in it is not the one of {RELEASE}")
    with AtomicFile(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        for network, contents in networks.items():
            archive.writestr(network.value[0], contents)
