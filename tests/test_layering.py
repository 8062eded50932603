"""Imports go down only, lazy and type-checking ones too: the table is in tests/support/layers.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT
from layers import LAYERS, components, diagram, faults, imports, layer, modules, unreadable


def test_every_import_goes_down() -> None:
    assert faults(ROOT) == []


def test_every_module_is_in_a_layer() -> None:
    for module in filter(None, modules(ROOT)):
        layer(module)


def test_no_circle_of_imports_holds_two_packages() -> None:
    edges: dict[str, set[str]] = {}
    for each in imports(ROOT):
        edges.setdefault(each.importer, set()).add(each.imported)
    for circle in components(edges):
        assert len({module.rpartition(".")[0] for module in circle}) == 1, sorted(circle)


def test_packages_import_each_other_in_no_circle() -> None:
    found = modules(ROOT)

    def unit(module: str) -> str:
        """A module's package; itself where it lies in the root, in runtime's, or is a program."""
        parent = module.rpartition(".")[0]
        alone = parent in ("", "runtime") or layer(module) == len(LAYERS) - 1
        return module if alone or found[module].name == "__init__.py" else parent

    edges: dict[str, set[str]] = {}
    for each in imports(ROOT):
        importer, imported = (unit(module) if module else "" for module in (each.importer, each.imported))
        if importer and imported and importer != imported:
            edges.setdefault(importer, set()).add(imported)
    assert components(edges) == []


PLANTED = {
    "at the top": "from dynast_deploy.commands import run",
    "lazy": "def f():\n    import dynast_deploy.runtime.pipeline.render_video",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dynast_deploy.calib import ranges",
    "by name": "from importlib import import_module\nimport_module('dynast_deploy.cli')",
    "by a keyword": "import importlib\nimportlib.import_module(name='dynast_deploy.cli')",
    "by another name": "from importlib import import_module as load\nload('dynast_deploy.cli')",
    "by a relative name": "import importlib\nimportlib.import_module('..cli', __package__)",
    "by a name in a variable": "NAME = 'dynast_deploy.cli'",
    "by a name's beginning": "import importlib\nimportlib.import_module(f'dynast_deploy.commands.{NAME}')",
    "in another process": "import subprocess\nsubprocess.run(['python', '-m', 'dynast_deploy.cli'])",
    "relative": "\nfrom ..commands import run",
    "by the folder in the checkout": "import calib.ranges",
    "by the folder's name": "import importlib\nimportlib.import_module('calib.ranges')",
    "of a kernel by the core": "\n\nfrom dynast_deploy.plugins import bindings",
}


@pytest.mark.parametrize("where", PLANTED)
@pytest.mark.parametrize("place", ["dynast_deploy/formats/planted.py", "dynast_deploy/keypoints/planted.py"])
def test_a_planted_import_of_a_layer_above_is_found_with_file_and_line(
    where: str, place: str, tmp_path: Path
) -> None:
    for path in modules(ROOT).values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    (tmp_path / place).write_text(PLANTED[where])
    (fault,) = faults(tmp_path)
    line = len(PLANTED[where].splitlines())
    assert fault.startswith(f"{place}:{line}: ")


def test_imports_by_name_can_be_read() -> None:
    assert unreadable(ROOT) == []


def test_an_import_by_a_name_that_cannot_be_read_is_found_with_file_and_line(tmp_path: Path) -> None:
    planted = tmp_path / "dynast_deploy" / "planted.py"
    planted.parent.mkdir()
    planted.write_text("from importlib import import_module\n\ndef f(x):\n    import_module('dynast_' + x)\n")
    (fault,) = unreadable(tmp_path)
    assert fault.startswith("dynast_deploy/planted.py:4: ")


def test_export_and_runtime_are_kept_apart(tmp_path: Path) -> None:
    for path in modules(ROOT).values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    (tmp_path / "export" / "planted.py").write_text("from dynast_deploy.runtime.trt import plan")
    (fault,) = faults(tmp_path)
    assert fault.startswith("export/planted.py:1: ")


def test_the_diagram_in_the_docs_is_the_one_that_the_command_prints() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (shown,) = re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)
    assert shown == diagram(ROOT), "python tests/support/layers.py prints the new one"
