import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.config import check
from pipeline.contracts import Metrics, Spec
from pipeline.errors import ConfigError, DataError
from pipeline.paths import Paths
from pipeline.stages import clean, ingest
from pipeline.storage.tables import read_table


def project(root: Path, images: dict[str, int | bytes]) -> Paths:
    """A project with ingested images: each path with one grey level (the same level: a duplicate), or raw bytes."""
    for name, content in images.items():
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            Image.new("L", (4, 4), content).save(path)
    ingest.run(ingest.Config(source="photos"), Paths(root))
    return Paths(root)


def distinct(label: str, num_rows: int, first: int) -> dict[str, int | bytes]:
    return {f"{label}/{index}.png": first + index for index in range(num_rows)}


def quarantine(paths: Paths) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["check"], row["reason"]) for row in read_table(paths.quarantine_dir).to_pylist()}


def paths_in(folder: Path) -> set[str]:
    return set(read_table(folder).column("path").to_pylist())


def assert_balanced(metrics: Metrics) -> None:
    assert metrics["rows_in"] == metrics["rows_out"] + metrics["quarantined"]
    assert metrics["quarantined"] == sum(metrics[f"quarantined_{name}"] for name in clean.CHECKS)


def test_clean_rows_that_are_fine_all_go_on(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("b", 3, 0) | distinct("a", 6, 100))
    metrics = clean.run(clean.Config(), paths)
    assert (metrics["rows_in"], metrics["rows_out"], metrics["classes"], metrics["imbalance"]) == (9, 9, 2, 2.0)
    assert Spec.read(paths.clean_dir).classes == ["a", "b"]
    assert Spec.read(paths.clean_dir).num_rows == 9
    assert read_table(paths.clean_dir).equals(read_table(paths.raw_dir))
    rejected = read_table(paths.quarantine_dir)  # it is there, though empty
    assert rejected.num_rows == 0
    assert rejected.column_names == [*read_table(paths.raw_dir).column_names, "check", "reason"]


def test_clean_each_check_puts_its_rows_in_quarantine(tmp_path: Path) -> None:
    faulty = {"a/broken.png": b"x", "a/empty.png": b"", "loose.png": 250, "a/twin.png": 0, "b/odd.png": 1}
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 4, 100) | faulty)
    metrics = clean.run(clean.Config(), paths)
    assert_balanced(metrics)
    found = quarantine(paths)
    row_ids = {row["path"]: row["row_id"] for row in read_table(paths.raw_dir).to_pylist()}
    kept, twin = sorted(["a/0.png", "a/twin.png"], key=lambda path: row_ids[path])
    assert {path: fault[0] for path, fault in found.items()} == {
        "a/broken.png": "undecodable", "a/empty.png": "empty", "loose.png": "missing_label", twin: "duplicate",
        "a/1.png": "conflicting_labels", "b/odd.png": "conflicting_labels",
    }  # fmt: skip
    assert found[twin][1] == f"same content as row {row_ids[kept]}"
    assert found["b/odd.png"][1] == "same content under ['a', 'b']"
    assert metrics["quarantined_conflicting_labels"] == 2
    assert paths_in(paths.clean_dir) == row_ids.keys() - found.keys()
    row = next(r for r in read_table(paths.quarantine_dir).to_pylist() if r["path"] == "a/broken.png")
    assert row["image"] == b"x"


def test_clean_rare_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100) | {"b/x.png": b"x"})
    line = (
        f"{paths.raw_dir}: class 'b' has 2 usable rows of 3 (1 rejected, 1 undecodable);"
        " clean.min_rows_per_class is 3; add rows, or set clean.rare_classes: drop"
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        clean.run(clean.Config(), paths)
    assert not paths.clean_dir.exists()
    assert not paths.quarantine_dir.exists()


def test_clean_rare_class_is_dropped_if_asked_for(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100) | distinct("c", 3, 200))
    metrics = clean.run(clean.Config(rare_classes="drop"), paths)
    assert_balanced(metrics)
    assert metrics["quarantined_rare_class"] == 2
    assert quarantine(paths)["b/0.png"] == ("rare_class", "'b' has 2 usable rows; 3 are needed")
    assert Spec.read(paths.clean_dir).classes == ["a", "c"]


def test_clean_class_without_a_usable_row_is_told(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | {"b/x.png": b"x"})
    with pytest.raises(DataError, match=r"class 'b' has 0 usable rows of 1 \(1 rejected, 1 undecodable\)"):
        clean.run(clean.Config(), paths)


def test_clean_one_class_left_is_told(tmp_path: Path) -> None:
    paths = project(tmp_path, distinct("a", 5, 0) | distinct("b", 2, 100))
    with pytest.raises(DataError, match=r"usable rows of 1 classes \(2 rejected, 2 rare_class\); at least two are"):
        clean.run(clean.Config(rare_classes="drop"), paths)


def test_clean_before_ingest_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/raw/spec\.json: no such file; run the stages before this one"):
        clean.run(clean.Config(), Paths(tmp_path))


def test_config_min_rows_per_class_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^clean\.min_rows_per_class: got 0; must be greater than or equal to 1$"):
        check(clean.Config, {"min_rows_per_class": 0}, "clean")


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["a/", "b/", "c/", ""]), st.integers(0, 30)),
        st.one_of(st.integers(0, 8), st.sampled_from([b"", b"x"])),
        max_size=30,
    )
)
def test_clean_loses_no_row(drawn: dict[tuple[str, int], int | bytes]) -> None:
    images = {f"{folder}{index}.png": content for (folder, index), content in drawn.items()}
    images |= distinct("d", 3, 100) | distinct("e", 3, 110)  # two classes that are always fine
    with tempfile.TemporaryDirectory() as folder:
        paths = project(Path(folder), images)
        metrics = clean.run(clean.Config(min_rows_per_class=2, rare_classes="drop"), paths)
        assert_balanced(metrics)
        kept, rejected = paths_in(paths.clean_dir), quarantine(paths)
        assert kept | rejected.keys() == images.keys()
        assert not kept & rejected.keys()
        assert len(kept) == metrics["rows_out"]
        contents = Counter(images[path] for path in kept)
        assert set(contents.values()) == {1}
