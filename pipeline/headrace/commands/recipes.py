"""`headrace recipes`: settings that are ready to run, each on a set of its own."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import DataError

PACKAGE_DIR = Path(__file__).resolve().parents[1]


def find_template_dir() -> Path:
    """The folder of what a new project is made of: in the installed package, or the checkout itself.

    Raises DataError where neither is, such as in a copy of the package alone.
    """
    folders = [PACKAGE_DIR / "template", PACKAGE_DIR.parents[1]]
    for folder in folders:
        if (folder / "recipes").is_dir() and (folder / "dvc.yaml").is_file():
            return folder
    raise DataError(f"{folders[0]}: no such folder; the package was copied in part: install headrace anew")


def find_recipes() -> dict[str, Path]:
    """Name -> file, by name."""
    found = {path.stem: path for path in (find_template_dir() / "recipes").glob("*.yaml")}
    return dict(sorted(found.items()))


def read_description(path: Path) -> str:
    """What a recipe says of itself in its first line."""
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    return first.removeprefix("#").strip()


def show_recipes() -> None:
    """Prints a line a recipe, and how to use one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("recipe", "what it is", box=None, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, path in find_recipes().items():
        table.add_row(f"[bold]{name}", escape(read_description(path)))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nheadrace init DIR --recipe NAME  makes a project of one", soft_wrap=True)
