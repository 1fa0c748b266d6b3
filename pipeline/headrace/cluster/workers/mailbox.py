"""The actor on the caller's node: events of rank 0 on their way to the caller, and the caller's files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from headrace.cluster.session import is_attached
from headrace.cluster.workers.caller_files import CallerFiles
from headrace.contracts import Json
from headrace.runtime import is_plain
from headrace.training.fit import FitJob
from headrace.training.reporting.events import Event, Observer

SECONDS_BETWEEN_POLLS = 0.3
COORDINATOR = "AutoscalingCoordinator"
"""Ray's name, and namespace, of the actor that requests nodes from a cluster's autoscaler."""


class Mailbox(CallerFiles):
    """An actor on the caller's node: it holds rank 0's events until the caller takes them, and serves the files."""

    def __init__(self, job: Json) -> None:
        """Starts without events; `job`: of `FitJob.to_json`."""
        super().__init__(job)
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Adds an event."""
        self._events.append(event)

    def take(self) -> list[Event]:
        """Returns the events since the last call."""
        events, self._events = self._events, []
        return events

    def request_resources(self, **_: Any) -> None:
        """Ignores Ray Train's request for nodes, since a session on one machine cannot grow; see `create_mailbox`."""

    def cancel_request(self, **_: Any) -> None:
        """Ignored, like `request_resources`."""


def create_mailbox(job: FitJob) -> Any:
    """Creates the actor. In a session on this machine it also takes the place of Ray Train's autoscaling coordinator.

    Ray Train waits for the coordinator before it starts any worker, which costs a process and more than a second. If
    Ray renames it, Ray starts its own. HEADRACE_PLAIN=1 leaves it to Ray. On a cluster it runs on the caller's node, so
    that the loss of another node does not end it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor = ray.remote(num_cpus=0)(Mailbox)
    if not is_attached() and not is_plain():
        with suppress(ValueError):  # an earlier training of this session has the name
            return actor.options(name=COORDINATOR, namespace=COORDINATOR).remote(job.to_json())
    here = ray.get_runtime_context().get_node_id()
    return actor.options(scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)).remote(job.to_json())


@contextmanager
def deliver_events(mailbox: Any, observer: Observer) -> Iterator[None]:
    """Passes events to the observer while the block runs, and the remaining ones at its end."""
    import ray

    ended = threading.Event()

    def deliver() -> None:
        with suppress(ray.exceptions.RayError):  # a lost mailbox loses events, not the training
            while not ended.wait(SECONDS_BETWEEN_POLLS):
                _notify(observer, ray.get(mailbox.take.remote()))
            _notify(observer, ray.get(mailbox.take.remote(), timeout=10))

    thread = threading.Thread(target=deliver, name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)


def _notify(observer: Observer, events: list[Event]) -> None:
    for event in events:
        if event["kind"] != "end":
            observer(event)
