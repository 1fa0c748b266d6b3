"""A model class from outside the package, `my_package.module:Thing`: found without importing it, and imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headrace.errors import ConfigError, choices

REMEDY = "write 'my_package.module:Thing', a class with build(input_shape, num_outputs) in the project's folder"


def import_class(name: str, where: str) -> Any:
    """Imports a class that has `build`; raises ConfigError, which begins with `where`, if it cannot."""
    module, _, attribute = name.partition(":")
    try:
        model_class = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        # TypeError and ValueError: no module before the colon
        raise ConfigError(f"{where}.name: cannot import {name!r} ({error}); {REMEDY}") from None
    if not hasattr(model_class, "build"):
        raise ConfigError(f"{where}.name: {name!r} has no method build(input_shape, num_outputs); add it")
    return model_class


def find_class_problem(name: str) -> str:
    """Returns why the class cannot be imported, or "" if its source defines it.

    Nothing is imported, since a module of networks imports torch. What the source leaves open (`import *`, compiled
    modules) is left to the import.
    """
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), attribute]):
        return f"cannot import {name!r}; {REMEDY}"
    spec = _find_module(module.split("."))
    if spec is None:
        return f"no module {module!r} in the project's folder or the environment; {REMEDY}"
    return _find_problem_in(Path(str(spec.origin)), attribute) if str(spec.origin).endswith(".py") else ""


def _find_problem_in(path: Path, attribute: str) -> str:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"{path} is not Python ({error}); fix it"
    defined = dict(_list_names(tree.body))
    if attribute not in defined and not defined.keys() & {"*", "__getattr__"}:
        return f"{path} does not define {attribute!r}; {choices(attribute, defined)}"
    node = defined.get(attribute)
    if isinstance(node, ast.ClassDef) and not node.bases and "build" not in dict(_list_names(node.body)):
        return f"{path}: {attribute} has no method build(input_shape, num_outputs); add it"
    return ""


def _find_module(parts: list[str]) -> ModuleSpec | None:
    """Finds `a.b.c` without importing `a` or `a.b`, which `importlib.util.find_spec` would."""
    try:
        spec = find_spec(parts[0])
    except (ImportError, ValueError):  # such as `__main__`
        return None
    for depth in range(2, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join(parts[:depth]), list(spec.submodule_search_locations))
    return spec


def _list_names(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Yields the names that statements of a module or class define, also inside `if`, `try` and `with`."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                (leaf.id, node) for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
            )
        else:
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from _list_names(block)
