import pytest

from headrace.commands.inspection.check import Check


def test_check_as_json_has_its_fields_by_name() -> None:
    check = Check("disk", "warning", "1.0 GB free", "free space")
    assert check.to_json() == {
        "name": "disk", "state": "warning", "detail": "1.0 GB free", "remedy": "free space",
    }  # fmt: skip


@pytest.mark.parametrize(("state", "remedy"), [("ok", "free space"), ("warning", ""), ("error", "")])
def test_check_with_a_problem_has_a_remedy_and_only_then(state: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"^disk: "):
        Check("disk", state, "full", remedy)  # type: ignore[arg-type]
