"""A registered model in this process: its own graph, card and code, without MLflow."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.tracking.served.model_download import check_model_uri, download_model, resolve_version
from headrace.tracking.served.verified_files import CHECKSUMS, ChangedFileError, PackageFinder, verify_files

MODEL_FILE = "MLmodel"
REMEDY = "register it again: dvc repro --force --single-item register"


@dataclass(frozen=True)
class RegisteredModel:
    """The files of a version, whose checksums are those of its registration."""

    folder: Path
    package: str
    """The package with the version's own code."""
    card: Json

    @property
    def version(self) -> str:
        """Name and number, such as `headrace-wine/3`; the id of the training if the version is not known."""
        return str(self._import("predictor").read_version(self.folder, self.card))

    @property
    def reference(self) -> Json | None:
        """Histograms of the train rows; None if the version has none."""
        path = self.folder / "artifacts" / "reference.json"
        return json.loads(path.read_bytes()) if path.is_file() else None

    def load_encoder(self) -> Any:
        """Returns what turns rows into inputs of the graph."""
        artifacts = {path.stem: str(path) for path in (self.folder / "artifacts").glob("*.json")}
        return self._import("serving").Encoder(self.card, artifacts)

    def load_predictor(self, num_threads: int = 0) -> Any:
        """Returns the version's `tracking.served.predictor.Predictor`."""
        (graph,) = (self.folder / "artifacts").glob("*.onnx")
        return self._import("predictor").Predictor(self.card, self.load_encoder(), graph, num_threads)

    @cached_property
    def requests(self) -> ModuleType:
        """The version's `tracking.served.scoring_requests`."""
        return self._import("scoring_requests")

    def _import(self, module: str) -> ModuleType:
        """Imports a module of the version's package, which lies outside of `sys.path`."""
        if self.package not in sys.modules:
            sys.meta_path.insert(0, PackageFinder(self.folder / "code" / self.package))
        return import_module(f"{self.package}.{module}")


def find_model(name: str | None, paths: Paths, download_dir: Path) -> Path:
    """Returns the folder of a registered model.

    `name`: a URI of MLflow's registry, a folder, or None for the version that the project registered last. A version
    whose files are elsewhere is downloaded into `download_dir`. Raises ConfigError, DataError or TrackingError.
    """
    if name is None:
        name = _read_registered(paths)
    if not name.startswith("models:/"):
        folder = Path(name).expanduser()
        if not (folder / MODEL_FILE).is_file():
            raise DataError(
                f"model: {name!r} has no file {MODEL_FILE}; give the folder of a registered model, or"
                " models:/NAME@champion"
            )
        return folder.resolve()
    check_model_uri(name)
    uri = resolve_version(name, paths)
    target = download_dir / uri.removeprefix("models:/").replace("/", "-")
    if not (target / MODEL_FILE).is_file():
        target.mkdir(parents=True, exist_ok=True)
        return download_model(uri, paths, target)
    return target


def open_model(folder: Path) -> RegisteredModel:
    """Opens the files of a version; raises DataError if they are not those that were registered."""
    if not (folder / CHECKSUMS).is_file():
        raise DataError(
            f"{folder}: has no {Path(CHECKSUMS).name}: not a model of headrace, or of an earlier version; {REMEDY}"
        )
    try:
        package = verify_files(folder)
    except ChangedFileError as error:
        raise DataError(f"{folder}/{error}") from None
    if not (folder / "code" / package / "predictor.py").is_file():
        raise DataError(f"{folder}: was registered by an earlier version of headrace; {REMEDY}")
    return RegisteredModel(folder, package, json.loads((folder / "artifacts" / "card.json").read_bytes()))


def _read_registered(paths: Paths) -> str:
    """The folder of the version that the project registered last, or its URI if its files are elsewhere."""
    try:
        registered = json.loads(paths.registered_path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"model: {paths.registered_path} is not there: no model was registered here; run: dvc repro, or name"
            " a model: models:/NAME@champion, or its folder"
        ) from None
    folder = paths.tracking_root / registered.get("files", "")
    has_files = registered.get("files") and (folder / MODEL_FILE).is_file()
    return str(folder) if has_files else str(registered["uri"])
