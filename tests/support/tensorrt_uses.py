"""Which names of TensorRT our sources use, and how: read off the sources, with types as the bindings state them.

    Sources(paths, api).problems()

`api` is what `native/describe_tensorrt.py` prints. The library is whatever is called `trt`, `tensorrt`, `library` or,
its plugin module, `trtp`, unless that is imported from elsewhere or annotated otherwise. From there on every expression
gets the type that the bindings give it: a call that of its signature, a variable that of what it is set to, a parameter
that of its annotation or, where that is Any, of variables of its name. An attribute of something of a known type is a
use; what is known of no type is none.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensorrt_interface import MODULE, PLUGIN, Api, bare, inherited

ROOTS = {"trt": MODULE, "tensorrt": MODULE, "library": MODULE, "trtp": PLUGIN}
Scope = dict[str, str | None]


@functools.cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@functools.cache
def _imported(tree: ast.Module) -> Scope:
    """What the imported names of a file are: TensorRT, or something that is not."""
    names: Scope = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: None for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in ("tensorrt", "tensorrt.plugin"):
                    is_plugin = alias.asname is not None and alias.name.endswith("plugin")
                    names[alias.asname or "tensorrt"] = PLUGIN if is_plugin else MODULE
    return names


@dataclass
class Sources:
    """The sources that deal with TensorRT, and one version's interface."""

    paths: Iterable[Path]
    api: Api
    roots: Scope = field(default_factory=lambda: dict(ROOTS))
    uses: set[tuple[str, str]] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    users: set[Path] = field(default_factory=set)

    def needed(self) -> Api:
        """As much of the interface as `problems` looked at."""
        types: dict[str, Any] = {}
        kept: Api = {"version": self.api["version"], "types": types, "module": {}, "plugin": {}}
        for owner, name in sorted(self.uses):
            if owner == MODULE:
                kept["module"][name] = self.api["module"][name]
            elif owner == PLUGIN:
                kept["plugin"][name] = self.api["plugin"][name]
            else:
                entry = inherited(self.api, owner, name)
                types.setdefault(owner, {"bases": [], "members": {}})["members"][name] = entry
        for described in [kept["module"], *(described["members"] for described in list(types.values()))]:
            for entry in described.values():
                for named in [
                    entry.get("type"),
                    *(bare(call[1]) for call in entry.get("calls", []) if call),
                ]:
                    if named in self.api["types"]:
                        types.setdefault(named, {"bases": [], "members": {}})
        return kept

    def problems(self) -> list[str]:
        """What the sources use and this version does not have, one line each; `uses` is filled by the way."""
        trees = {path: _parsed(path.read_text()) for path in self.paths}
        shared: Scope = {}
        attributes: dict[Path, Scope] = {}
        before = ""
        while before != (before := f"{shared} {attributes}"):  # types travel from assignment to assignment
            self.uses.clear()
            self.found.clear()
            for path, tree in trees.items():
                known = len(self.uses) + len(self.found)
                _File(self, path.name, tree, shared, attributes.setdefault(path, {})).visit(tree)
                if len(self.uses) + len(self.found) > known:
                    self.users.add(path)
        return sorted(self.found)


