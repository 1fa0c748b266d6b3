"""Invalid projects: exit code 2, one line, nothing written. In this process; test_main.py has the real ones."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace import __main__ as cli
from tests.drawn import noise, png, rows, write_raw

TABLE = "size,colour,label\n" + "".join(f"{n},{'rgb'[n % 3]},{'pq'[n % 2]}\n" for n in range(30))
Maker = Callable[[Path], None]


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], str]]:
    """Runs a stage of the project at `tmp_path` in this process, and returns its error line."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(stage: str) -> str:
        with pytest.raises(SystemExit) as caught:
            cli.main([stage])
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, ""), err
        assert err.startswith("headrace: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    yield run
    signal.signal(signal.SIGTERM, handler)


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
    "empty settings": (project(""), "params.yaml: is empty; add sections"),
    "a key twice": (project("ingest: {source: a}\ningest: {}\n"), "line 2: the key 'ingest' occurs twice; remove"),
    "settings without sections": (project("- a\n"), "params.yaml: got ['a']; must have sections such as 'ingest:'"),
    "unknown key": (source("sauce: a.csv"), "params.yaml: ingest.sauce: unknown key; choose one of"),
    "unknown check": (project("clean: {checks: {blured: drop}}\n"), "clean.checks.blured: unknown check; "),
    "unknown format": (source("source: a, format: foldr"), "ingest.format: 'foldr' is not a format; choose one of"),
    "a name mistyped": (source("source: mnist5"), "not a built-in dataset, and no file or folder "),
    "no such path": (source("source: data/photos"), "ingest.source: 'data/photos': no such file or folder"),
    "an empty folder": (source("source: photos", photos__keep="x"), "ingest.source: 'photos': contains 1 files of o"),
    "the project itself": (source("source: ."), "got '.', which contains what the pipeline writes (data/raw); put"),
    "no source": (source("source: ''"), "ingest.source: got ''; must be a built-in dataset, a path or a URL"),
    "a metric that no stage has": (project("validate: {gate: {acuracy: {min: 1}}}\n"), "validate.gate.acuracy: no suc"),
    "images for a table": (
        project("ingest: {source: a.csv}\nnormalize: {image_size: 9}\ntrain: {model: {name: cnn}}\n", a_csv=TABLE),
        "normalize.image_size: is for images, and the modality is table; remove it; and train.model.name: 'cnn' is not",
    ),
    "a class of no module": (project("train: {model: {name: 'nets:Two'}}\n"), "train.model.name: no module 'nets'"),
    "another class": (
        project("train: {model: {name: 'nets:Two'}}\n", nets_py="class Tow: ..."), "nets.py does not define 'Two'; ",
    ),
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
def test_ingest_of_a_malformed_project_prints_one_line_and_writes_nothing(
    tmp_path: Path, refusal: Callable[[str], str], name: str
) -> None:
    make, message = INGEST[name]
    make(tmp_path)
    assert message in refusal("ingest")
    assert not (tmp_path / "data" / "raw").exists()
    assert not (tmp_path / "metrics").exists()


@pytest.mark.faults
@pytest.mark.parametrize("name", CLEAN)
def test_clean_of_a_malformed_project_prints_one_line_and_writes_nothing(
    tmp_path: Path, refusal: Callable[[str], str], name: str
) -> None:
    make, message = CLEAN[name]
    write_raw(tmp_path, "text", rows("text", 20)).params_path.write_text("{}\n")
    if name == "nothing ingested":
        shutil.rmtree(tmp_path / "data")
    make(tmp_path)
    assert message in refusal("clean")
    for folder in ("data/clean", "data/quarantine", "reports", "metrics"):
        assert not (tmp_path / folder).exists()
