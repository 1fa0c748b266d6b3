import numpy as np

from headrace.storage.scratch import Scratch, open_scratch


def test_scratch_reads_what_was_appended_in_order(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.append("ids", np.array([b"a", b"b"], "S4"))
    scratch.append("ids", np.array([b"cccc"], "S4"))
    scratch.append("grid", np.arange(6, dtype=np.uint8).reshape(3, 2))
    assert scratch.read("ids").tolist() == [b"a", b"b", b"cccc"]
    assert scratch.open("grid").tolist() == [[0, 1], [2, 3], [4, 5]]
    assert scratch.names == ["ids", "grid"]
    scratch.close()


def test_scratch_column_without_rows_or_without_width_is_empty(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.append("none", np.empty((0, 3), np.float32))
    assert scratch.open("none").shape == (0, 3)
    scratch.append("narrow", np.empty((5, 0), np.uint8))
    assert scratch.open("narrow").size == 0
    scratch.close()


def test_scratch_converts_to_the_type_of_the_first_rows(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.append("values", np.array([1.5], np.float32))
    scratch.append("values", np.array([2.5], np.float64))
    assert scratch.read("values").dtype == np.float32
    assert scratch.read("values").tolist() == [1.5, 2.5]
    scratch.close()


def test_open_scratch_starts_empty_and_removes_its_folder(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(b"left by an interrupted run")
    with open_scratch(folder) as scratch:
        assert list(folder.iterdir()) == []
        scratch.append("ids", np.arange(3))
        assert scratch.read("ids").tolist() == [0, 1, 2]
    assert not folder.exists()