class _File(ast.NodeVisitor):
    def __init__(
        self, sources: Sources, name: str, tree: ast.Module, shared: Scope, attributes: Scope
    ) -> None:
        """`shared`: types of variables by name, in all files; `attributes`: of this file's, by class and name."""
        self.sources, self.api, self.name = sources, sources.api, name
        self.shared, self.attributes = shared, attributes
        self.scopes: list[Scope] = [sources.roots | _imported(tree)]
        self.classes = [""]

    def problem(self, node: ast.AST, text: str) -> None:
        self.sources.found.add(f"{self.name}:{getattr(node, 'lineno', 0)}: {text}")

    # What is known of names.

    def learn(self, target: ast.expr, kind: str | None) -> None:
        kind = kind if kind is not None and self.is_known(kind) else None
        if isinstance(target, ast.Name):
            self.scopes[-1][target.id] = kind
            if kind is not None:
                self.shared[target.id] = kind
        elif (
            isinstance(target, ast.Attribute)
            and isinstance(target.value, ast.Name)
            and target.value.id == "self"
        ):
            if kind is not None:
                self.attributes[f"{self.classes[-1]}.{target.attr}"] = kind
        elif isinstance(target, ast.Tuple):
            for part in target.elts:
                self.learn(part, None)

    def known(self, name: str) -> str | None:
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def is_known(self, kind: str) -> bool:
        return kind in (MODULE, PLUGIN) or kind.removeprefix("type ") in self.api["types"]

    def annotated(self, annotation: ast.expr | None) -> str | None:
        """The type in `trt.X` or `trt.X | None`."""
        if isinstance(annotation, ast.BinOp):
            return self.annotated(annotation.left)
        kind = self.kind(annotation) if isinstance(annotation, ast.Attribute) else None
        return kind.removeprefix("type ") if kind and kind.startswith("type ") else None

    def visit_Assign(self, node: ast.Assign) -> None:
        kind = self.kind(node.value)
        for target in node.targets:
            self.learn(target, kind)
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.learn(node.target, self.annotated(node.annotation))
        if node.value is not None:
            self.kind(node.value)

    def visit_For(self, node: ast.For) -> None:
        self.learn(node.target, None)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        scope: Scope = {}
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            annotation = argument.annotation
            if annotation is None or (isinstance(annotation, ast.Name) and annotation.id == "Any"):
                scope[argument.arg] = self.sources.roots.get(argument.arg) or self.shared.get(argument.arg)
            else:
                scope[argument.arg] = self.annotated(annotation)
        self.scopes.append(scope)
        self.generic_visit(node)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A method of a class that TensorRT calls must be one that it knows, with as many parameters."""
        for base in node.bases:
            kind = self.kind(base) or ""
            if not kind.startswith("type "):
                continue
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                    entry = self.member(kind.removeprefix("type "), part.name, part)
                    calls = [call for call in (entry or {}).get("calls", []) if call is not None]
                    if calls and len(part.args.args) not in {len(call[0]) for call in calls}:
                        self.problem(
                            part, f"{part.name} of {kind.removeprefix('type ')} takes other parameters"
                        )
        self.classes.append(node.name)
        for part in node.body:
            self.visit(part)
        self.classes.pop()

    # The type of an expression; uses are noted by the way.

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            self.kind(node)
        else:
            super().visit(node)

    def kind(self, node: ast.expr | None) -> str | None:
        """ "X" for an instance of X, "type X" for the class, MODULE, PLUGIN, or None for what is not known."""
        if isinstance(node, ast.Name):
            return self.known(node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            self.scopes.append({})
            for part in node.generators:
                self.learn(part.target, None)
            self.parts(node)
            self.scopes.pop()
        elif node is not None:
            self.parts(node)
        return None

    def parts(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def attribute(self, node: ast.Attribute) -> str | None:
        owner = self.kind(node.value)
        if owner is None:
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                return self.attributes.get(f"{self.classes[-1]}.{node.attr}")
            # A module that one of our objects has under its usual name.
            return self.sources.roots.get(node.attr)
        entry = self.member(owner, node.attr, node)
        if entry is None or entry["kind"] == "method":
            return None
        return f"type {entry['type']}" if entry["kind"] == "type" else entry["type"]

    def member(self, owner: str, name: str, node: ast.AST) -> dict[str, Any] | None:
        """The entry of `owner.name`, which is a use."""
        if owner in (MODULE, PLUGIN):
            entry = self.api["module" if owner == MODULE else "plugin"].get(name)
            bare = owner
        else:
            bare = owner.removeprefix("type ")
            entry = inherited(self.api, bare, name)
            if bare not in self.api["types"]:
                return None
        if entry is None:
            self.problem(node, f"{bare.strip('<>')} has no {name}")
        else:
            self.sources.uses.add((bare, name))
        return entry

    def call(self, node: ast.Call) -> str | None:
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)
        function = node.func
        called = self.kind(function)
        if called is not None and called.startswith("type "):
            made = called.removeprefix("type ")
            entry = inherited(self.api, made, "__init__")
            if entry is not None:
                self.sources.uses.add((made, "__init__"))
            self.check_call(node, made, entry, bound=True)
            return made
        if not isinstance(function, ast.Attribute):
            return None
        owner = self.kind(function.value)
        if owner is None:
            return None
        entry = self.member(owner, function.attr, function)
        return self.check_call(
            node, function.attr, entry, bound=owner[0] != "<" and not owner.startswith("type ")
        )

    def check_call(self, node: ast.Call, what: str, entry: dict[str, Any] | None, bound: bool) -> str | None:
        """The returned type; a problem where no signature takes the arguments."""
        calls = (entry or {}).get("calls", [])
        if not calls or None in calls:
            return (entry or {}).get("type")
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(
            keyword.arg is None for keyword in node.keywords
        ):
            return str(calls[0][1])
        given = len(node.args) + bound
        named = [keyword.arg for keyword in node.keywords]
        for parameters, returned in calls:
            names = [name.rstrip("?") for name in parameters]
            needed = [name for name in parameters[given:] if not name.endswith("?")]
            if given <= len(names) and set(named) <= set(names[given:]) and set(needed) <= set(named):
                return bare(returned)
        self.problem(node, f"{what} does not take {len(node.args)} arguments and {named}")
        return None
