"""`headrace sync`: sends what an outage left in the outbox."""

from __future__ import annotations

from headrace.paths import Paths
from headrace.tracking.launch import wait_until_sent
from headrace.tracking.outbox import find_outboxes, open_outbox
from headrace.tracking.uri import check_tracking_uri, remove_credentials, tracking_uri


def sync_outbox(paths: Paths) -> None:
    """Sends all events for the current destination; raises TrackingError, with their number, if that fails."""
    check_tracking_uri(paths)
    number = wait_until_sent(paths)
    print(f"sent {number:,} events to {remove_credentials(tracking_uri(paths))}; none are left")  # noqa: T201
    current = open_outbox(paths).folder
    for outbox in find_outboxes(paths):
        left = len(outbox.read_pending())
        if left and outbox.folder != current:
            name = outbox.folder.relative_to(paths.tracking_root)
            print(f"{left:,} events for another MLFLOW_TRACKING_URI or MLFLOW_EXPERIMENT_NAME are left: {name}")  # noqa: T201
