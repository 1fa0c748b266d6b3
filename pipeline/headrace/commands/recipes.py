"""`headrace recipes`: lists ready-to-run settings, each for one dataset."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import DataError

PACKAGE_DIR = Path(__file__).resolve().parents[1]


def find_template_dir() -> Path:
    """Returns the folder with the files of a new project: in the installed package, or the clone itself.

    Raises DataError if there is neither, such as in an incomplete copy of the package.
    """
    folders = [PACKAGE_DIR / "template", PACKAGE_DIR.parents[1]]
    for folder in folders:
        if (folder / "recipes").is_dir() and (folder / "dvc.yaml").is_file():
            return folder
    raise DataError(f"{folders[0]}: no such folder; the package is incomplete: reinstall headrace")


def find_recipes() -> dict[str, Path]:
    """Returns the file of each recipe, sorted by name."""
    recipes = {path.stem: path for path in (find_template_dir() / "recipes").glob("*.yaml")}
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
