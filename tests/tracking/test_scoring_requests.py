"""Requests to the scoring server: their forms, and what is refused, with HTTP 400 and one line."""

import base64

import numpy as np
import pytest

from headrace.storage.parquet import read_table
from tests.projects import png
from tests.serving import (
    IMAGE,
    ROW,
    TABLE,
    TEXT,
    bodies,
    csv_of,
    mlflow_server,
    model_dir,
    post,
    rejection,
    rows_as_json,
)


@pytest.mark.slow
@pytest.mark.parametrize("registered", [*TABLE, *TEXT, *IMAGE], indirect=True, ids="-".join)
def test_mlflow_serves_the_registered_model_without_headrace(registered, tmp_path):
    rows = rows_as_json(registered, read_table(registered.raw_dir).slice(0, 3).to_pylist())
    with mlflow_server(model_dir(registered), tmp_path / "serve.log") as url:
        for body, content_type in bodies(rows):
            status, content = post(url, body, content_type)
            assert (status, len(content["predictions"])) == (200, 3)
        body = {"dataframe_records": rows, "params": {"abstain": True}}
        answers = post(url, body)[1]["predictions"]
        assert all(set(row) == {"label", "confidence", "probabilities", "abstain"} for row in answers)
        assert rejection(post(url, {"dataframe_records": [*rows, {"foo": 1}]})).startswith("row 3, column 'foo': ")
        assert rejection(post(url, b"foo\n1\n", "text/csv")).startswith("row 0, column 'foo': unknown column")
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "much"}, "row 1, column 'size': 'much' is not a number; send a finite number, or null if it is"),
        ({"size": True}, "row 1, column 'size': True is not a number"),
        ({"size": [1, 2]}, "row 1, column 'size': [1, 2] is a list; send one text, number, boolean or null"),
        ({"size": {"a": 1}}, "row 1, column 'size': {'a': 1} is a dict"),
        ({"size": 1e999}, "row 1, column 'size': inf is not a finite number"),
        ({"seen": "soon"}, "row 1, column 'seen': 'soon' is not a date; send YYYY-MM-DD, or null"),
        ({"seen": "2022-02-30"}, "row 1, column 'seen': '2022-02-30' is not a date"),
        ({"seen": "03.04.2022"}, "row 1, column 'seen': '03.04.2022' is ambiguous between day first and month first"),
        ({"Size": 1.0}, "row 1, column 'Size': unknown column (its value: 1.0); a row has 'size', 'noise', 'colour'"),
        (dict.fromkeys(ROW), "row 1: no column has a value; send at least one, or leave the row out"),
        (dict.fromkeys(ROW, "?"), "row 1: no column has a value"),
    ],
)  # fmt: skip
def test_served_table_refuses_a_row_that_it_cannot_mean(app, changes, message):
    rows = [ROW, {**ROW, **changes}, ROW]
    for form in ("dataframe_records", "inputs", "instances"):
        assert rejection(app({form: rows})).startswith(message)


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_served_table_refuses_missing_columns_in_any_row(app):
    shorter = {name: value for name, value in ROW.items() if name != "size"}
    message = "row 1, column 'size': missing; a row has 'size', 'noise', 'colour', 'seen'; send null where a value is"
    for form in ("dataframe_records", "inputs", "instances"):
        assert rejection(app({form: [ROW, shorter]})).startswith(message)
        assert rejection(app({form: [{"foo": 1}]})).startswith("row 0, column 'foo': unknown column (its value: 1)")
    assert rejection(app(csv_of([shorter]), "text/csv")).startswith("row 0, column 'size': missing")
    assert rejection(app({"inputs": [1, 2]})) == "row 0: is a int; must be an object with a value for each column"
    assert app({"dataframe_records": []}) == (200, {"predictions": []})


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_served_table_reads_cells_as_training_does(app):
    same = [ROW, {**ROW, "size": "1.5"}, {**ROW, "size": " 1.50 "}, {**ROW, "colour": " red"}]
    gaps = [{**ROW, "noise": cell} for cell in (None, "", "?", "NA", " n/a ", float("nan"))]
    unseen = {**ROW, "colour": "mauve", "seen": None}
    status, content = app({"dataframe_records": [*same, *gaps, unseen]})
    assert status == 200, content
    confidences = [answer["confidence"] for answer in content["predictions"]]
    assert len(set(confidences[:4])) == len(set(confidences[4:10])) == 1
    assert confidences[0] != confidences[4]
    assert np.isfinite(confidences).all()
    assert app(csv_of(gaps[1:5]), "text/csv")[1]["predictions"] == content["predictions"][5:9]


@pytest.mark.slow
@pytest.mark.parametrize("registered", TEXT, indirect=True, ids="-".join)
def test_served_texts_are_repaired_or_refused_as_the_pipeline_does(app):
    texts = ["<b>great</b> film &amp; plot\x07", "great film & plot", "awful plot", "half a pair \ud83d"]
    status, content = app({"inputs": texts})
    assert status == 200, content
    first, second, third, _ = [answer["confidence"] for answer in content["predictions"]]
    assert first == second != third
    for empty in ("", " \n", "<p></p>", "\x07", None, "?"):
        message = rejection(app({"instances": ["great film", empty]}))
        assert message.startswith("row 1, column 'text': ")
        assert "send a text with at least one word" in message
    assert rejection(app({"inputs": ["fine", 5]})) == "row 1, column 'text': 5 is a int; send a text"
    assert rejection(app(b'text\n"fine film"\n" "\n', "text/csv")).startswith("row 1, column 'text': ' ' is empty")


@pytest.mark.slow
@pytest.mark.parametrize("registered", IMAGE, indirect=True, ids="-".join)
def test_served_images_are_decoded_or_refused(app, monkeypatch):
    image = base64.b64encode(png(np.zeros((9, 5), np.uint8))).decode()
    wrapped = "\n".join(image[start : start + 20] for start in range(0, len(image), 20))
    status, content = app({"inputs": [image, wrapped]})
    assert status == 200, content
    assert content["predictions"][0] == content["predictions"][1]
    cut_off = base64.b64encode(png(np.zeros((90, 50), np.uint8))[:60]).decode()
    for cell, problem in {
        base64.b64encode(b"no image").decode(): "cannot be decoded as an image (none of the formats BMP,",
        cut_off: "cannot be decoded as an image (OSError: ",
        "not base64!": "'not base64!' is not base64; send the bytes of an image file",
        "": "cannot be decoded as an image (",
    }.items():
        message = rejection(app({"dataframe_split": {"columns": ["image"], "data": [[image], [cell]]}}))
        assert message.startswith(f"row 1, column 'image': {problem}")
    assert rejection(app({"inputs": [None]})).startswith("row 0, column 'image': missing; ")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 44)
    assert "9 pixels; at most 44 are decoded" in rejection(app({"inputs": [image]}))
