"""What `headrace lineage` prints, as text and as JSON."""

import json

import pytest

from headrace.errors import ConfigError
from headrace.reproduction.origin import UNKNOWN, Origin, describe_origin, show_lineage
from headrace.tracking.served.result_index import StoredResult
from tests.comparison.stored_models import make_record

GATES = {"validate": {"rules": [{"rule": "validate.gate.accuracy.min", "verdict": "passed"}]}}
SETTINGS = {"train": {"learning_rate": 0.003, "seed": 7, "model": {"name": "cnn"}}, "split": {"counts": [None, 5, 5]}}
METRICS = {
    "ingest": {"rows": 3340},
    "clean": {"rows_out": 3290},
    "split": {"train": 2630, "val": 330, "test": 330},
    "test": {"accuracy": 0.875, "accuracy_low": 0.8},
}
STORED = StoredResult("birds", 1, ("champion",), "", "0123", "cnn-1", "")


def make_origin(**changes):
    return Origin(STORED, make_record(settings=SETTINGS, metrics=METRICS, weights="f" * 64, **changes), GATES)


def split_lines(text):
    title, *lines = text.splitlines()
    return title, {name.strip(): value.strip() for name, _, value in (line.partition("  ") for line in lines)}


def test_lineage_names_everything_that_a_model_depends_on():
    title, lines = split_lines(describe_origin(make_origin()))
    assert title == "birds version 1 (champion), run cnn-1"
    assert lines["data/raw"] == "a" * 32
    assert lines["rows"] == "3,340 ingested, 3,290 accepted, 2,630 train, 330 val, 330 test"
    assert lines["commit"] == f"{'c' * 40} without uncommitted changes"
    assert lines["run"] == "cnn-1 0123"
    assert lines["weights"] == f"sha256 {'f' * 64}"
    assert lines["seed"] == "7"
    assert lines["environment"].startswith("Python 3.11.7, ")
    assert lines["environment"].endswith("torch 2.13.0")
    assert lines["test/accuracy"] == "0.875"
    assert lines["validate.gate.accuracy.min"] == "passed (validate)"
    assert lines["train.learning_rate"] == "0.003"
    assert lines["split.counts"] == "[null, 5, 5]"


def test_lineage_of_uncommitted_changes_and_own_modules():
    lineage = {"code": "e" * 64, "model_code": {"my_nets": "d" * 64}, "git_commit": "c" * 40, "git_dirty": True}
    _, lines = split_lines(describe_origin(make_origin(lineage=lineage)))
    assert lines["commit"].endswith(" with uncommitted changes")
    assert (lines["code"], lines["code of my_nets"]) == ("e" * 64, "d" * 64)


def test_lineage_as_json_has_all_settings_metrics_and_gates():
    origin = make_origin()
    values = json.loads(json.dumps(origin.to_json()))
    assert (values["name"], values["version"], values["aliases"]) == ("birds", 1, ["champion"])
    assert (values["metrics"], values["settings"], values["gates"]) == (METRICS, SETTINGS, GATES)
    assert values["rows"] == {"ingested": 3340, "accepted": 3290, "train": 2630, "val": 330, "test": 330}
    assert values["code_by_stage"] == origin.record["code"]
    assert (values["commit"], values["is_dirty"], values["seed"]) == ("c" * 40, False, 7)


def test_lineage_is_read_from_the_registry(pets):
    values = json.loads(show_lineage(pets, "models:/pets@champion", as_json=True))
    assert (values["version"], values["settings"]["train"]["learning_rate"]) == (1, 0.001)
    assert values["run"]["name"] == "cnn-1"
    assert values["metrics"]["quantize"]["int8_bytes"] == 127_000


def test_lineage_says_what_was_not_recorded():
    _, lines = split_lines(describe_origin(Origin(STORED._replace(run_id=""), {}, {})))
    assert {lines[name] for name in ("rows", "code", "commit", "run", "weights", "seed", "environment")} == {UNKNOWN}


def test_lineage_of_an_unknown_version_is_one_line(pets):
    with pytest.raises(ConfigError, match=r"^9: the registry has no version 9 of pets; it has 3, 2, 1$"):
        show_lineage(pets, "9", as_json=False)
