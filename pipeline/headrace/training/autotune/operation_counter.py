"""Counts torch operations while a block runs."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from headrace.runtime import is_plain


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation that reaches a device; see "Extending PyTorch" in torch's documentation."""

    def __init__(self) -> None:
        """Starts at 0."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operation unchanged."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def avoid_dynamo_import(*classes: type) -> None:
    """Lets the methods of these classes run without importing `torch._dynamo`, which takes a second.

    torch wraps some methods in `torch._disable_dynamo`, to keep the compiler away from them. The wrapper imports
    dynamo at the first call and caches the result on the function; with the cache filled in advance, nothing is
    imported. If torch renames that attribute, dynamo is imported again, and nothing else changes.
    """
    if is_plain():
        return
    for owner in classes:
        for method in vars(owner).values():
            wrapped = getattr(method, "__wrapped__", None)
            if wrapped is not None:
                wrapped.__dict__.setdefault("__dynamo_disable", wrapped)
