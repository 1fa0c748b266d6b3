"""The upload: which files and variables a job gets, and what is refused."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from headrace.cluster.jobs import upload
from headrace.cluster.jobs.upload import (
    describe_upload,
    find_files_to_send,
    find_tracked_source,
    make_job_environment,
    make_python_path,
    pack_project,
)
from headrace.errors import ClusterError, ConfigError, DataError
from headrace.paths import Paths

SENT = [
    ".dvc/config",
    ".dvcignore",
    "dvc.lock",
    "dvc.yaml",
    "mine/models/net.py",
    "params.yaml",
    "pipeline/headrace/x.py",
]
NOT_SENT = [
    ".dvc/config.local", ".dvc/cache/files/md5/00/a", ".dvc/tmp/lock", ".env", ".git/HEAD", ".headrace/logs/a.log",
    ".venv/bin/python", "data/raw/a.parquet", "env/pyvenv.cfg", "env/lib/x.py", "metrics/test.json", "mlartifacts/a",
    "mlflow.db", "mlflow.db-wal", "models/trained/weights", "pipeline/headrace/__pycache__/x.pyc", "plots/a",
    "registered.json", "reports/a", "secret/key.txt",
]  # fmt: skip


def put(root: Path, *names: str, text: str = "text") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    put(tmp_path, *SENT, *NOT_SENT)
    put(tmp_path, "params.yaml", text="ingest: {source: mnist5k}\n")
    put(tmp_path, ".rayignore", text="secret\n")
    return Paths(tmp_path)


def sent(paths: Paths) -> list[str]:
    return [file.relative_to(paths.root).as_posix() for file in find_files_to_send(paths)]


def set_source(paths: Paths, source: str) -> None:
    put(paths.root, "params.yaml", text=f"ingest: {{source: {source!r}}}\n")


def test_pack_sends_code_and_settings_only(project: Paths, tmp_path: Path) -> None:
    assert sorted(sent(project)) == SENT
    pack_project(project, find_files_to_send(project), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert sorted(archive.namelist()) == SENT
        assert archive.read("pipeline/headrace/x.py") == b"text"


def test_pack_twice_gives_equal_bytes(project: Paths, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("archives")
    pack_project(project, find_files_to_send(project), folder / "a.zip")
    (project.root / "pipeline/headrace/x.py").touch()
    pack_project(project, find_files_to_send(project), folder / "b.zip")
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()


def test_source_inside_the_project_is_sent_even_from_data(project: Paths) -> None:
    put(project.root, "data/photos/cat/1.jpg", "data/photos/cat/.2.jpg")
    set_source(project, "data/photos")
    assert sorted(set(sent(project)) - set(SENT)) == ["data/photos/cat/.2.jpg", "data/photos/cat/1.jpg"]


def test_linked_class_folders_are_sent_but_not_those_that_lead_back(
    project: Paths, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere, "dogs/2.jpg")
    put(project.root, "data/photos/cat/1.jpg")
    (project.root / "data/photos/dog").symlink_to(elsewhere / "dogs")
    (project.root / "data/photos/hound").symlink_to(elsewhere / "dogs")
    (project.root / "data/photos/cat/up").symlink_to(project.root / "data/photos")
    set_source(project, "data/photos")
    names = {"data/photos/cat/1.jpg", "data/photos/dog/2.jpg", "data/photos/hound/2.jpg"}
    assert set(sent(project)) - set(SENT) == names
    (project.root / "data/photos/cat/gone.jpg").symlink_to(elsewhere / "gone.jpg")
    with pytest.raises(DataError, match=r"gone\.jpg: is a link to nothing"):
        sent(project)


def test_a_linked_source_is_sent(project: Paths, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere, "cat/1.jpg")
    (project.root / "photos").symlink_to(elsewhere)
    set_source(project, "photos")
    assert set(sent(project)) - set(SENT) == {"photos/cat/1.jpg"}


def test_glob_below_data_and_the_images_beside_a_table_are_sent(project: Paths) -> None:
    put(project.root, "data/sets/a/1.csv", "data/sets/2.csv", "data/sets/2.txt", "data/sets/images/1.PNG")
    put(project.root, "data/clean/images/rejected.png")
    for source, names in {
        "data/sets/**/*.csv": {"data/sets/a/1.csv", "data/sets/2.csv", "data/sets/images/1.PNG"},
        "file://data/sets/2.csv": {"data/sets/2.csv", "data/sets/images/1.PNG"},
    }.items():
        set_source(project, source)
        assert set(sent(project)) - set(SENT) == names


def test_a_source_that_goes_by_the_dvc_remote_is_not_sent(project: Paths) -> None:
    put(project.root, "data/photos/1.jpg", "data/photos.dvc", "photos/1.jpg", "photos.dvc")
    put(project.root, ".dvc/config", ".dvc/config.local", text="")
    shutil.rmtree(project.root / ".git")  # it is none
    set_source(project, "data/photos")
    assert find_tracked_source(project) is None, "there is no remote"
    put(project.root, ".dvc/config", text="[core]\n    remote = a\n['remote \"a\"']\n    url = /shared\n")
    for source, photos in {
        "data/photos": {"data/photos.dvc", "photos/1.jpg", "photos.dvc"},
        "photos": {"photos.dvc"},
    }.items():
        set_source(project, source)
        tracked = find_tracked_source(project)
        assert tracked == project.root / source
        names = {path.relative_to(project.root).as_posix() for path in find_files_to_send(project, tracked)}
        assert names - set(SENT) == photos


def test_a_dvc_configuration_that_is_invalid_is_one_line(project: Paths) -> None:
    put(project.root, "photos/1.jpg", "photos.dvc")
    set_source(project, "photos")
    with pytest.raises(ConfigError, match="DVC: config file error: Invalid line"):
        find_tracked_source(project)


def test_a_source_that_is_nowhere_is_refused_unless_a_workspace_may_have_it(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_source(project, "data/photoss")
    with pytest.raises(ConfigError, match="'data/photoss' is no file or folder of the project, and no built-in"):
        sent(project)
    monkeypatch.setenv("HEADRACE_WORKSPACE", "/shared/project")
    assert sent(project) == SENT


def test_the_size_and_the_largest_part_are_named(project: Paths, tmp_path: Path) -> None:
    (project.root / "mine/models/net.py").write_bytes(bytes(3 * 2**20))
    files = find_files_to_send(project)
    pack_project(project, files, tmp_path / "a.zip")
    text = describe_upload(project, files, tmp_path / "a.zip")
    assert re.fullmatch(
        r"uploading 7 files, 3\.0 MiB \([\d.]+ KiB zipped\); the largest part: mine/models, 3\.0 MiB", text
    )


def test_source_outside_the_project_is_not_sent(project: Paths, tmp_path_factory) -> None:
    for source in ("s3://bucket/photos", "/shared/photos", str(tmp_path_factory.mktemp("elsewhere"))):
        set_source(project, source)
        assert sorted(sent(project)) == SENT


def test_source_that_the_cluster_cannot_reach_is_refused(project: Paths) -> None:
    put(project.root, "photos/1.jpg")
    set_source(project, str(project.root / "photos"))
    with pytest.raises(ConfigError, match=r"params\.yaml: ingest\.source: .*; write photos, or"):
        sent(project)
    put(project.root.parent, "outside/1.jpg")
    set_source(project, "../outside")
    with pytest.raises(ConfigError, match="move it into the project"):
        sent(project)


def test_pack_of_a_large_project_is_refused_with_its_largest_folder(
    project: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LIMIT_BYTES", 2 * 2**20)
    put(project.root, "big/photos/1.bin")
    (project.root / "big/photos/1.bin").write_bytes(os.urandom(3 * 2**20))
    with pytest.raises(
        ClusterError, match=r"is 3 MiB, a cluster accepts 2 .* big/photos \(3 MiB\): list it in \.rayignore"
    ):
        pack_project(project, find_files_to_send(project), tmp_path / "a.zip")


def test_job_environment_has_only_our_variables() -> None:
    ours = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "HEADRACE_WORKSPACE": "/shared/a"}
    assert make_job_environment(ours | {"MLFLOW_TRACKING_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "y"}) == ours


@pytest.mark.parametrize("uri", ["http://me:hunter2@mlflow:5000", "https://hunter2@mlflow"])
def test_job_environment_with_a_password_is_refused_without_printing_it(uri: str) -> None:
    with pytest.raises(ClusterError, match="MLFLOW_TRACKING_URI: contains a user or password") as caught:
        make_job_environment({"MLFLOW_TRACKING_URI": uri})
    assert "hunter2" not in str(caught.value)


def test_python_path_is_set_for_a_clone_only(tmp_path: Path) -> None:
    assert make_python_path(tmp_path) == {}
    put(tmp_path, "pipeline/__init__.py")
    assert make_python_path(tmp_path) == {}, "a package of the user's own"
    put(tmp_path, "pipeline/headrace/__init__.py")
    assert make_python_path(tmp_path) == {"PYTHONPATH": "pipeline"}
