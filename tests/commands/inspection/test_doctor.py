import json
from pathlib import Path

import pytest

from headrace import __version__
from headrace.commands.inspection import doctor
from headrace.commands.inspection.check import Check
from headrace.commands.inspection.doctor import run_checks, show_checks
from headrace.paths import Paths

OK, LOW, BAD = (
    Check("python", "ok", "3.13"),
    Check("disk", "warning", "low", "free"),
    Check("dvc", "error", "no", "get"),
)


def test_checks_of_a_folder_have_different_names_and_one_line_each(tmp_path: Path) -> None:
    checks = list(run_checks(Paths(tmp_path)))
    assert len({check.name for check in checks}) == len(checks) == 13
    assert not [check for check in checks if "\n" in check.detail + check.remedy]


@pytest.mark.parametrize(("checks", "code"), [([OK], 0), ([OK, LOW], 0), ([OK, LOW, BAD], 1)])
def test_exit_code_is_1_only_for_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], checks: list[Check], code: int
) -> None:
    monkeypatch.setattr(doctor, "run_checks", lambda paths: checks)
    assert show_checks(Paths(tmp_path), as_json=False) == code
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[check.state, check.name] for check in checks]
    assert show_checks(Paths(tmp_path), as_json=True) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"headrace": __version__, "ok": not code, "checks": [check.to_json() for check in checks]}
    assert all(("; free" in line) == ("disk" in line) for line in lines)
