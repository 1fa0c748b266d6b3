from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace.commands.source.inspect import SourceSummary, inspect_source
from headrace.commands.source.write import WIDTH, write_params
from headrace.config import read_params
from headrace.contracts import ModalityName, Spec, TaskName
from headrace.paths import Paths
from headrace.settings.load import SECTIONS, check_data_kind, load_settings


def summarize(modality: ModalityName, task: TaskName, num_rows: int, **facts: Any) -> SourceSummary:
    spec = Spec(modality=modality, task=task, source="x", format="table", num_rows=0, target=facts.pop("target", "y"))
    values = {"is_complete": True, "class_shares": {}, "image_sides": [], "has_one_size": False} | facts
    return SourceSummary(spec, num_rows, **values)


@pytest.mark.parametrize("modality", ["image", "text", "table"])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize("num_rows", [60, 3_000, 50_000])
def test_settings_are_valid_for_any_data(modality: ModalityName, task: TaskName, num_rows: int, tmp_path: Path) -> None:
    summary = summarize(modality, task, num_rows, image_sides=[74, 500])
    text = write_params(summary, source="/data/a", targets=[], name="a")
    assert all(len(line) <= WIDTH for line in text.splitlines())
    (tmp_path / "params.yaml").write_text(text)
    sections = load_settings(Paths(tmp_path))
    check_data_kind(sections, summary.spec)
    assert list(read_params(tmp_path / "params.yaml")) == list(SECTIONS)


@pytest.mark.parametrize("source", ["/data/Größe: 5 #1.csv", "/data/it's", '/data/"x"', "/a/\x85.csv", "yes", "./1e5"])
@pytest.mark.parametrize("target", ["null", "1.5", "Preis in €, brutto", "a: b", "{x}", "y"])
def test_names_are_read_back_as_they_are(source: str, target: str) -> None:
    text = write_params(summarize("table", "regression", 10, target=target), source=source, targets=[], name="on")
    for reader in (YAML(typ="safe", pure=True), YAML(typ="safe")):
        params = reader.load(text)
        assert (params["ingest"]["source"], params["ingest"]["target"]) == (source, target)
        assert params["register"]["name"] == "on"


def test_guesses_stand_beside_the_settings_in_short_lines(tmp_path: Path) -> None:
    rows = "".join(
        f"{i % 7};{i * 1.25:.2f};{('red', 'blue')[i % 2]};{i * 3.5:.2f}\n".replace(".", ",") for i in range(90)
    )
    (tmp_path / "a.csv").write_text("anzahl;größe;farbe;preis\n" + rows, encoding="cp1252")
    summary = inspect_source(str(tmp_path / "a.csv"), ["preis"], Paths(tmp_path))
    text = write_params(summary, source="a.csv", targets=["preis"], name="a")
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "# delimiter: cells are separated by ';'; to change it: ingest.table.delimiter" in text
    assert "read as cp1252" in text
    assert "all 90 rows of a table: regression" in text


@pytest.mark.parametrize(
    ("facts", "size", "blocks"),
    [
        ({"image_sides": [28] * 9, "has_one_size": True}, None, [16, "pool", 32, "pool"]),
        ({"image_sides": [28] * 9, "has_one_size": True, "is_complete": False}, 28, [16, "pool", 32, "pool"]),
        ({"image_sides": [40, 50, 500]}, 50, [16, "pool", 32, "pool", 64, "pool"]),
        ({"image_sides": [300] * 9, "has_one_size": True}, 64, [16, "pool", 32, "pool", 64, "pool", 128, "pool"]),
    ],
)
def test_network_fits_the_image_size(facts: dict[str, Any], size: int | None, blocks: list[Any]) -> None:
    summary = summarize("image", "classification", 60, target="", **facts)
    params = YAML(typ="safe").load(write_params(summary, source="photos", targets=[], name="a"))
    assert params["normalize"]["image_size"] == size
    assert params["train"]["model"]["blocks"] == blocks
    assert "target" not in params["ingest"]


def test_gate_is_a_lead_over_the_largest_class() -> None:
    summary = summarize("table", "classification", 900, class_shares={"no": 0.95, "yes": 0.05})
    params = YAML(typ="safe").load(write_params(summary, source="a.csv", targets=[], name="a"))
    assert params["validate"] == {"gate": {"over_prior": {"min": 0.01, "min_rows": 30}}}
    assert params["clean"] == {"checks": {"rare_class": "drop"}}
