"""Chunks: what they read, and what they say of files that cannot be read."""

import pickle

import pyarrow as pa

from headrace.prediction.input_chunks import Cells, Chunk, ImageFiles, TextFiles


def test_files_that_vanish_are_unreadable_rows(tmp_path):
    (tmp_path / "b.png").write_bytes(b"x")
    loaded = ImageFiles(tmp_path, ["a.png", "b.png", None]).load(0, 3)
    assert loaded.unreadable == {
        0: "cannot be read (No such file or directory)",
        2: "cannot be read (the cell is empty)",
    }
    assert loaded.rows[1] == {"image": b"x"}
    texts = TextFiles(tmp_path, ["a.txt", "b.png"], "review", "auto").load(0, 2)
    assert texts.unreadable == {0: "cannot be read (No such file or directory)"}
    assert texts.rows == [{"review": ""}, {"review": "x"}]


def test_chunk_is_read_in_slices_after_it_was_sent_elsewhere():
    chunk = Chunk(7, pa.array(["a", "b", "c"]), Cells(pa.record_batch({"size": ["1", "2", None]})))
    sent = pickle.loads(pickle.dumps(chunk))
    assert len(sent) == 3
    assert sent.payload.load(1, 3).rows == [{"size": "2"}, {"size": None}]
