"""`headrace recipes`: lists ready-to-run settings, each for one dataset."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import DataError

PACKAGE_DIR = Path(__file__).resolve().parents[1]
TEMPLATE_DIR = PACKAGE_DIR / "template"
"""What a new project consists of, in addition to its settings."""


def find_shipped(name: str) -> Path:
    """Returns `params.yaml`, `recipes` or `cluster`: in the template of an installed package, or in the clone itself.

    Raises DataError if it is in neither, such as in an incomplete copy of the package.
    """
    for folder in (TEMPLATE_DIR, PACKAGE_DIR.parents[1]):
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{TEMPLATE_DIR / name}: no such file; the package is incomplete: reinstall headrace")


def find_recipes() -> dict[str, Path]:
    """Returns the file of each recipe, sorted by name."""
    recipes = {path.stem: path for path in find_shipped("recipes").glob("*.yaml")}
    return dict(sorted(recipes.items()))


def read_description(path: Path) -> str:
    """Returns a recipe's description, its first line."""
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    return first.removeprefix("#").strip()


def show_recipes() -> None:
    """Prints one line per recipe, and how to use one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("recipe", "description", box=None, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, path in find_recipes().items():
        table.add_row(f"[bold]{name}", escape(read_description(path)))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nheadrace init DIR --recipe NAME  creates a project from one", soft_wrap=True)
