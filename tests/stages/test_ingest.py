import logging
from pathlib import Path

import pytest

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
