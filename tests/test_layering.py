"""Imports go down only, lazy and type-checking ones too. docs/architecture.md draws the table below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "dynast_deploy"
PARTS = ("calib", "export", "plugins", "runtime")
"""Folders of the checkout that are packages inside PACKAGE."""

LAYERS = {
    "base": "formats files media errors version config console command broken_package printable stop_request progress "
    "size tensorrt_library",
    "core": "attention generator generator_state layers checkpoint objective conditions keypoints face_parts synthetic "
    "condition_input",
    "kernels": "plugins",
    "making and running": "export runtime training data",
    "using": "runtime.pipeline frames",
    "measuring": "calib verification evaluation bench",
    "commands": "commands cli export.to_onnx export.from_onnx export.build_engine",
}
"""What each layer holds, lowest first: packages and modules without the leading "dynast_deploy.". The longest name that
a module begins with counts."""

APART = [("export", "runtime"), ("plugins", "core")]
"""Pairs that never import each other, although layers allow it in one direction at least: what passes between export
and runtime is a file format, and the core has its fast arithmetic handed in."""

PACKAGE_ROOT = {"errors", "version", "checkpoint"}
"""What `dynast_deploy/__init__.py` offers as its own, the last when it is first asked for."""


class Import(NamedTuple):
    """One import of a module of this project: where it stands, and of what."""

    path: Path
    line: int
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.importer} imports {self.imported}"


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package under `root`, without the leading "dynast_deploy."; "" is the package itself."""
    found = {}
    for folder, prefix in ((PACKAGE, ""), *((part, part) for part in PARTS)):
        for path in sorted((root / folder).rglob("*.py")):
            names = [*filter(None, [prefix]), *path.relative_to(root / folder).with_suffix("").parts]
            found[".".join(names).removesuffix("__init__").rstrip(".")] = path
    return found


def imports(root: Path) -> Iterator[Import]:
    """Every import of a module of this project, wherever in a file it stands, and by `import_module` too."""
    known = modules(root)
    for importer, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            for name in imported_names(node):
                short = name.removeprefix(PACKAGE).lstrip(".")
                target = short if short in known else short.rpartition(".")[0]
                yield Import(path.relative_to(root), node.lineno, importer, target)


def imported_names(node: ast.AST) -> list[str]:
    """Full names that a statement or a call of `import_module` imports from this project."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports name their package in full"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        names = [str(node.args[0].value)] if called in ("import_module", "__import__", "run_module") else []
    else:
        names = []
    return [name for name in names if name.split(".")[0] == PACKAGE]


def layer(module: str) -> int:
    """The number of a module's layer, 0 for the lowest. Raises LookupError for one that the table does not hold."""
    numbers = {name: number for number, names in enumerate(LAYERS.values()) for name in names.split()}
    name = module
    while name:
        if name in numbers:
            return numbers[name]
        name = name.rpartition(".")[0]
    raise LookupError(f"{module}: in no layer of the table in {Path(__file__).name}")


def package(module: str) -> str:
    """A top-level package or module; those of the core as one."""
    first = module.split(".")[0]
    return "core" if first in LAYERS["core"].split() else first


def faults(root: Path) -> list[str]:
    """Each import that breaks the table, as file:line and the reason."""
    found = []
    for each in imports(root):
        if not each.importer:
            if each.imported not in PACKAGE_ROOT:
                found.append(f"{each}: the package itself imports {sorted(PACKAGE_ROOT)} alone")
            continue
        if not each.imported:
            continue
        pair = {package(each.importer), package(each.imported)}
        below_commands = layer(each.importer) < len(LAYERS) - 1
        if layer(each.imported) > layer(each.importer):
            found.append(f"{each}, which is in a layer above")
        elif below_commands and any(pair == set(apart) for apart in APART):
            found.append(f"{each}: they are kept apart")
    return found


def components(edges: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that import each other in a circle."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in edges.get(waiting.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    from_each = {module: reached(module) for module in edges}
    circles = {
        frozenset(m for m in reach if start in from_each.get(m, ())) for start, reach in from_each.items()
    }
    return [set(circle) for circle in circles if len(circle) > 1]


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
    "lazy": "def f():\n    import dynast_deploy.runtime.pipeline.render",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dynast_deploy.calib import ranges",
    "by name": "from importlib import import_module\nimport_module('dynast_deploy.cli')",
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


def test_export_and_runtime_are_kept_apart(tmp_path: Path) -> None:
    for path in modules(ROOT).values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    (tmp_path / "export" / "planted.py").write_text("from dynast_deploy.runtime.trt import plan")
    (fault,) = faults(tmp_path)
    assert fault.startswith("export/planted.py:1: ")
