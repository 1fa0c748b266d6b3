"""Requests to the scoring server: their forms, and what is refused, with HTTP 400 and one line."""

import base64
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headrace.data.request_rows import InvalidRequestError
from headrace.storage.parquet import read_table
from headrace.tracking.served import scoring_requests
from headrace.tracking.served.scoring_requests import parse_request, read_rows
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

ROWS = [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("body", "content_type", "rows"),
    [
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [None, "y"]], "index": [7, 8]}}, JSON, ROWS),
        ({"dataframe_records": ROWS}, JSON, ROWS),
        ({"inputs": ROWS, "params": {}}, "Application/JSON; charset=UTF-8", ROWS),
        ({"instances": {"a": [1, None], "b": ["x", "y"]}}, JSON, ROWS),
        ({"inputs": {"a": 1, "b": "x"}}, JSON, ROWS[:1]),
        ({"instances": [{"a": 1}, {"b": 2}]}, JSON, [{"a": 1}, {"b": 2}]),
        ({"inputs": []}, JSON, []),
        (b'\xef\xbb\xbfa,b\r\n007,"x, ""y"""\r\n\r\n,NA\r\n', CSV, [{"a": "007", "b": 'x, "y"'}, {"a": "", "b": "NA"}]),
        (b"a\n1", "text/csv; charset=utf-8", [{"a": "1"}]),
        (b"a\n", CSV, []),
    ],
)  # fmt: skip
def test_bodies_are_parsed_row_by_row(body, content_type, rows):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert parse_request(content, content_type, None) == (rows, {})


def test_values_of_the_only_column_may_be_a_list():
    assert parse_request(b'{"inputs": ["fine", null], "params": {"abstain": true}}', JSON, "text") == (
        [{"text": "fine"}, {"text": None}],
        {"abstain": True},
    )


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"{", JSON, "the body is not JSON (Expecting property name enclosed in double quotes: line 1 column 2"),
        (b"[" * 100_000, JSON, "the body is not JSON (maximum recursion depth exceeded"),
        (b'{"inputs": "\xff"}', JSON, "the body is not JSON ("),
        (b'{"inputs": [{"a": 1, "a": 2}]}', JSON, "column 'a': is there more than once; send each column once"),
        ([1], JSON, "the body has list; must be an object with exactly one of ['dataframe_split', "),
        ({"inputs": [], "instances": []}, JSON, "the body has ['inputs', 'instances']; must be"),
        ({"inputs": [], "param": {}}, JSON, "the body has ['inputs', 'param']; must be"),
        ({"inputs": [], "params": [1]}, JSON, "params: is a list; must be an object"),
        ({"inputs": "fine"}, JSON, "got str; must be a list of rows, or an object of columns"),
        ({"inputs": [{"a": 1}, 2]}, JSON, "row 1: is a number; must be an object"),
        ({"inputs": {"a": [1, 2], "b": [1]}}, JSON, "columns differ in length ({'a': 2, 'b': 1}); send"),
        ({"inputs": {"a": [1, 2], "b": 1}}, JSON, "column 'b': is one value, other columns are lists"),
        ({"dataframe_split": {"data": [[1]]}}, JSON, "dataframe_split: has ['data']; must be an object with"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}, JSON, "row 1: has 2 values; must be a list"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, JSON, "column 'a': is there more than once"),
        (b"a,a\n1,2\n", CSV, "column 'a': is there more than once; send each column once"),
        (b"a,b\n1,2\n3\n", CSV, "row 1: has 1 cells; must have 2, as the header"),
        (b'a\n"1\n', CSV, "the body is not CSV (line "),
        (b"a\n\xff\n", CSV, "the body is not UTF-8 (invalid start byte at byte 2)"),
        (b"PAR1", "application/vnd.apache.parquet", "the body is not Parquet ("),
        (b"", "text/plain", "Content-Type 'text/plain': must be one of application/json, text/csv, "),
        (b"", CSV, "the body is empty; must be a header with the names of the columns, and rows"),
        (b"age;city\n1,5;Ulm\n", CSV, "the header is one cell, 'age;city'; separate cells by commas, whatever"),
        (b"a", "text/csv; charset=latin-1", "Content-Type 'text/csv; charset=latin-1': must be one of"),
        (b"", None, "Content-Type None: must be one of"),
    ],
)  # fmt: skip
def test_invalid_bodies_are_refused_in_one_line(body, content_type, message):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequestError) as raised:
        parse_request(content, content_type, None)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_large_requests_are_refused(monkeypatch):
    monkeypatch.setattr(scoring_requests, "MAX_ROWS", 2)
    assert len(parse_request(b"a\n1\n2\n", CSV, None).rows) == 2
    with pytest.raises(InvalidRequestError, match="^3 rows; at most 2 are allowed in a request; send several$"):
        parse_request(b"a\n1\n2\n3\n", CSV, None)
    monkeypatch.setattr(scoring_requests, "MAX_BODY_BYTES", 5)
    with pytest.raises(
        InvalidRequestError, match="^the body has 8 bytes; at most 5 are allowed; send fewer rows at a time$"
    ):
        parse_request(b"a\n1\n2\n3\n", CSV, None)


