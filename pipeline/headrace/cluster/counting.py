"""How far the work on rows has come: a bar with rows a second and the time left, where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator


def counted(results: Iterable[T], num_rows: list[int], title: str) -> Iterator[T]:
    """Passes results on and counts their rows; `num_rows` is by result. Without a title or a terminal: in silence."""
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    if not title or not console.is_terminal:
        yield from results
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(f"{title:<10}"), BarColumn(16), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=sum(num_rows), rate="")
        for result, size in zip(results, num_rows, strict=False):
            yield result
            bar.advance(task, size)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:,.0f} rows/s" if speed else "")
