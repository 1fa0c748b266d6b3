"""One progress bar for all workers, from what rank 0 tells; a line an epoch where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.training.reporting.events import Event, Observer


@contextmanager
def progress(num_epochs: int, num_workers: int) -> Iterator[Observer]:
    """Yields an observer that shows events on the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr, highlight=False)
    if not console.is_terminal:
        yield lambda event: print(_line(event, num_epochs), flush=True) if event["kind"] == "epoch" else None  # noqa: T201
        return
    columns = (BarColumn(8), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"starting {num_workers} workers" if num_workers else "starting", total=num_epochs)
        last: Event = {}

        def show(event: Event) -> None:
            last.update(event)
            done = event["epoch"] + (1 if event["kind"] == "epoch" else 0)
            bar.update(task, completed=done, description=_short(last, num_epochs))

        yield show


def _short(last: Event, num_epochs: int) -> str:
    """The newest figures of each kind, in less than a terminal's 80 columns."""
    validation = f" val {last['val_loss']:.3f} {_figure(last, digits=1)}" if "val_loss" in last else ""
    loss = last.get("loss", last.get("train_loss"))
    return (
        f"{last['epoch'] + 1}/{num_epochs} loss {loss:.3f}{validation} lr {last['learning_rate']:.0e} "
        f"{last['samples_per_second']:,.0f} samples/s"
    )


def _figure(event: Event, *, digits: int) -> str:
    """A share of right rows, or a mean error in the target's unit."""
    if "val_accuracy" in event:
        return f"{event['val_accuracy']:.{digits}%}"
    return f"{event['val_mae']:.{digits + 2}g}"


def _line(event: Event, num_epochs: int) -> str:
    figures = f"epoch {event['epoch'] + 1}/{num_epochs}  step {event['step']}"
    if "loss" in event:
        figures += f"  loss {event['loss']:.3f}"
    if "val_loss" in event:
        figures += f"  loss {event['train_loss']:.3f}  val loss {event['val_loss']:.3f}"
        figures += f"  val {'accuracy' if 'val_accuracy' in event else 'error'} {_figure(event, digits=2)}"
    return figures + f"  lr {event['learning_rate']:.1e}  {event['samples_per_second']:,.0f} samples/s"
