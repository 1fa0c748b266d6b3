import json
import logging
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.config import validate_section
from headrace.contracts import Spec
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.stages import ingest
from headrace.storage.parquet import read_table


def dvc_yaml(dep: str) -> str:
    return f"stages:\n  ingest:\n    deps:\n    - pipeline/headrace/stages/ingest.py\n    - {dep}\n"


def test_ingest_of_a_folder_writes_every_row_and_the_spec(image_folder: Path) -> None:
    paths = Paths(image_folder.parent)
    metrics = ingest.run(ingest.Config(source="photos"), paths)
    table = read_table(paths.raw_dir)
    stored = sum(len(image) for image in table.column("image").to_pylist())
    assert (metrics["rows"], metrics["classes"]) == (120, 3)
    assert stored < metrics["bytes"] < stored + 120 * 200  # ids and names as well
    assert table.num_rows == 120
    row = table.slice(50, 1).to_pylist()[0]
    assert row["image"] == (image_folder / row["path"]).read_bytes()
    assert Spec.read(paths.raw_dir) == Spec(
        modality="image", task="classification", source="photos", format="folder", num_rows=120
    )


def test_ingest_twice_writes_the_same_bytes(image_folder: Path) -> None:
    paths = Paths(image_folder.parent)
    written = []
    for _ in range(2):
        ingest.run(ingest.Config(source=str(image_folder)), paths)
        written.append({path.name: path.read_bytes() for path in paths.raw_dir.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"part-00000.parquet", "spec.json"}


def test_first_ingest_without_a_contract_says_how_to_get_one(
    image_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, config = Paths(image_folder.parent), ingest.Config(source=str(image_folder))
    ingest.run(config, paths)
    assert "contract.yaml, which would hold them to it, is not there; after clean" in capsys.readouterr().out
    paths.contract_path.write_text("columns: {}\n")
    ingest.run(config, paths)
    paths.contract_path.unlink()
    paths.clean_dir.mkdir(parents=True)
    ingest.run(config, paths)
    assert capsys.readouterr().out == ""


def test_ingest_that_fails_keeps_the_old_rows(image_folder: Path) -> None:
    paths = Paths(image_folder.parent)
    ingest.run(ingest.Config(source="photos"), paths)
    (image_folder / "disc" / "zz.png").symlink_to("gone")
    with pytest.raises(DataError, match=r"zz\.png: cannot be read"):
        ingest.run(ingest.Config(source="photos"), paths)
    assert read_table(paths.raw_dir).num_rows == 120
    assert [path.name for path in paths.raw_dir.parent.iterdir()] == ["raw"]


def test_ingest_target_is_refused_for_images(image_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: ingest\.target: got 'species'; must be null for images"):
        ingest.run(ingest.Config(source="photos", target="species"), Paths(image_folder.parent))


def test_ingest_shows_its_spec_before_it_reads_a_row(image_folder: Path) -> None:
    paths, specs = Paths(image_folder.parent), []

    def refuse(spec: Spec) -> None:
        specs.append((spec.modality, spec.task, spec.num_rows))
        raise ConfigError("for tables")

    with pytest.raises(ConfigError, match="for tables"):
        ingest.run(ingest.Config(source="photos"), paths, refuse)
    assert specs == [("image", "classification", 0)]
    assert not paths.raw_dir.exists()


@pytest.mark.parametrize("source", ["x" * 300, "data/photos", "photos/", "~nobody-here/x"])
def test_ingest_path_that_does_not_exist_is_an_error(tmp_path: Path, source: str) -> None:
    with pytest.raises(DataError, match=r"^params\.yaml: ingest\.source: .* no (such )?file or folder .*; "):
        ingest.run(ingest.Config(source=source), Paths(tmp_path))
    assert not (tmp_path / "data").exists()


def test_ingest_missing_source_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a built-in dataset, and no file or folder .*did you mean 'mnist5k'\?"):
        ingest.run(ingest.Config(source="mnist_5k"), Paths(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dep", ["photos", "./photos/", "photos: {checksum: 1}", "${ingest.source}", "."])
def test_ingest_does_not_warn_of_a_source_in_dvc_yaml(
    image_folder: Path, dep: str, caplog: pytest.LogCaptureFixture
) -> None:
    (image_folder.parent / "dvc.yaml").write_text(dvc_yaml(dep))
    with caplog.at_level(logging.WARNING):
        ingest.run(ingest.Config(source="photos"), Paths(image_folder.parent))
    assert not caplog.messages


@pytest.mark.parametrize("text", [dvc_yaml("photos2"), "stages:\n  ingest:\n    cmd: x\n", "plots: []\n"])
def test_ingest_warns_of_a_source_that_is_not_in_dvc_yaml(
    image_folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (image_folder.parent / "dvc.yaml").write_text(text)
    with caplog.at_level(logging.WARNING):
        ingest.run(ingest.Config(source="photos"), Paths(image_folder.parent))
    assert caplog.messages == [
        "dvc.yaml: stages.ingest.deps does not list 'photos', so dvc repro will not see its changes; add it"
    ]


def run_on(folder: Path, lines: list[str], encoding: str = "utf-8", **settings: object) -> tuple[Spec, pa.Table]:
    """The spec and the rows of a delimited file."""
    (folder / "x.csv").write_bytes(("\n".join(lines) + "\n").encode(encoding))
    paths = Paths(folder)
    ingest.run(validate_section(ingest.Config, {"source": "x.csv"} | settings, "ingest"), paths)
    return Spec.read(paths.raw_dir), read_table(paths.raw_dir)


def assumed(spec: Spec, *, warnings: bool = True) -> list[tuple[str, str]]:
    return [(a.subject, a.text) for a in spec.assumptions if a.is_warning or not warnings]


def test_ingest_reads_a_table_with_decimal_commas(tmp_path: Path) -> None:
    rows = [
        f"{index % 90},{index % 100:02};{index % 7};{1 + index % 9}.{index:03},90;{'ab'[index % 2]}"
        for index in range(200)
    ]
    spec, _ = run_on(tmp_path, ["preis;menge;umsatz;klasse", *rows], target="klasse")
    assert {column.name: (column.kind, column.number_format.get("thousands")) for column in spec.columns} == {
        "preis": ("numeric", ""), "menge": ("numeric", None), "umsatz": ("numeric", "."),
    }  # fmt: skip
    assert assumed(spec) == []
    assert ("column 'umsatz'", "numbers are written with decimal ',', thousands '.'") in assumed(spec, warnings=False)


def test_ingest_of_a_price_as_target_is_a_regression_of_plain_numbers(tmp_path: Path) -> None:
    rows = [f'{index},"EUR {index % 9 + 1},{index:03}.50"' for index in range(200)]
    spec, table = run_on(tmp_path, ["size,price", *rows, '5,"-"', "6,on request"], target="price")
    assert (spec.task, table["label"].to_pylist()[:2]) == ("regression", ["1000.50", "2001.50"])
    assert table["label"].to_pylist()[-2:] == [None, "on request"]  # which `clean` rejects with a reason


def test_ingest_keeps_classes_that_look_like_missing_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [f"{index % 7},{('EU', 'NA', 'AS')[index % 3]}" for index in range(90)]
    _, table = run_on(tmp_path, ["size,region", *rows], target="region")
    assert set(table["label"].to_pylist()) == {"EU", "NA", "AS"}
    assert caplog.messages == [
        'target: 33% of the cells are \'NA\': a class, not missing; to change it: ingest.table.missing: ["", "NA"]'
    ]
    _, table = run_on(tmp_path, ["size,region", *rows], target="region", table={"missing": ["", "NA"]})
    assert set(table["label"].to_pylist()) == {"EU", None, "AS"}


def test_ingest_takes_placeholders_among_numbered_classes_for_missing(tmp_path: Path) -> None:
    rows = [f"{index % 7},{('1', '2', '-')[index % 3]}" for index in range(90)]
    spec, table = run_on(tmp_path, ["size,stars", *rows], target="stars")
    assert (spec.task, set(table["label"].to_pylist())) == ("classification", {"1", "2", None})
    assert assumed(spec) == [("target", "these labels are taken for missing: '-' (30), in the first rows")]


def test_ingest_takes_numbers_for_missing_values(tmp_path: Path) -> None:
    rows = [f"{(-999, -999.0, 5)[index % 3]},{'ab'[index % 2]}" for index in range(30)]
    spec, table = run_on(tmp_path, ["size,kind", *rows], table={"missing": ["", -999]})
    assert set(table["size"].to_pylist()) == {None, "5"}
    assert spec.missing == ["", "-999", "-999.0"]


@pytest.mark.parametrize(("value", "others"), [("yes", ["yes"]), ("yes", [""]), ("2.5", ["2.5"])])
def test_ingest_of_a_target_of_one_value_is_refused(tmp_path: Path, value: str, others: list[str]) -> None:
    cells = [value, *others] * 20
    (tmp_path / "x.csv").write_text("a,done\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells)))
    message = rf"^params.yaml: ingest.target: 'done' has one value, '{value}', in all 40 rows; at least two are needed;"
    with pytest.raises(DataError, match=message):
        ingest.run(ingest.Config(source="x.csv", target="done"), Paths(tmp_path))
    assert not (tmp_path / "data" / "raw").exists()


def test_ingest_leaves_out_an_index_of_pandas(tmp_path: Path) -> None:
    rows = [f"{(index * 7) % 30},{index % 5},{'ab'[index % 2]}" for index in range(30)]
    spec, _ = run_on(tmp_path, [",size,kind", *rows], target="kind")
    assert [column.name for column in spec.columns] == ["size"]
    assert assumed(spec) == [
        ("column 'column_0'", "has no name and numbers the rows (an index of pandas or R); it is not learned from")
    ]


def test_ingest_learns_from_a_text_beside_an_id_and_beside_other_columns(tmp_path: Path) -> None:
    texts = [f"this is the text number {index} of many" for index in range(30)]
    spec, table = run_on(
        tmp_path, ["id,review,y", *(f"{index},{text},{index % 2}" for index, text in enumerate(texts))]
    )
    assert (spec.modality, table["text"].to_pylist()) == ("text", texts)
    assert assumed(spec) == []
    spec, _ = run_on(
        tmp_path, ["stars,review,y", *(f"{index % 4},{text},{index % 2}" for index, text in enumerate(texts))]
    )
    assert spec.modality == "table"
    assert assumed(spec) == []
    assert ("column review", "learned from as text, together with stars") in assumed(spec, warnings=False)


def test_ingest_reads_times_of_day_from_parquet(tmp_path: Path) -> None:
    times = pa.array([index * 600 % 86400 for index in range(60)], pa.int32()).cast(pa.time32("s"))
    columns = {"at": times, "exact": times.cast(pa.time64("us")), "kind": [str(index % 2) for index in range(60)]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    ingest.run(ingest.Config(source="x.parquet"), Paths(tmp_path))
    spec = Spec.read(Paths(tmp_path).raw_dir)
    assert {column.name: column.kind for column in spec.columns} == {"at": "time", "exact": "time"}


def test_ingest_of_labels_in_json_and_parquet_gives_the_same_names(tmp_path: Path) -> None:
    labels = [float(index % 3) for index in range(30)]
    (tmp_path / "x.jsonl").write_text(
        "".join(json.dumps({"a": index, "y": y}) + "\n" for index, y in enumerate(labels))
    )
    pq.write_table(pa.table({"a": range(30), "y": labels}), tmp_path / "x.parquet")
    names = []
    for source in ("x.jsonl", "x.parquet"):
        ingest.run(ingest.Config(source=source, task="classification"), Paths(tmp_path))
        names.append(read_table(Paths(tmp_path).raw_dir)["label"].to_pylist())
    assert names[0] == names[1]
    assert set(names[0]) == {"0", "1", "2"}


@pytest.mark.parametrize("encoding", ["cp1250", "shift_jis"])
def test_ingest_reports_an_encoding_that_is_not_utf8(tmp_path: Path, encoding: str) -> None:
    words = {
        "cp1250": ["\u0141\u00f3d\u017a", "Gda\u0144sk", "\u017bywiec"],
        "shift_jis": ["\u6771\u4eac", "\u5927\u962a", "\u308a\u3093\u3054"],
    }[encoding]
    rows = [f"{index},{words[index % 3]}" for index in range(60)]
    spec, table = run_on(tmp_path, ["size,city", *rows], encoding, target="city")
    assert set(table["label"].to_pylist()) == set(words)
    ((subject, text),) = assumed(spec)
    assert subject == "encoding"
    assert all(repr(word) in text for word in words)


def test_ingest_warns_of_classes_that_are_links(image_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = image_folder.parent / "store"
    (image_folder / "disc").rename(store)
    (image_folder / "disc").symlink_to(store)
    (image_folder.parent / "dvc.yaml").write_text(dvc_yaml("photos"))
    with caplog.at_level(logging.WARNING):
        assert ingest.run(ingest.Config(source="photos"), Paths(image_folder.parent))["rows"] == 120
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "ingest.source: photos/disc is a link to a folder"
    ]


@pytest.fixture
def table_of_images(tmp_path: Path) -> Path:
    """A table that names its own images, one outside of its folder, one behind a link, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("photos/a.png", "photos/b.png", "outside.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode())
    (tmp_path / "secret").write_text("secret")
    (folder / "link.png").symlink_to("../outside.png")
    (folder / "secret.png").write_text("user:secret")
    cells = ["a.png", "b.png", "../outside.png", "link.png", "secret.png", str(tmp_path / "secret")]
    (folder / "table.csv").write_text("file,y\n" + "".join(f"{cell},{'uv'[n % 2]}\n" for n, cell in enumerate(cells)))
    return folder


@pytest.mark.parametrize("allowed", [False, True])
def test_ingest_stores_no_file_that_is_outside_or_no_image(table_of_images: Path, *, allowed: bool) -> None:
    paths = Paths(table_of_images.parent)
    ingest.run(ingest.Config(source="photos", target="y", allow_outside=allowed), paths)
    rows = read_table(paths.raw_dir).to_pylist()
    assert [bool(row["image"]) for row in rows] == [True, True, allowed, allowed, False, False]
    assert b"secret" not in b"".join(row["image"] for row in rows)


def test_ingest_of_an_archive_allows_nothing_outside(table_of_images: Path) -> None:
    (table_of_images / "link.png").unlink()
    root = table_of_images.parent
    shutil.make_archive(str(root / "photos"), "zip", root, "photos")
    with pytest.raises(
        ConfigError, match=r"allow_outside: true, but 'photos.zip' is a URL or an archive, whose tables"
    ):
        ingest.run(ingest.Config(source="photos.zip", target="y", allow_outside=True), Paths(root))
    ingest.run(ingest.Config(source="photos.zip", target="y"), Paths(root))
    rows = read_table(Paths(root).raw_dir).to_pylist()
    assert [bool(row["image"]) for row in rows] == [True, True, False, False, False, False]
