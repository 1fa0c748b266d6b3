"""`headrace sync`; tests/tracking/test_sender.py has it after an outage."""

import pytest

from headrace.commands.remote.sync import sync_outbox
from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.outbox import open_outbox


def test_sync_with_nothing_to_send(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sync_outbox(Paths(tmp_path))
    assert capsys.readouterr().out == f"sent 0 events to sqlite:///{tmp_path}/mlflow.db; none are left\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_sync_without_a_server_says_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    paths = Paths(tmp_path)
    open_outbox(paths).append({"kind": "stage"})
    with pytest.raises(TrackingError) as caught:
        sync_outbox(paths)
    assert "; start that server, or unset the variable (1 events wait in .headrace/outbox/server-" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(open_outbox(paths).read_pending()) == 1


def test_sync_names_what_is_left_for_other_servers(tmp_path, monkeypatch, capsys):
    paths = Paths(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    open_outbox(paths).append({"kind": "stage"})
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    sync_outbox(paths)
    assert "1 events for another MLFLOW_TRACKING_URI or MLFLOW_EXPERIMENT_NAME are left: .headrace/outbox/server-" in (
        capsys.readouterr().out
    )
