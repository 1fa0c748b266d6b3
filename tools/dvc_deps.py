"""Writes each stage's import closure to its deps in dvc.yaml; with --check, fails if they differ.

Usage: dvc_deps.py [--check].
"""

import ast
import sys
from pathlib import Path

from ruamel.yaml import YAML

from headrace.tracking.serving_package import SERVING_CODE

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "headrace"
SOURCE_ROOT = "pipeline"
COPIED = {
    f"{PACKAGE}.tracking.registry": [f"{PACKAGE}.tracking.served_model"],
    f"{PACKAGE}.tracking.serving_package": [
        f"{PACKAGE}.data.{modality}.{name}" for modality, serving in SERVING_CODE.items() for name in serving.code
    ],
}
"""Module -> modules whose source code it copies into its output without importing them."""
READ_FOLDERS = {f"{SOURCE_ROOT}/{PACKAGE}/html_page.py": f"{SOURCE_ROOT}/{PACKAGE}/templates"}
"""File of a module -> the folder that it reads."""


def find_module_file(name: str) -> Path | None:
    """Returns the file of a module of the package, or None."""
    base = ROOT.joinpath(SOURCE_ROOT, *name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def find_imports(path: Path) -> set[str]:
    """Returns the modules of the package that a file imports anywhere except under `if TYPE_CHECKING:`."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return {name for name in names if name.split(".")[0] == PACKAGE}


def find_closure(module: str) -> list[str]:
    """Returns the files that a module needs, sorted: its imports with their packages, copied code, read folders."""
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        waiting += [copied for copied in COPIED.get(name, []) if find_module_file(copied) not in seen]
        parents = name.split(".")
        for depth in range(1, len(parents) + 1):
            path = find_module_file(".".join(parents[:depth]))
            if path and path not in seen:
                seen.add(path)
                waiting += find_imports(path)
    files = {str(path.relative_to(ROOT)) for path in seen}
    return sorted(files | {folder for module_file, folder in READ_FOLDERS.items() if module_file in files})


def main() -> None:
    yaml = YAML()
    yaml.width = 120
    path = ROOT / "dvc.yaml"
    document = yaml.load(path)
    stale = []
    for name, stage in document["stages"].items():
        code = find_closure(f"{PACKAGE}.stages.{name}")
        deps = [*(dep for dep in stage.get("deps", []) if not dep.startswith(f"{SOURCE_ROOT}/")), *code]
        if deps != list(stage.get("deps", [])):
            stale.append(name)
            keys = list(stage)
            stage.pop("deps", None)
            stage.insert(keys.index("cmd") + 1, "deps", deps)
    if stale and "--check" in sys.argv:
        sys.exit(f"dvc.yaml: deps of {stale} differ from their import closures; run: make deps")
    if stale:
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        print(f"dvc.yaml: wrote the deps of {stale}")


if __name__ == "__main__":
    main()
