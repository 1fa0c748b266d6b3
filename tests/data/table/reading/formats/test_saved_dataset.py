import pyarrow as pa

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.saved_dataset import open_saved_dataset, select_saved_files
from tests.table_files import make_rows, write_arrow_stream, write_saved_dataset, write_state

ROWS = make_rows(30)


def list_paths(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_only_the_files_of_the_state_are_data(tmp_path):
    write_saved_dataset(tmp_path / "saved", ROWS)
    selected = select_saved_files(list_paths(tmp_path))
    assert {path.name: form for path, form in selected.items()} == {
        "data-00000-of-00002.arrow": "arrow", "data-00001-of-00002.arrow": "arrow",
    }  # fmt: skip
    (tmp_path / "saved" / "dataset_info.json").unlink()
    assert select_saved_files(list_paths(tmp_path)) == {}


def test_names_lead_to_the_own_folder_only(tmp_path):
    (tmp_path / "saved").mkdir()
    write_arrow_stream(tmp_path / "outside.arrow", ROWS)
    write_arrow_stream(tmp_path / "saved" / "outside.arrow", ROWS[:3])
    write_state(tmp_path / "saved", ["../outside.arrow"])
    assert list(select_saved_files(list_paths(tmp_path))) == [tmp_path / "saved" / "outside.arrow"]


def test_indices_choose_rows_and_their_order(tmp_path):
    write_saved_dataset(tmp_path / "saved", ROWS)
    order = [29, 0, 15, 14, 14]
    table = pa.table({"indices": pa.array(order, pa.uint64())})
    with pa.ipc.new_stream(str(tmp_path / "saved" / "indices.arrow"), table.schema) as stream:
        stream.write_table(table, 2)
    write_state(tmp_path / "saved", [f"data-{index:05d}-of-00002.arrow" for index in range(2)], ["indices.arrow"])
    (path,) = select_saved_files(list_paths(tmp_path))
    opened = open_saved_dataset(path, ReadOptions(), None)
    cells = [cell for rows in opened.batches for cell in rows.cells.column("id").to_pylist()]
    assert cells == [str(1000 + index) for index in order]
