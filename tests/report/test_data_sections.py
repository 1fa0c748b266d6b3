import hashlib
import json

from headrace.report.data_sections import describe_cleaning, describe_data, describe_training, draw_history
from headrace.report.run_files import RunFiles


def facts(section):
    return {row[0]: row[1] for row in section.tables[0].rows}


def test_data_are_described_with_their_hashes(complete):
    described = facts(describe_data(RunFiles(complete)))
    assert described["source"] == "reviews.csv"
    assert described["classes"] == "<bad>, good"
    assert described["train, validation, test rows"] == "20, 10, 10"
    assert (described["hash of data/raw"], described["hash of data/normalized"]) == ("aaa.dir", "bbb.dir")


def test_data_name_the_contract_to_which_they_were_held(complete):
    assert facts(describe_data(RunFiles(complete)))["contract"].startswith("none: later data may have other columns")
    complete.quarantine_dir.mkdir(parents=True, exist_ok=True)
    complete.held_contract_path.write_bytes(b"columns: {}")
    described = facts(describe_data(RunFiles(complete)))["contract"]
    assert described.startswith(f"contract.yaml, SHA-256 {hashlib.sha256(b'columns: {}').hexdigest()};")


def test_assumptions_are_listed_with_those_to_check_first(complete):
    assert len(describe_data(RunFiles(complete)).tables) == 1
    remark = {"stage": "ingest", "subject": "header", "text": "a line of names", "setting": "a", "is_warning": False}
    doubtful = {**remark, "subject": "encoding", "text": "a guess", "setting": "b", "is_warning": True}
    complete.assumptions_path.write_text(json.dumps({"assumptions": [remark, doubtful]}))
    table = describe_data(RunFiles(complete)).tables[1]
    assert table.rows == [["encoding", "check: a guess", "b"], ["header", "a line of names", "a"]]


def test_cleaning_lists_the_checks_that_found_rows(complete):
    section = describe_cleaning(RunFiles(complete))
    assert "Of 44 rows, 4 were set aside" in section.sentences[0]
    assert [tuple(row[:3]) for row in section.tables[0].rows] == [
        ("duplicate", "quarantined", "4"),
        ("label_error", "warned", "2"),
    ]
    assert section.links[0].address == "clean.html"


def test_cleaning_without_its_page_has_no_link(complete):
    complete.clean_report_path.unlink()
    assert not describe_cleaning(RunFiles(complete)).links


def test_training_shows_settings_and_curves(complete):
    section = describe_training(RunFiles(complete))
    assert facts(section)["model"] == "text_mean (width 8, dense 16)"
    assert facts(section)["optimizer"] == "adam"
    assert facts(section)["loss"] == "cross_entropy (auto)"
    assert facts(section)["weights of epoch"] == "1", "counted from 1, as in the curves"
    assert [(chart.title, list(chart.curves)) for chart in section.charts] == [
        ("Loss", ["train rows", "validation rows"]),
        ("Learning rate", ["learning rate"]),
    ]


def test_training_shows_the_encoder_of_texts(complete):
    path = complete.trained_dir / "bundle.json"
    card = json.loads(path.read_text())
    encoder = {"name": "rnn", "width": 32}
    path.write_text(json.dumps(card | {"model": {"name": "mlp", "dense": [16], "text_encoder": encoder}}))
    described = facts(describe_training(RunFiles(complete)))["model"]
    assert described == "mlp (dense 16, text_encoder rnn (width 32))"


def test_history_with_empty_cells_is_drawn_without_them():
    (chart,) = draw_history([{"epoch": "0", "val_loss": "2"}, {"epoch": "1", "val_loss": ""}])
    assert chart.curves["validation rows"].count(",") == 1


def test_stages_that_have_not_run_are_named(complete):
    for stage in ("ingest", "clean", "train"):
        complete.metrics_path(stage).unlink()
    run = RunFiles(complete)
    assert describe_data(run).missing == "Stage ingest, which writes data/raw, has not run to its end."
    assert describe_cleaning(run).missing.startswith("Stage clean")
    assert describe_training(run).missing.startswith("Stage train")
