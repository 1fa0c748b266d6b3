from pathlib import Path

import pytest

from headrace.contracts import Column, Spec
from headrace.errors import DataError

SPEC = Spec(
    modality="table", task="regression", source="x", format="table", num_rows=3, target="price",
    columns=[Column(name="age", kind="numeric"), Column(name="day", kind="date", date_order="dmy")],
)  # fmt: skip


def test_spec_is_read_as_written(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    assert Spec.read(tmp_path) == SPEC


@pytest.mark.parametrize(
    ("text", "num_errors"), [("{", 1), ("[]", 1), ('{"modality": "image"}', 4), ('{"modality": "smell"}', 5)]
)
def test_read_of_an_invalid_spec_raises_one_line(tmp_path: Path, text: str, num_errors: int) -> None:
    (tmp_path / "spec.json").write_text(text)
    message = rf"^[^\n]*spec\.json: not a spec \({num_errors} errors\); run: dvc repro --force$"
    with pytest.raises(DataError, match=message):
        Spec.read(tmp_path)


def test_read_of_a_missing_spec_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"spec\.json: no such file; run the stages before this one: dvc repro$"):
        Spec.read(tmp_path)
