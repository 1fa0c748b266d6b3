"""One progress bar for all workers, from the events of rank 0; without a terminal, one line per epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.tasks.metrics import metric_info
from headrace.terminal import has_terminal, progress_bar
from headrace.training.reporting.events import Event, Observer, validation_metrics


@contextmanager
def progress(num_epochs: int, num_workers: int) -> Iterator[Observer]:
    """Yields an observer that shows events on the terminal."""
    if not has_terminal():
        yield lambda event: print(_line(event, num_epochs), flush=True) if event["kind"] == "epoch" else None  # noqa: T201
        return
    start = f"starting {num_workers} workers" if num_workers else "starting"
    with progress_bar(start, num_epochs, "epochs") as update:
        last: Event = {}

        def show(event: Event) -> None:
            last.update(event)
            num_done = event["epoch"] + (1 if event["kind"] == "epoch" else 0)
            update(num_done, _short(last, num_epochs))

        yield show


def _short(last: Event, num_epochs: int) -> str:
    """The latest metrics, in less than a terminal's 80 columns."""
    metrics = validation_metrics(last)
    validation = "".join(f" {value:{metric_info(name).short_format}}" for name, value in metrics.items())
    loss = last.get("loss", last.get("train_loss"))
    return (
        f"{last['epoch'] + 1}/{num_epochs} loss {loss:.3f}{' val' if metrics else ''}{validation}"
        f" lr {last['learning_rate']:.0e} {last['samples_per_second']:,.0f} samples/s"
    )


def _line(event: Event, num_epochs: int) -> str:
    parts = [f"epoch {event['epoch'] + 1}/{num_epochs}", f"step {event['step']}"]
    if "train_loss" in event:
        parts.append(f"loss {event['train_loss']:.3f}")
    for name, value in validation_metrics(event).items():
        info = metric_info(name)
        parts.append(f"val {info.label} {value:{info.format}}")
    return "  ".join([*parts, f"lr {event['learning_rate']:.1e}", f"{event['samples_per_second']:,.0f} samples/s"])
