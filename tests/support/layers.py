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
    """Every import of a module of this project, wherever in a file it stands.

    A string that is a module's name counts as one too: `import_module`, `find_spec` and `python -m` take such strings.
    """
    known = modules(root)
    for importer, path in known.items():
        package_parts = [PACKAGE, *filter(None, importer.split("."))]
        if path.name != "__init__.py":
            package_parts.pop()
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            for name in imported_names(node, package_parts):
                short = name.removeprefix(PACKAGE).lstrip(".")
                target = short if short in known else short.rpartition(".")[0]
                yield Import(path.relative_to(root), node.lineno, importer, target)
            for name in named_modules(node):
                if name in known:
                    yield Import(path.relative_to(root), node.lineno, importer, name)


def imported_names(node: ast.AST, package_parts: list[str]) -> list[str]:
    """Full names that a statement, or a call with a relative name, imports from this project."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        anchor = absolute("." * node.level + (node.module or ""), package_parts)
        names = [f"{anchor}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Call) and called(node) == "import_module" and node.args:
        first, *others = (str(each.value) if isinstance(each, ast.Constant) else "" for each in node.args)
        parts = others[0].split(".") if others and others[0] else package_parts
        # Full names are read by `named_modules`.
        names = [absolute(first, parts)] if first.split(".")[0] in ("", *PARTS) else []
    else:
        names = []
    # In the checkout's root, folders of PARTS can be imported without the package's name.
    names = [f"{PACKAGE}.{name}" if name.split(".")[0] in PARTS else name for name in names]
    return [name for name in names if name.split(".")[0] == PACKAGE]


def absolute(name: str, package_parts: list[str]) -> str:
    """The full name of what is called `name` in a package: each dot that it begins with but the first goes up one."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    return ".".join([*package_parts[: len(package_parts) - level + 1], *filter(None, [name[level:]])])


def called(node: ast.Call) -> str:
    """The last part of the name by which a function is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def named_modules(node: ast.AST) -> list[str]:
    """What a string names, if it is a module's full name or begins one (`"dynast_deploy.commands." + name`)."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return []
    name = node.value.partition(":")[0].rstrip(".")
    return [name.removeprefix(f"{PACKAGE}.")] if name.startswith(f"{PACKAGE}.") else []


UNREAD = {"tensorrt_library", "commands.probes.finding"}
"""Modules that import a library by a name that is given to them."""


def unreadable(root: Path) -> list[str]:
    """Each `import_module` of a name that cannot be read where it is called, as file:line."""
    found = []
    for importer, path in modules(root).items():
        tree = ast.parse(path.read_text(), str(path))
        if importer in UNREAD:
            continue
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and called(node) in ("import_module", "__import__", "run_module")
            ):
                continue
            argument = node.args[0] if node.args else next((k.value for k in node.keywords), None)
            if isinstance(argument, ast.Constant) or (
                # A module of the importer's own package.
                isinstance(argument, ast.JoinedStr)
                and ast.unparse(argument).startswith(("f'{__name__}.", 'f"{__name__}.'))
            ):
                continue
            found.append(
                f"{path.relative_to(root)}:{node.lineno}: {importer} imports what only running it tells"
            )
    return found


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
