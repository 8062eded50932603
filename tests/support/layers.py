"""The layers of the package, and every import of one of its modules by another.

`python tests/support/layers.py` prints the diagram in docs/architecture.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from checkout import ROOT

PACKAGE = "dynast_deploy"
PARTS = ("calib", "export", "plugins", "runtime")
"""Folders of the checkout that are packages inside PACKAGE."""

LAYERS = {
    "base": "formats files media metrics errors version config console command broken_package printable stop_request "
    "progress size condition_options tensorrt_library onnxruntime_session attention_interface",
    "core": "attention attention_block generator generator_state layer_ops layers checkpoint objective conditions "
    "keypoints face_parts synthetic condition_input",
    "kernels": "plugins",
    "making and running": "export runtime training data tasks native_generator",
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


ABOVE_ENGINES = {"": "load_engine", "backends": "load_engine", "options": "runtime.options"}
"""Modules in the folder `runtime` that import its engines, and what the diagram calls them."""


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


def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Every module that `start` imports, directly or not."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def components(edges: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that import each other in a circle."""

    from_each = {module: reached(module, edges) for module in edges}
    circles = {
        frozenset(m for m in reach if start in from_each.get(m, ())) for start, reach in from_each.items()
    }
    return [set(circle) for circle in circles if len(circle) > 1]


def top(module: str) -> str:
    """What the diagram shows of a module: its top-level package, or the parts of `runtime`; "" for a program."""
    first, _, rest = module.partition(".")
    if first == "runtime":
        name = rest.partition(".")[0]
        if name in ABOVE_ENGINES:
            return ABOVE_ENGINES[name]
        return f"runtime.{name}" if (ROOT / "runtime" / name).is_dir() else "runtime"
    return first if layer(module) == layer(first) else ""


def shown(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The edges that no longer way says already."""
    from_each = {module: reached(module, edges) for module in edges}
    return {
        module: {
            target
            for target in targets
            if not any(target in from_each.get(other, ()) for other in targets - {target})
        }
        for module, targets in edges.items()
    }


def diagram(root: Path) -> str:
    """The packages of every layer, and which of them import which, as Mermaid's text.

    An arrow that a longer way of arrows says already is left out, and so are those to the base, which all import.
    """
    base, *others = LAYERS
    edges: dict[str, set[str]] = {}
    for each in imports(root):
        if not (each.importer and each.imported and layer(each.imported)):
            continue
        importer, imported = top(each.importer), top(each.imported)
        if importer and imported and importer != imported:
            edges.setdefault(importer, set()).add(imported)
    lines = ["flowchart TD"]
    for number, name in reversed(list(enumerate(others, start=1))):
        members = sorted({top(m) for m in modules(root) if m and layer(m) == number and top(m)})
        lines += [
            f'  subgraph L{number}["{number} {name}"]',
            *(f"    {member}" for member in members),
            "  end",
        ]
    lines += [
        f"  {importer} --> {target}"
        for importer, targets in sorted(shown(edges).items())
        for target in sorted(targets)
    ]
    lines += [f'  base["0 {base}: {", ".join(sorted(LAYERS[base].split()))}"]']
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram(ROOT))