def test_rows_of_programs_are_read_like_those_of_requests():
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 5])
    table = pa.table({"a": [1, 2]})
    assert read_rows(table, None) == read_rows(table.to_batches()[0], None) == [{"a": 1}, {"a": 2}]
    assert read_rows(frame, None) == read_rows({"a": np.array([1, 2])}, None) == [{"a": 1}, {"a": 2}]
    assert read_rows(pd.DataFrame(index=[0, 1]), None) == [{}, {}]
    assert read_rows(np.array(["fine"]), "text") == read_rows(pd.Series(["fine"]), "text") == [{"text": "fine"}]
    with pytest.raises(InvalidRequestError, match="^column 'a': is there more than once"):
        read_rows(pd.DataFrame([[1, 2]], columns=["a", "a"]), None)


def test_requests_to_other_models_are_handled_by_mlflow():
    from mlflow.pyfunc import scoring_server

    scoring_requests.install_request_handler()
    handler = scoring_server.invocations
    scoring_requests.install_request_handler()
    assert scoring_server.invocations is handler
    other = SimpleNamespace(_model_impl=None, metadata=None, predict=lambda data: data.assign(twice=2 * data["a"]))
    assert json.loads(handler(b"a\n1\n", CSV, other, None).response) == {"predictions": [{"a": 1, "twice": 2}]}


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
        assert all(set(row) == {"label", "confidence", "probabilities", "abstain", "version"} for row in answers)
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
        ({"size": {"a": 1}}, "row 1, column 'size': {'a': 1} is an object"),
        ({"size": 1e999}, "row 1, column 'size': inf is beyond 1e+37"),
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
    assert rejection(app({"inputs": [1, 2]})) == "row 0: is a number; must be an object with a value for each column"
    assert app({"dataframe_records": []}) == (200, {"predictions": []})


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_served_table_answers_with_warnings_on_demand(app):
    shorter = {name: value for name, value in ROW.items() if name != "size"}
    rows = [ROW, ROW | {"size": "much"}, shorter, ROW | {"Size": 1}, dict.fromkeys(ROW)]
    status, content = app({"inputs": rows, "params": {"on_invalid": "warn"}})
    assert status == 200, content
    answers = content["predictions"]
    assert [answer["warnings"] for answer in answers] == [
        [],
        ["column 'size': 'much' is not a number"],
        ["column 'size': missing"],
        ["column 'Size': unknown column (its value: 1)"],
        ["no column has a value"],
    ]
    missing = app({"inputs": [ROW | {"size": None}]})[1]["predictions"][0]
    assert answers[1]["probabilities"] == answers[2]["probabilities"] == missing["probabilities"]
    assert answers[3]["probabilities"] == answers[0]["probabilities"]
    assert (answers[4]["label"], answers[4]["version"]) == (None, "worth/1")
    assert rejection(app({"inputs": rows, "params": {"on_invalid": "skip"}})).startswith("params: on_invalid: 'skip'")
    assert rejection(app(b'{"inputs": [{"size": 1, "size": 2}]}')).startswith("column 'size': is there more than once")


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
    assert rejection(app({"inputs": ["fine", 5]})) == "row 1, column 'text': 5 is a number; send a text"
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
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 22)
    assert "more than 44 pixels (JPEG: 88), the most that are decoded" in rejection(app({"inputs": [image]}))
