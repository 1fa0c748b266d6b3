"""`headrace compare`: finds the models, compares them, and shows the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import ConfigError
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.comparison.compare_models import Comparison
    from headrace.comparison.recorded_model import RecordedModel

MAX_ROWS = 1000


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Versions (3, @champion, models:/NAME/3) or runs; the default is the newest version and the champion.",
        ),
    ] = None,
    *,
    last: Annotated[int | None, typer.Option(metavar="N", help="The newest N versions, or runs.")] = None,
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page, with pictures.")] = None,
    rows: Annotated[int, typer.Option(help="Changed rows of each kind to list.", min=0, max=MAX_ROWS)] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare models on the same test rows: which is better, by how much, and where."""
    from headrace.comparison.compare_models import compare_models
    from headrace.comparison.project_rows import open_project_rows

    paths = Paths(Path.cwd())
    _check_page(page)
    recorded = _read_models(paths, models or (), last)
    comparisons = compare_models(recorded, open_project_rows(paths), rows)
    if page is not None:
        from headrace.comparison.page import render_comparisons
        from headrace.storage.atomic import write_text

        write_text(page, render_comparisons(recorded, comparisons))
    if as_json:
        _print_json(recorded, comparisons)
        return
    from rich.console import Console

    from headrace.comparison.terminal_view import print_comparisons

    print_comparisons(recorded, comparisons, Console(highlight=False))


def _read_models(paths: Paths, references: Sequence[str], last: int | None) -> list[RecordedModel]:
    from tempfile import TemporaryDirectory

    from headrace.comparison.recorded_model import read_recorded_model
    from headrace.comparison.references import find_models
    from headrace.tracking.served.result_files import ResultFiles
    from headrace.tracking.served.result_index import open_index
    from headrace.tracking.uri import check_tracking_uri

    name = _read_name(paths)
    check_tracking_uri(paths)
    stored = find_models(open_index(paths), references, last, name)
    with TemporaryDirectory(prefix="headrace-") as scratch:
        files = ResultFiles(paths, Path(scratch))
        return [read_recorded_model(files, each, chr(ord("A") + at)) for at, each in enumerate(stored)]


def _print_json(models: Sequence[RecordedModel], comparisons: Sequence[Comparison]) -> None:
    import json

    from headrace.comparison.compare_models import describe_models

    content = {"models": describe_models(models), "comparisons": [each.to_json() for each in comparisons]}
    print(json.dumps(content, indent=2, default=str))  # noqa: T201


def _read_name(paths: Paths) -> str:
    from headrace.config import read_params
    from headrace.tracking.registry import DEFAULT_NAME

    return str((read_params(paths.params_path).get("register") or {}).get("name", DEFAULT_NAME))


def _check_page(page: Path | None) -> None:
    if page is None:
        return
    if page.is_dir() or not page.resolve().parent.is_dir():
        raise ConfigError(f"--page {page}: is not a file in an existing folder; give FILE.html")
