"""`headrace lineage` and `headrace reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import GateError
from headrace.paths import Paths

MODEL_HELP = "A version (3, @champion, models:/NAME/3) or a run."


def lineage(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where a model comes from: data, code, commit, settings, environment, metrics."""
    from headrace.reproduction.origin import show_lineage

    print(show_lineage(Paths(Path.cwd()), model, as_json=as_json))  # noqa: T201


def reproduce(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Even if it was trained with uncommitted changes.")] = False,
) -> None:
    """Train a model again from its commit, and say whether weights and metrics are equal; exit code 3 if not."""
    from headrace.reproduction.reproduce import reproduce_model

    is_equal, lines = reproduce_model(Paths(Path.cwd()), model, is_forced=force)
    print("\n".join(lines))  # noqa: T201
    if not is_equal:
        raise typer.Exit(GateError.exit_code)
