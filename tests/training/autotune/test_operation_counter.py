import torch

from headrace.training.autotune.operation_counter import OperationCounter, avoid_dynamo_import


def test_counter_counts_every_operation_and_leaves_its_result() -> None:
    x = torch.tensor([1.0, 2.0])
    with OperationCounter() as operations:
        result = (x + 1).mul(2).sum()
    assert operations.count == 3
    assert result == 10


def test_avoid_dynamo_import_fills_an_empty_cache_only() -> None:
    def wrapped() -> None:
        """Stands for a method before torch wraps it."""

    class Owner:
        def method(self) -> None:
            """Stands for the wrapper."""

    Owner.method.__wrapped__ = wrapped  # type: ignore[attr-defined]
    avoid_dynamo_import(Owner)
    assert vars(wrapped) == {"__dynamo_disable": wrapped}
    wrapped.__dict__["__dynamo_disable"] = "cached by torch"
    avoid_dynamo_import(Owner)
    assert vars(wrapped) == {"__dynamo_disable": "cached by torch"}
