"""The one progress bar for long work. It is drawn on stderr, and only where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol


class ProgressUpdate(Protocol):
    """Moves the bar; a new description replaces the one before."""

    def __call__(self, completed: int, description: str | None = None) -> None:
        """`completed` counts from the start of the work, in the bar's unit."""
        ...


def has_terminal() -> bool:
    """Whether a progress bar would be visible."""
    from rich.console import Console

    return Console(file=sys.stderr).is_terminal


@contextmanager
def progress_bar(
    description: str, total: int | None, unit: Literal["bytes", "epochs", "rows"]
) -> Iterator[ProgressUpdate]:
    """Yields the function that moves the bar; without a terminal it does nothing. Only the bar of epochs stays."""
    if not has_terminal():
        yield lambda completed, description=None: None  # noqa: ARG005 the names are part of the protocol
        return
    from rich import progress
    from rich.console import Console

    text = progress.TextColumn("{task.description}")
    rate = progress.TextColumn("{task.fields[rate]}")
    columns: dict[str, tuple[progress.ProgressColumn, ...]] = {
        "bytes": (text, progress.BarColumn(16), progress.DownloadColumn(), progress.TransferSpeedColumn()),
        "epochs": (progress.BarColumn(8), text, progress.TimeElapsedColumn()),
        "rows": (text, progress.BarColumn(16), progress.MofNCompleteColumn(), rate, progress.TimeRemainingColumn()),
    }
    console = Console(file=sys.stderr, highlight=False)
    with progress.Progress(*columns[unit], console=console, transient=unit != "epochs") as bar:
        task = bar.add_task(description, total=total, rate="")

        def update(completed: int, description: str | None = None) -> None:
            speed = bar.tasks[0].speed
            rows_per_second = f"{speed:,.0f} rows/s" if speed else ""
            bar.update(task, completed=completed, description=description, rate=rows_per_second)

        yield update
