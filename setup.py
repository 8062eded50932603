"""Where the packages lie, and the native kernels: compiled where a compiler is found, left out where there is none."""

import os
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.plugins.native_build import cpu, gpu  # noqa: E402

PARTS = ("calib", "export", "plugins", "runtime")
"""Folders of the checkout that lie inside `dynast_deploy` once installed."""


class BuildWithKernels(build_py):
    """Python files, then the libraries next to them: in place for an editable installation."""

    def run(self) -> None:
        super().run()
        folder = (
            HERE / "plugins" if self.editable_mode else Path(self.build_lib) / "dynast_deploy" / "plugins"
        )
        # With nvcc only when asked: it takes minutes.
        on_gpu = [gpu.build_gpu] if os.environ.get("DYNAST_CUDA") == "1" else []
        for build_libraries in (cpu.build_all, *on_gpu):
            try:
                for line in build_libraries(folder):
                    print(f"native kernels: {line}")
            except DynastError as error:
                print(f"native kernels: left out, {error}", file=sys.stderr)


class PlatformWheel(bdist_wheel):
    """A wheel with libraries is for one platform, but for every Python: they use no Python interface."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = cpu.find_compiler() is None

    def get_tag(self) -> tuple[str, str, str]:
        python, abi, platform = super().get_tag()
        return (python, abi, platform) if self.root_is_pure else ("py3", "none", platform)


def installed_name(package: str) -> str:
    """What a package of the checkout is called once installed."""
    return f"dynast_deploy.{package}" if package.split(".")[0] in PARTS else package


setup(
    packages=[
        installed_name(package)
        for package in find_packages(str(HERE))
        if installed_name(package).split(".")[0] == "dynast_deploy"
    ],
    package_dir={f"dynast_deploy.{part}": part for part in PARTS},
    cmdclass={"build_py": BuildWithKernels, "bdist_wheel": PlatformWheel},
)
