"""GPU tests skip with a reason where there is no GPU, and tests that need PyTorch where it is not installed.

Native kernels are built where tests use them.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
NO_TORCH = "PyTorch is not installed"


class TestFile(pytest.Module):
    """A test file; skipped where it, or a helper that it imports, needs PyTorch and there is none."""

    __test__ = False

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return super().collect()
        except self.CollectError as error:
            if HAS_TORCH or not lacks_torch(error):
                raise
            pytest.skip(NO_TORCH, allow_module_level=True)


def lacks_torch(error: BaseException | None) -> bool:
    """Whether PyTorch could not be imported, which may be why `error` was raised."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == "torch":
        return True
    # What backends say of a checkpoint has no cause.
    if error is not None and "needs PyTorch: pip install" in str(error):
        return True
    return error is not None and lacks_torch(error.__cause__ or error.__context__)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> TestFile:
    collected: TestFile = TestFile.from_parent(parent, path=module_path)
    return collected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not HAS_TORCH and call.excinfo is not None and lacks_torch(call.excinfo.value):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {NO_TORCH}")
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("nvidia-smi"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU on this machine"))


@pytest.fixture(scope="session")
def built_kernels() -> None:
    from dynast_deploy.plugins.bindings import native
    from dynast_deploy.plugins.native_build import cpu as build

    if not native.available():
        build.build_all(None)
        native.library.load_cpu.cache_clear()


@pytest.fixture
def set_variant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the native layers computed by the kernels of one instruction set, for one test; skips where it cannot run."""
    from dynast_deploy.plugins.bindings import native, native_layers

    def change(variant: str) -> None:
        if native.variant(variant) is None:
            pytest.skip(f"this processor does not run {variant}")
        monkeypatch.setattr(native_layers, "run", functools.partial(native_layers.run, variant=variant))

    return change


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Changes the number of PyTorch's threads for one test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
