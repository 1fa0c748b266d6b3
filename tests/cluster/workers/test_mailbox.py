from pathlib import Path

from headrace.cluster.workers.mailbox import Mailbox
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings


def test_mailbox_returns_each_event_once_in_order(tmp_path: Path) -> None:
    job = FitJob(tmp_path, tmp_path, ResolvedTrainSettings(model={"name": "mlp"}))
    mailbox = Mailbox(job.to_json())
    for step in (1, 2):
        mailbox.put({"kind": "step", "step": step})
    mailbox.request_resources(resources=[{"CPU": 1}])
    mailbox.cancel_request(requester_id="train")
    assert [event["step"] for event in mailbox.take()] == [1, 2]
    assert mailbox.take() == []
