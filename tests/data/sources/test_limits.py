import pytest

from headrace.data.sources.limits import FREE_BYTES, SourceLimits, UnpackBudget
from headrace.errors import DataError


def test_budget_refuses_one_entry_too_many() -> None:
    budget = UnpackBudget(SourceLimits(max_files=2), 100, "a set")
    budget.add_entry()
    budget.add_entry()
    with pytest.raises(DataError, match="^a set: contains more than 2 files and folders, .* raise ingest.max_files"):
        budget.add_entry()


def test_budget_refuses_one_byte_too_many() -> None:
    budget = UnpackBudget(SourceLimits(max_bytes=1000), 100, "a set")
    budget.add_bytes(600)
    budget.add_bytes(400)
    with pytest.raises(DataError, match="^a set: unpacks to more than 1,000 bytes, .* raise ingest.max_gib"):
        budget.add_bytes(1)


@pytest.mark.parametrize(("packed_bytes", "allowed"), [(10, FREE_BYTES), (FREE_BYTES, 3 * FREE_BYTES)])
def test_budget_refuses_a_high_ratio_above_the_free_bytes(packed_bytes: int, allowed: int) -> None:
    budget = UnpackBudget(SourceLimits(max_ratio=3), packed_bytes, "a set")
    budget.add_bytes(allowed)
    with pytest.raises(DataError, match=f"unpacks to more than 3 times its {packed_bytes:,} bytes, .* unpack it your"):
        budget.add_bytes(1)
