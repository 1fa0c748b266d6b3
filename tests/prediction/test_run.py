"""Batch prediction of a registered model: answers, rows set aside, interruption, engines and drift."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.contracts import Spec
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.prediction.run import PredictRequest, run_prediction
from headrace.storage.parquet import read_table
from tests.image_server import serve_images
from tests.projects import PRAISE, png, table_rows, text_rows, write_csv
from tests.serving import IMAGE, TABLE, TEXT, rows_as_json

KINDS = [*IMAGE, *TEXT, *TABLE, ("table", "regression")]


def write_input(paths, folder, raw):
    """The raw rows as a user has them: a folder of images, or a table."""
    if Spec.read(paths.normalized_dir).modality != "image":
        rows = rows_as_json(paths, raw)
        write_csv(folder / "new.csv", rows)
        return folder / "new.csv"
    (folder / "new").mkdir()
    for index, row in enumerate(raw):
        (folder / "new" / f"{index:05d}.png").write_bytes(row["image"])
    return folder / "new"


def predict(paths, source, output, **options):
    return run_prediction(PredictRequest(str(source), output, **options), paths)


@pytest.mark.slow
@pytest.mark.parametrize("registered", KINDS, indirect=True, ids="-".join)
def test_answers_are_those_of_the_server(registered, app, tmp_path):
    raw = read_table(registered.raw_dir).to_pylist()  # by class
    raw = raw[:: len(raw) // 150][:150]
    result = predict(registered, write_input(registered, tmp_path, raw), tmp_path / "out.parquet", has_drift=True)
    assert (result.version, result.num_rows, result.num_set_aside) == ("worth/1", 150, 0)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    body = {"dataframe_records": rows_as_json(registered, raw)}
    is_classification = Spec.read(registered.normalized_dir).task == "classification"
    served = app(body | ({"params": {"abstain": True}} if is_classification else {}))[1]["predictions"]
    assert [row["row"] for row in rows] == list(range(150))
    assert rows[16]["source"] in {"00016.png", "new.csv:18"}
    for row, answer in zip(rows, served, strict=True):
        assert row["reason"] is None
        for name, value in answer.items():
            assert row[name] == (value if isinstance(value, str | bool) else pytest.approx(value, abs=1e-6)), name
    assert {path.name for path in tmp_path.iterdir()} <= {"new", "new.csv", "out.parquet", "out.drift.json"}
    drift = json.loads((tmp_path / "out.drift.json").read_text())
    assert {column["verdict"] for column in drift["columns"]} == {"alike"}


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_rows_that_cannot_be_answered_are_set_aside_with_their_reason(registered, tmp_path):
    rows, _ = table_rows(6)
    rows[1]["size"], rows[2]["seen"], rows[4] = "much", "soon", dict.fromkeys(rows[4], "")
    write_csv(tmp_path / "new.csv", [{"id": str(index), **row} for index, row in enumerate(rows)])
    result = predict(registered, tmp_path / "new.csv", tmp_path / "out.csv", copied=("id",))
    assert (result.num_rows, result.num_set_aside) == (6, 3)
    assert result.example == "new.csv:3: column 'size': 'much' is not a number"
    with (tmp_path / "out.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    names = ["row", "source", "id", "label", "confidence", "abstain", "probability_high", "probability_low"]
    assert list(written[0]) == [*names, "reason", "version"]
    assert [row["reason"] for row in written] == [
        "",
        "column 'size': 'much' is not a number",
        "column 'seen': 'soon' is not a date",
        "",
        "no column has a value",
        "",
    ]
    assert [bool(row["label"]) for row in written] == [True, False, False, True, False, True]
    assert [row["id"] for row in written] == list("012345")
    with pytest.raises(DataError, match=r"^--strict: new\.csv:3: column 'size': 'much' is not a number; fix"):
        predict(registered, tmp_path / "new.csv", tmp_path / "strict.csv", is_strict=True)
    assert not list(tmp_path.glob("*strict*"))


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_inputs_that_are_no_input_are_refused_in_one_line(registered, tmp_path):
    write_csv(tmp_path / "new.csv", [{"Size": "1", "noise": "1", "colour": "red", "seen": ""}])
    (tmp_path / "empty.csv").write_text("size,noise,colour,seen\n")
    output = tmp_path / "out.parquet"
    with pytest.raises(DataError, match=r"new\.csv: has no column 'size', .* \(did you mean 'Size'\?\); correct its"):
        predict(registered, tmp_path / "new.csv", output)
    with pytest.raises(DataError, match=r"holds no rows"):
        predict(registered, tmp_path / "empty.csv", output)
    with pytest.raises(DataError, match=r"^input '.*gone\.csv': no such file or folder"):
        predict(registered, tmp_path / "gone.csv", output)
    with pytest.raises(ConfigError, match=r"must end in \.parquet or \.csv"):
        predict(registered, tmp_path / "new.csv", tmp_path / "out.txt")
    with pytest.raises(DataError, match=r"^--copy id: .* has no such column"):
        predict(registered, tmp_path / "empty.csv", output, copied=("id",))
    assert not output.exists()


@pytest.mark.slow
@pytest.mark.parametrize("registered", IMAGE, indirect=True, ids="-".join)
def test_images_are_read_from_folders_idx_files_tables_and_parquet(registered, tmp_path):
    raw = [row["image"] for row in read_table(registered.raw_dir).slice(0, 5).to_pylist()]
    (tmp_path / "new" / "deep").mkdir(parents=True)
    for index, image in enumerate([*raw, b"no image"]):
        (tmp_path / "new" / "deep" / f"{index}.png").write_bytes(image)
    predict(registered, tmp_path / "new", tmp_path / "folder.parquet")
    expected = pq.read_table(tmp_path / "folder.parquet")
    assert expected.column("source").to_pylist()[0] == "deep/0.png"
    assert expected.column("reason").to_pylist()[5].startswith("column 'image': cannot be decoded as an image (none of")
    write_csv(tmp_path / "list.csv", [{"file": f"new/deep/{index}.png"} for index in (0, 1, 2, 3, 4, 7)])
    predict(registered, tmp_path / "list.csv", tmp_path / "list.parquet", column="file")
    listed = pq.read_table(tmp_path / "list.parquet")
    assert listed.column("reason").to_pylist()[5] == "cannot be read (No such file or directory)"
    pq.write_table(read_table(registered.raw_dir).slice(0, 5).select(["image"]), tmp_path / "bytes.parquet")
    predict(registered, tmp_path / "bytes.parquet", tmp_path / "stored.parquet")
    pixels = np.stack([np.asarray(_open(image)) for image in raw])
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in pixels.shape)
    (tmp_path / "x-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    predict(registered, tmp_path / "x-images-idx3-ubyte", tmp_path / "idx.parquet")
    for name in ("list", "stored", "idx"):
        answers = pq.read_table(tmp_path / f"{name}.parquet").slice(0, 5)
        assert answers.select(["label", "confidence"]) == expected.slice(0, 5).select(["label", "confidence"])


@pytest.mark.slow
@pytest.mark.parametrize("registered", IMAGE, indirect=True, ids="-".join)
def test_urls_are_downloaded_and_archives_unpacked(registered, tmp_path, monkeypatch):
    raw = [row["image"] for row in read_table(registered.raw_dir).slice(0, 5).to_pylist()]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for index, image in enumerate(raw):
            file.writestr(f"new/{index}.png", image)
    with serve_images() as site:
        url = site.put("/new.zip", archive.getvalue())
        assert predict(registered, url, tmp_path / "zip.csv").num_rows == 5
        (tmp_path / "list.csv").write_text(f"file\n{site.put('/a.png', raw[0])}\n{site.url}/gone.png\n")
        result = predict(registered, tmp_path / "list.csv", tmp_path / "refused.csv", column="file")
        assert "127.0.0.1 is an address of this machine" in result.example
        monkeypatch.setattr(Paths, "params_path", tmp_path / "params.yaml")
        Paths(tmp_path).params_path.write_text("ingest: {allow_private_addresses: true}")
        result = predict(registered, tmp_path / "list.csv", tmp_path / "list.out.csv", column="file")
    assert result.example == "list.csv:3: cannot be read (the server responded with 404)"
    with (tmp_path / "zip.csv").open() as zipped, (tmp_path / "list.out.csv").open() as listed:
        first, other = next(csv.DictReader(zipped)), next(csv.DictReader(listed))
    assert first["confidence"] == other["confidence"]


def _open(image):
    return Image.open(io.BytesIO(image))


@pytest.mark.slow
@pytest.mark.parametrize("registered", TEXT, indirect=True, ids="-".join)
def test_texts_are_read_from_folders_and_tables(registered, tmp_path):
    texts = [row["text"] for row in text_rows(4)[0]]
    (tmp_path / "new").mkdir()
    for index, text in enumerate([*texts, " \n"]):
        (tmp_path / "new" / f"{index}.txt").write_text(text)
    predict(registered, tmp_path / "new", tmp_path / "folder.parquet")
    write_csv(tmp_path / "rows.csv", [{"review": text, "stars": "1"} for text in texts])
    predict(registered, tmp_path / "rows.csv", tmp_path / "table.parquet", column="review")
    folder, table = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("folder", "table"))
    assert folder.column("reason").to_pylist()[4].startswith("column 'text': ' \\n' is empty")
    assert folder.slice(0, 4).select(["label", "confidence"]) == table.select(["label", "confidence"])
    with pytest.raises(
        DataError, match=r"has no column 'text', which the model needs; .*, or name the column: --column"
    ):
        predict(registered, tmp_path / "rows.csv", tmp_path / "table.parquet")


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_killed_prediction_goes_on_and_ends_with_the_same_file(registered, tmp_path):
    rows, _ = table_rows(1000)
    with (tmp_path / "new.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for _ in range(250):
            writer.writerows(rows)
    command = [sys.executable, "-m", "headrace", "predict", "new.csv", "--model", registered_dir(registered), "-o"]
    process = subprocess.Popen([*command, "out.parquet"], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True)
    work_dir = tmp_path / ".out.parquet.headrace"
    while not list(work_dir.glob("part-*.parquet")):
        assert process.poll() is None, "it ended before it was killed: give it more rows"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out.parquet").exists()
    again = subprocess.run([*command, "out.parquet"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout.startswith("250,000 of 250,000 rows answered by worth/1, ")
    assert " of them before an interruption: out.parquet" in again.stdout
    assert not work_dir.exists()
    subprocess.run([*command, "whole.parquet"], cwd=tmp_path, capture_output=True, check=True)
    assert pq.read_table(tmp_path / "out.parquet") == pq.read_table(tmp_path / "whole.parquet")


def registered_dir(paths):
    return str(paths.tracking_root / json.loads(paths.registered_path.read_text())["files"])


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_answers_under_ray_are_the_same(registered, tmp_path):
    write_csv(tmp_path / "new.csv", table_rows(3000)[0])
    for engine in ("ray", "local"):
        predict(registered, tmp_path / "new.csv", tmp_path / f"{engine}.csv", engine=engine, has_drift=True)
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert (tmp_path / "ray.drift.json").read_bytes() == (tmp_path / "local.drift.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_drift_names_the_column_that_shifted(registered, tmp_path):
    rows, _ = table_rows(600, seed=5)
    for row in rows:
        row["size"] = f"{float(row['size']) + 2:.5f}"
    write_csv(tmp_path / "new.csv", rows)
    result = predict(registered, tmp_path / "new.csv", tmp_path / "out.csv", has_drift=True)
    verdicts = {(each.kind, each.column): each.verdict for each in result.drift}
    assert verdicts["input", "size"] == "strongly shifted"
    assert {verdicts["input", name] for name in ("noise", "colour", "seen")} == {"alike"}
    assert verdicts["answer", "label"] == "strongly shifted"
    assert result.drift[0].largest.startswith("above ")


@pytest.mark.slow
@pytest.mark.parametrize("registered", TEXT, indirect=True, ids="-".join)
def test_drift_of_texts_compares_their_length(registered, tmp_path):
    write_csv(tmp_path / "new.csv", [{"text": PRAISE[index % 3]} for index in range(60)])
    result = predict(registered, tmp_path / "new.csv", tmp_path / "out.csv", has_drift=True)
    assert {each.column: each.verdict for each in result.drift}["tokens"] == "strongly shifted"


@pytest.mark.slow
@pytest.mark.parametrize("registered", IMAGE, indirect=True, ids="-".join)
def test_drift_of_images_compares_their_brightness(registered, tmp_path):
    (tmp_path / "new").mkdir()
    for index in range(60):
        (tmp_path / "new" / f"{index}.png").write_bytes(png(np.full((16, 16), 250, np.uint8)))
    result = predict(registered, tmp_path / "new", tmp_path / "out.csv", has_drift=True)
    assert {each.column: each.verdict for each in result.drift}["brightness"] == "strongly shifted"
    assert pa_csv.read_csv(tmp_path / "out.csv").num_rows == 60


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_model_of_the_registry_is_found_outside_of_its_project(registered, tmp_path, monkeypatch):
    write_csv(tmp_path / "new.csv", table_rows(5)[0])
    elsewhere = Paths(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"registered\.json is not there: no model was registered here; run: dvc repro"):
        predict(elsewhere, "new.csv", tmp_path / "out.csv")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registered.root}/mlflow.db")
    assert predict(elsewhere, "new.csv", tmp_path / "out.csv", model="models:/worth@champion").version == "worth/1"
    assert predict(elsewhere, "new.csv", tmp_path / "two.csv", model="models:/worth/1").version == "worth/1"
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
