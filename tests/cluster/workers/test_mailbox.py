from headrace.cluster.workers.mailbox import Mailbox


def test_mailbox_returns_each_event_once_in_order() -> None:
    mailbox = Mailbox()
    for step in (1, 2):
        mailbox.put({"kind": "step", "step": step})
    mailbox.request_resources(resources=[{"CPU": 1}])
    mailbox.cancel_request(requester_id="train")
    assert [event["step"] for event in mailbox.take()] == [1, 2]
    assert mailbox.take() == []
