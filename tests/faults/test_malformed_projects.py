"""Invalid projects on the command line: exit code 2, one line, nothing written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drawn import noise, png, rows, write_raw

ROOT = Path(__file__).resolve().parents[2]
TABLE = "size,colour,label\n" + "".join(f"{n},{'rgb'[n % 3]},{'pq'[n % 2]}\n" for n in range(30))
Maker = Callable[[Path], None]


def refusal(folder: Path, stage: str) -> str:
    """Returns the error line of a stage."""
    done = subprocess.run(
        [sys.executable, "-m", "headrace", stage],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "pipeline")},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("headrace: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")
    return done.stderr


def project(params: str | bytes, **files: str | bytes) -> Maker:
    """A project with settings and files; `__` in a name is a slash, `_` before the extension a dot."""

    def make(folder: Path) -> None:
        (folder / "params.yaml").write_bytes(params if isinstance(params, bytes) else params.encode())
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def source(options: str, **files: str | bytes) -> Maker:
    return project(f"ingest: {{{options}}}\n", **files)


def linked(folder: Path) -> None:
    source("source: photos", photos__cat__1_png=png(noise(1)), photos__dog__2_png=png(noise(2)))(folder)
    (folder / "photos" / "cat" / "3.png").symlink_to("gone.png")


INGEST: dict[str, tuple[Maker, str]] = {
    "no settings": (lambda folder: None, "params.yaml: no such file; run headrace from a project's folder"),
    "settings that are not YAML": (project("ingest: {source: [\n"), "params.yaml: line 2: not YAML: "),
    "settings without sections": (project("- a\n"), "params.yaml: got ['a']; must have sections such as 'ingest:'"),
    "unknown key": (source("sauce: a.csv"), "params.yaml: ingest.sauce: unknown key; choose one of"),
    "unknown check": (project("clean: {checks: {blured: drop}}\n"), "clean.checks.blured: unknown check; "),
    "unknown format": (source("source: a, format: foldr"), "ingest.format: 'foldr' is not a format; choose one of"),
    "a name mistyped": (source("source: mnist5"), "not a built-in dataset, and no file or folder "),
    "no such path": (source("source: data/photos"), "ingest.source: 'data/photos': no such file or folder"),
    "an empty folder": (source("source: data", data__keep="x"), "ingest.source: 'data': contains 1 files of other"),
    "an empty table": (source("source: a.csv", a_csv=""), "a.csv: is empty"),
    "a table without rows": (source("source: a.csv", a_csv="size,label\n"), "but no rows"),
    "a ragged table": (source("source: a.csv", a_csv=TABLE + "1,2\n"), "a.csv: line 32: has 2 cells, the table has 3"),
    "another target": (source("source: a.csv, target: lable", a_csv=TABLE), "ingest.target: no column 'lable'; "),
    "no Parquet": (source("source: a.parquet", a_parquet=b"PAR1 not"), "a.parquet: not readable as Parquet"),
    "a broken archive": (source("source: a.zip", a_zip=b"PK\3\4 broken"), "ingest.source: 'a.zip': damaged or"),
    "a link to nothing": (linked, "3.png: cannot be read"),
    "images of one class": (source("source: photos", photos__cat__1_png=png(noise(1))), "has only one class, 'cat'"),
}  # fmt: skip
CLEAN: dict[str, tuple[Maker, str]] = {
    "nothing ingested": (project("{}\n"), "data/raw/spec.json: no such file; run the stages before this one"),
    "a damaged shard": (
        lambda folder: (folder / "data/raw/part-00000.parquet").write_bytes(b"PAR1 broken"),
        "part-00000.parquet: not readable as Parquet",
    ),
    "a damaged spec": (lambda folder: (folder / "data/raw/spec.json").write_text("{"), "spec.json: not a spec"),
    "no shards": (
        lambda folder: (folder / "data/raw/part-00000.parquet").unlink(),
        "data/raw: contains no part-*.parquet; run the stages before this one",
    ),
    "one class left": (
        project("clean: {checks: {unknown_label: {known: [cat]}, rare_class: drop}}\n"),
        "usable rows of 1 classes (10 rejected, 10 unknown_label); at least two are needed",
    ),
    "a class too small": (
        project("clean: {checks: {rare_class: {min_rows: 99}}}\n"), "class 'cat' has 10 usable rows of 10 (0 rejected)",
    ),
    "a severity that no check has": (
        project("clean: {checks: {duplicate: remove}}\n"), "clean.checks.duplicate.severity: got 'remove'; choose",
    ),
}  # fmt: skip


@pytest.mark.faults
@pytest.mark.parametrize("name", INGEST)
def test_ingest_of_a_malformed_project_prints_one_line_and_writes_nothing(tmp_path: Path, name: str) -> None:
    make, message = INGEST[name]
    make(tmp_path)
    assert message in refusal(tmp_path, "ingest")
    assert not (tmp_path / "data" / "raw").exists()
    assert not (tmp_path / "metrics").exists()


@pytest.mark.faults
@pytest.mark.parametrize("name", CLEAN)
def test_clean_of_a_malformed_project_prints_one_line_and_writes_nothing(tmp_path: Path, name: str) -> None:
    make, message = CLEAN[name]
    write_raw(tmp_path, "text", rows("text", 20)).params_path.write_text("{}\n")
    if name == "nothing ingested":
        shutil.rmtree(tmp_path / "data")
    make(tmp_path)
    assert message in refusal(tmp_path, "clean")
    for folder in ("data/clean", "data/quarantine", "reports", "metrics"):
        assert not (tmp_path / folder).exists()
