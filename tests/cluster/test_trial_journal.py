"""The journal: what an interrupted search finds again, and what Ray Tune reports into it."""

from types import SimpleNamespace

from headrace.cluster.hyperparameter_search import Search
from headrace.cluster.trial_journal import Journal
from headrace.training.search.trials import ERROR

WANTED = Search([{"seed": 0}, {"seed": 1}, {"seed": 2}], 2, 1, 2, "val_loss")
EPOCH = {"epoch": 1, "val_loss": 0.5, "val_accuracy": 0.75}


def trial(index, error_file=None):
    return SimpleNamespace(trial_id=f"t{index}", config={"index": index}, error_file=error_file)


def test_journal_of_an_interrupted_search_has_its_finished_trials(tmp_path):
    journal = Journal(tmp_path, WANTED, lambda _: None)
    journal.add(0, EPOCH)
    journal.add(1, EPOCH | {"epoch": 1, "val_loss": 0.25, "step": 7})
    journal.close(1)
    assert journal.open_trials() == [0, 2]

    reports = []
    resumed = Journal(tmp_path, WANTED, reports.append)
    assert resumed.open_trials() == [0, 2], "the epochs of an unfinished trial are lost"
    assert resumed.histories() == {1: [{"epoch": 1, "val_loss": 0.25, "val_accuracy": 0.75}]}
    assert reports == []
    for index in (2, 0):
        resumed.add(index, EPOCH)
        resumed.close(index)
    assert resumed.open_trials() == []
    assert [entry["settings"]["seed"] for entry in resumed.trials()] == [0, 1, 2]
    assert [entry["index"] for entry in reports] == [2, 0]


def test_trial_whose_file_is_damaged_is_repeated(tmp_path, caplog):
    journal = Journal(tmp_path, WANTED, lambda _: None)
    for index in (0, 1):
        journal.add(index, EPOCH)
        journal.close(index)
    path = tmp_path / "0001.json"
    path.write_text(path.read_text().replace("0.5", "0.1"))
    assert Journal(tmp_path, WANTED, lambda _: None).open_trials() == [1, 2]
    (line,) = caplog.messages
    assert line.startswith(f"{path}: damaged")
    assert line.endswith("; the trial is repeated")


def test_callback_records_results_user_errors_and_crashes(tmp_path):
    journal = Journal(tmp_path / "journal", WANTED, lambda _: None)
    callback = journal.callback()
    callback.on_trial_result(1, [], trial(0), EPOCH)
    callback.on_trial_complete(1, [], trial(0))
    callback.on_trial_result(1, [], trial(1), {ERROR: "params.yaml: train: wrong", "val_loss": float("nan")})
    callback.on_trial_complete(1, [], trial(1))
    error_file = tmp_path / "error.txt"
    error_file.write_text("Traceback (most recent call last):\n  File ...\nRuntimeError: odd\n\n")
    callback.on_trial_error(1, [], trial(2, str(error_file)))
    first, second, third = journal.trials()
    assert (first["status"], first["metrics"]["val_loss"]) == ("FINISHED", 0.5)
    assert (second["status"], second["error"]) == ("FAILED", "params.yaml: train: wrong")
    assert (third["status"], third["error"]) == ("FAILED", "RuntimeError: odd")


def test_callback_records_a_lost_process(tmp_path):
    journal = Journal(tmp_path, WANTED, lambda _: None)
    journal.callback().on_trial_error(1, [], trial(0))
    assert journal.trials()[0]["error"] == "its process was lost"
