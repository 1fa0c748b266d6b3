import numpy as np

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.npz_table import open_npz

X = np.array([[0.5, 1], [2, np.nan], [3, 4]], np.float32)


def read(path, **options):
    opened = open_npz(path, ReadOptions(**options), None)
    return opened, [list(row.values()) for rows in opened.batches for row in rows.cells.to_pylist()]


def test_arrays_are_columns(tmp_path):
    expected = [["0.5", "1", "p"], ["2", None, "q"], ["3", "4", "p"]]
    for name, x in {"c": X, "f": np.asfortranarray(X), "big": X.astype(">f8")}.items():
        for y in (np.array(["p", "q", "p"]), np.array([b"p", b"q", b"p"])[:, None]):
            np.savez_compressed(tmp_path / f"{name}.npz", x=x, y=y)
            opened, cells = read(tmp_path / f"{name}.npz")
            assert (opened.names, cells) == (["x_0", "x_1", "y"], expected)


def test_texts_of_one_column(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array(["some text", "\u00e9"]), y=[1, 0])
    assert read(tmp_path / "x.npz")[1] == [["some text", "1"], ["\u00e9", "0"]]


def test_splits_are_a_column(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=X, y_train=[0, 1, 2], x_test=X[:1], y_test=[2])
    opened, cells = read(tmp_path / "x.npz")
    assert opened.names == ["x_0", "x_1", "y", "split"]
    assert [row[2:] for row in cells] == [["0", "train"], ["1", "train"], ["2", "train"], ["2", "test"]]
    (assumption,) = opened.assumptions
    assert (assumption.setting, assumption.is_warning) == ("ingest.split_column: split", True)
    assert read(tmp_path / "x.npz", split_column="split")[0].assumptions == []
