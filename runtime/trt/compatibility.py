"""Does a plan run here? Its manifest is asked, before TensorRT gets a plan that it would refuse without a reason."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import Manifest, PlanKind


@dataclass(frozen=True)
class Host:
    """What a machine runs plans with.

    kind and library_version: which TensorRT is installed; compute_capability: of the GPU, such as "8.9"; gpu: its name;
    plugin_version: of this package's attention plugin.
    """

    kind: PlanKind
    library_version: str
    compute_capability: str
    gpu: str
    plugin_version: str


def check_compatible(manifest: Manifest, path: str | os.PathLike[str], host: Host) -> list[str]:
    """Notes on what works but not as well as it could.

    The rules are TensorRT's (Engine Compatibility in its documentation): versions have to match to the build number,
    unless the plans were built version compatible, and then the library may be later; compute capabilities have to
    match, unless the plans were built hardware compatible, and then the GPU's may be later.

    Raises:
        DynastError: Where the plans do not run on `host`; it says why, and the command that builds them again.
    """
    library = manifest.kind.library
    faults = []
    if manifest.kind is not host.kind:
        faults.append(f"it is for {library}, and {host.kind.library} is what runs here")
    elif not _runs_on_version(manifest, host.library_version):
        compatible = " or later" if manifest.version_compatible else ""
        faults.append(
            f"it was built by {library} {manifest.library_version} and needs that version{compatible}, and here is "
            f"{host.library_version}"
        )
    if not _runs_on_gpu(manifest, host.compute_capability):
        built_for = " and ".join(manifest.compute_capabilities) + " and later" * manifest.hardware_compatible
        faults.append(
            f"it was built for compute capability {built_for}, and this GPU ({host.gpu}) has {host.compute_capability}"
        )
    if manifest.plugin_version not in (None, host.plugin_version):
        faults.append(
            f"it holds attention plugin version {manifest.plugin_version}, and this dynast-deploy has "
            f"{host.plugin_version}"
        )
    if faults:
        raise DynastError(f"{path}: {'; '.join(faults)}. Build it here: {manifest.rebuild_command(path)}")
    if manifest.gpu not in (None, host.gpu) and not manifest.hardware_compatible:
        return [f"{path} was built on {manifest.gpu} and runs on {host.gpu}: one built here may be faster"]
    return []


def _runs_on_version(manifest: Manifest, version: str) -> bool:
    if manifest.version_compatible and manifest.kind is PlanKind.TENSORRT:
        return _numbers(version) >= _numbers(manifest.library_version)
    return version == manifest.library_version


def _runs_on_gpu(manifest: Manifest, capability: str) -> bool:
    if manifest.hardware_compatible:
        return _numbers(capability) >= min(map(_numbers, manifest.compute_capabilities))
    return capability in manifest.compute_capabilities


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers a version begins with: "10.9.0.34" -> (10, 9, 0, 34), "11.0.0rc1" -> (11, 0, 0)."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
