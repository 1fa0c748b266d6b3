from headrace.commands.report import write_run_report
from headrace.paths import Paths


def test_report_is_written_from_an_unfinished_run(tmp_path):
    (tmp_path / "params.yaml").write_text("register: {name: birds, intended_use: Counting birds.}\n")
    paths = Paths(tmp_path)
    assert write_run_report(paths) == ["reports/index.html", "reports/model_card.md"]
    assert "For: Counting birds." in paths.report_path.read_text()
    assert "birds" in paths.model_card_path.read_text()
