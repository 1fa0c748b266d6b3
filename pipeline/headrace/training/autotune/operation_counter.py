"""Counts torch's operations while a block runs."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation that reaches a device; see "Extending PyTorch" in torch's documentation."""

    def __init__(self) -> None:
        """Begins at 0."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operation as it is."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def never_compiled(*owners: type) -> None:
    """Lets the methods of these classes run without asking `torch._dynamo` first.

    torch wraps some in `torch._disable_dynamo`, to keep the compiler away from them, which imports it at the first
    call: a second of work. It keeps the answer on the function; given beforehand, nothing is imported. Should torch
    name that otherwise some day, the import is back, and nothing else.
    """
    for owner in owners:
        for method in vars(owner).values():
            inside = getattr(method, "__wrapped__", None)
            if inside is not None:
                inside.__dict__.setdefault("__dynamo_disable", inside)
