"""The files of registered versions and runs, by their names in the artifacts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from headrace.paths import Paths
from headrace.tracking.client import NOT_FOUND, connect, translate_mlflow_errors

LOCAL = {"", "file"}
LOCAL_DIR = "mlartifacts"
"""The folder of a project's own files, beside its SQLite file."""


class ResultFiles:
    """Finds files below the address of a version or a run; those on servers and in buckets are downloaded."""

    def __init__(self, paths: Paths, scratch: Path) -> None:
        """Downloads go below the existing folder `scratch`."""
        self._paths, self._scratch = paths, scratch

    def find(self, uri: str, name: str) -> Path | None:
        """Returns the local path of a file; None if there is no such file. Raises TrackingError."""
        if not uri:
            return None
        if urlsplit(uri).scheme in LOCAL:
            path = self._locate(Path(unquote(urlsplit(uri).path))) / name
            return path if path.is_file() else None
        return self._download(uri, name)

    def _locate(self, folder: Path) -> Path:
        """Returns the folder of local files, which in MLflow's tables is absolute, of a project that was moved."""
        if folder.exists() or LOCAL_DIR not in folder.parts:
            return folder
        return self._paths.tracking_root.joinpath(*folder.parts[folder.parts.index(LOCAL_DIR) :])

    def _download(self, uri: str, name: str) -> Path | None:
        from mlflow import artifacts
        from mlflow.exceptions import MlflowException

        tracking_uri = connect(self._paths).tracking_uri
        folder, _, base_name = name.rpartition("/")
        with translate_mlflow_errors(self._paths):
            try:
                items = artifacts.list_artifacts(artifact_uri=f"{uri}/{folder}".rstrip("/"), tracking_uri=tracking_uri)
                if base_name not in {item.path.rpartition("/")[2] for item in items}:
                    return None
                destination = self._scratch / str(len(list(self._scratch.iterdir())))
                destination.mkdir()
                path = artifacts.download_artifacts(
                    artifact_uri=f"{uri}/{name}", dst_path=str(destination), tracking_uri=tracking_uri
                )
            except MlflowException as error:
                if error.error_code not in NOT_FOUND:
                    raise
                return None
        return Path(path)
