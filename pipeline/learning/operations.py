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
