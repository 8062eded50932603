"""Which versions of libraries are allowed, and that the oldest ones are those that are tested."""

from __future__ import annotations

import re
import tomllib

from checkout import ROOT

UNTESTED_EXTRAS = ("gpu", "trt", "export", "train", "pose")
"""These need a GPU or gigabytes of CUDA, or are pip itself; constraints-oldest.txt says so."""


def requirements() -> list[str]:
    """Every requirement of the package and of the extras that are tested with their oldest versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tested = [extra for extra in extras if extra not in UNTESTED_EXTRAS]
    return [*project["dependencies"], *(line for extra in tested for line in extras[extra])]


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints-oldest.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if not line.startswith("#"))


def test_the_oldest_versions_tested_are_the_lower_bounds() -> None:
    pinned, bounds = pins(), {}
    for requirement in requirements():
        found = re.search(r">=([0-9.]+)", requirement)
        assert found, f"{requirement} has no lower bound"
        bounds[name_of(requirement)] = found[1]
    assert pinned.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert f"{pinned[name]}.".startswith(f"{bound}."), (
            f"{name}: {pinned[name]} is not the first from {bound}"
        )


def test_an_upper_bound_has_its_reason_next_to_it() -> None:
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if re.search(r'"[\w.\[\]-]+[^"]*(<|==|~=)[^"]*"', line):
            assert "#" in line, f"no reason next to {line.strip()}"


def test_pre_commit_runs_one_allowed_ruff() -> None:
    pinned = set(re.findall(r"ruff==([0-9.]+)", (ROOT / ".pre-commit-config.yaml").read_text()))
    assert len(pinned) == 1
    assert numbers(pinned.pop()) >= numbers(pins()["ruff"])


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
