"""The progress bar: what it shows on a terminal, and silence without one."""

import pytest

from headrace.terminal import has_terminal, progress_bar


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then treats stderr as a terminal
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("unit", "total", "shown"),
    [("bytes", 4_000_000, "2.0/4.0 MB"), ("rows", 4_000_000, "2000000/4000000"), ("epochs", 4_000_000, "new")],
)
def test_progress_bar_shows_position_and_description(
    capsys: pytest.CaptureFixture[str], unit: str, total: int, shown: str
) -> None:
    with progress_bar("old", total, unit) as update:
        update(2_000_000, "new")
    out, err = capsys.readouterr()
    assert out == ""
    assert shown in err
    assert "new" in err
    assert err.endswith("\x1b[2K") == (unit != "epochs"), "only the bar of epochs stays"


def test_progress_bar_without_a_terminal_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert not has_terminal()
    with progress_bar("rows", 3, "rows") as update:
        update(3)
        update(3, "done")
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_progress_bar_of_unknown_length_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert has_terminal()
    with progress_bar("download", None, "bytes") as update:
        update(1_000)
    assert "1.0/? kB" in capsys.readouterr().err
