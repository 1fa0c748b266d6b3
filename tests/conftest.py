"""Fixtures for all tests: small projects in the state after `train`, and copies of them that a test may change."""

import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from headrace.paths import Paths
from headrace.runtime import wait_briefly
from tests.projects import build_once, build_project, shared_folder, write_image_folder
from tests.serving import call_app, model_dir, register_project, sending_in_threads

# a shell that runs this in the background ignores SIGINT, which the processes under test would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)

wait_briefly()  # several processes of tests share the cores

# no test asserts a time: a busy machine is not a mistake
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """40 pictures of each of three classes."""
    return write_image_folder(tmp_path / "photos", 40)


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's tables and no runs; MLflow takes seconds to create them."""

    def create(path: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{path}").search_experiments()

    return build_once(shared_folder(tmp_path_factory) / "empty.db", create)


@pytest.fixture(scope="session")
def built_project(tmp_path_factory: pytest.TempPathFactory, empty_registry: Path) -> Callable[[str, str], Paths]:
    """(modality, task) -> a project as it stands after `train`, shared by all tests: copy it before you change it."""

    def build(modality: str, task: str) -> Paths:
        folder = shared_folder(tmp_path_factory) / f"{modality}-{task}"
        return Paths(build_once(folder, lambda root: build_project(Paths(root), modality, task, empty_registry)))

    return build


@pytest.fixture(scope="session")
def trained_root(built_project: Callable[[str, str], Paths]) -> Path:
    """The shared project of images, as it stands after `train`."""
    return built_project("image", "classification").root


@pytest.fixture
def trained(trained_root: Path, tmp_path: Path) -> Paths:
    """A copy of the project of images that a test may change."""
    shutil.copytree(trained_root, tmp_path / "project")
    return Paths(tmp_path / "project")


@pytest.fixture
def project(built_project: Callable[[str, str], Paths], request: pytest.FixtureRequest, tmp_path: Path) -> Paths:
    """A copy of the project that `request.param` (modality, task) names."""
    shutil.copytree(built_project(*request.param).root, tmp_path / "project")
    return Paths(tmp_path / "project")


@pytest.fixture(scope="module")
def registered(
    built_project: Callable[[str, str], Paths],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Paths:
    """The project that `request.param` (modality, task) names, after `register`: a copy for the tests of a module."""
    root = tmp_path_factory.mktemp("registered") / "project"
    shutil.copytree(built_project(*request.param).root, root)
    # float32: tests of requests compare confidences, many of which an int8 graph of this size maps to one
    register_project(Paths(root), max_latency=0.001)
    return Paths(root)


@pytest.fixture
def app(registered: Paths) -> Callable[..., tuple[int, Any]]:
    """The scoring server of MLflow for the registered model: (body, content type) -> status and answer."""
    import mlflow
    from mlflow.pyfunc import scoring_server

    return partial(call_app, scoring_server.init(mlflow.pyfunc.load_model(str(model_dir(registered)))))


@pytest.fixture(autouse=True)
def sender_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs the sender of stages in this process in a thread of it, so that MLflow is imported once for all tests.

    Commands that tests start have the real process; so have the tests of `launch` and `sender`, which undo this.
    """
    with sending_in_threads(monkeypatch):
        yield
