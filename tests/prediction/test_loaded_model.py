"""`load_model`: raw rows of any form in, the server's answers out."""

import pandas as pd
import pyarrow as pa
import pytest

import headrace
from headrace.errors import DataError
from headrace.prediction.loaded_model import load_model
from headrace.storage.parquet import read_table
from tests.serving import IMAGE, ROW, TABLE, TEXT, model_dir, rows_as_json


@pytest.mark.slow
@pytest.mark.parametrize("registered", [*IMAGE, *TEXT, *TABLE, ("table", "regression")], indirect=True, ids="-".join)
def test_answers_are_those_of_the_server(registered, app, monkeypatch):
    monkeypatch.chdir(registered.root)
    raw = read_table(registered.raw_dir).slice(0, 20).to_pylist()
    rows = rows_as_json(registered, raw)
    given = [{"image": row["image"]} for row in raw] if "image" in rows[0] else rows
    model = load_model()
    assert headrace.load_model is load_model
    assert model.version == "worth/1"
    expected = app({"dataframe_records": rows})[1]["predictions"]
    for form in (given, pd.DataFrame(given), pa.Table.from_pylist(given)):
        assert model.predict(form) == expected


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_invalid_rows_raise_the_server_s_line_or_have_warnings(registered):
    model = load_model(model_dir(registered))
    with pytest.raises(DataError, match=r"^row 1, column 'size': 'x' is not a number; send a finite number, or null"):
        model.predict([ROW, ROW | {"size": "x"}])
    first, second = model.predict([ROW, ROW | {"size": "x"}], on_invalid="warn", abstain=True)
    assert (first["warnings"], second["warnings"]) == ([], ["column 'size': 'x' is not a number"])
    assert isinstance(first["abstain"], bool)
    assert second["confidence"] == model.predict([ROW | {"size": None}])[0]["confidence"]
    with pytest.raises(DataError, match=r"^params: on_invalid: 'skip'; must be one of \['refuse', 'warn'\]$"):
        model.predict([ROW], on_invalid="skip")


@pytest.mark.slow
@pytest.mark.parametrize("registered", IMAGE, indirect=True, ids="-".join)
def test_images_are_given_by_path_or_bytes(registered, tmp_path):
    image = read_table(registered.raw_dir).column("image")[0].as_py()
    (tmp_path / "a.png").write_bytes(image)
    model = load_model(str(model_dir(registered)))
    first, *others = model.predict([image, tmp_path / "a.png", str(tmp_path / "a.png")])
    assert others == [first, first]
    with pytest.raises(DataError, match=r"^row 0, column 'image': 'gone\.png' cannot be read \(No such file"):
        model.predict(["gone.png"])
