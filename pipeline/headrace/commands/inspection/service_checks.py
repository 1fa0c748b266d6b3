"""Checks of `headrace doctor` of what a run works with: the project, DVC, the MLflow server, Ray's cluster, ports."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from headrace.commands.inspection.check import Check
from headrace.commands.remote.jobs import DEFAULT_ADDRESS
from headrace.errors import HeadraceError
from headrace.paths import Paths

TIMEOUT_S = 5.0
"""For one answer of a server."""
UI_PORT, UNAVAILABLE = 5000, 500
"""The port of `headrace ui`; the first HTTP status of a server that does not work."""
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_services(paths: Paths) -> Iterator[Check]:
    """Yields the checks of a project and its services; without a project, those that make sense."""
    yield check_commands()
    yield check_project(paths)
    yield check_dvc(paths)
    yield check_mlflow(paths)
    yield check_ray(paths)
    yield check_port(UI_PORT)


def check_commands(bin_dir: Path = Path(sys.executable).parent) -> Check:
    """Whether `dvc` and `headrace`, which DVC runs by name, are in PATH and those of this environment."""
    remedy = f"source {bin_dir}/activate, or put {bin_dir} first in PATH"
    for name in ("dvc", "headrace"):
        path = shutil.which(name)
        if path is None:
            return Check("commands", "error", f"{name} is not in PATH, so dvc repro cannot run", remedy)
        if Path(path).parent.resolve() != bin_dir.resolve():
            return Check("commands", "warning", f"{name} is {path}, of another environment than this one", remedy)
    return Check("commands", "ok", f"dvc and headrace of {bin_dir}")


def check_project(paths: Paths) -> Check:
    """Whether the settings are valid, and the project's files those of the installed release."""
    from headrace.commands.upgrade import check_project as check_files
    from headrace.settings.load import load_settings

    if not paths.params_path.is_file():
        remedy = "headrace init DIR makes one; headrace --project DIR doctor checks one elsewhere"
        return Check("project", "warning", f"no project in {paths.root}", remedy)
    try:
        load_settings(paths)
    except HeadraceError as error:
        return Check("project", "error", _join_lines(error), "correct it in params.yaml")
    try:
        check_files(paths)
    except HeadraceError as error:
        return Check("project", "warning", _join_lines(error), "headrace upgrade")
    return Check("project", "ok", f"settings are valid in {paths.root}")


def check_dvc(paths: Paths) -> Check:
    """Whether the project is below a folder that `dvc init` has prepared, and where its data are pushed to."""
    from headrace.config import read_params

    folder = next((path for path in (paths.root, *paths.root.parents) if (path / ".dvc").is_dir()), None)
    if folder is None:
        if not paths.params_path.is_file():
            return Check("dvc", "ok", "no project to check")
        return Check(
            "dvc", "error", f"{paths.root} is not prepared for DVC", "git init && dvc init (or: dvc init --no-scm)"
        )
    if not (paths.root / "dvc.yaml").is_file():
        return Check("dvc", "ok", f"repository {folder}, without stages here")
    try:
        stages = read_params(paths.root / "dvc.yaml").get("stages") or {}
    except HeadraceError as error:
        return Check("dvc", "error", _join_lines(error), "correct it in dvc.yaml")
    return Check("dvc", "ok", f"{len(stages)} stages, repository {folder}")


def check_mlflow(paths: Paths) -> Check:
    """Whether runs can be stored where MLFLOW_TRACKING_URI says: a server answers, a database listens, a file opens."""
    from headrace.tracking.uri import check_tracking_uri, find_sqlite_file, remove_credentials, tracking_uri

    try:
        check_tracking_uri(paths)
    except HeadraceError as error:
        return Check("mlflow", "error", _join_lines(error), "set or unset MLFLOW_TRACKING_URI")
    uri = tracking_uri(paths)
    shown, parts = remove_credentials(uri), urlsplit(uri)
    if path := find_sqlite_file(paths):
        return Check(
            "mlflow", "ok", f"runs are stored in {path}" + ("" if path.is_file() else ", which the first creates")
        )
    if parts.scheme in {"http", "https"}:
        problem = find_http_problem(f"{shown.rstrip('/')}/health")
    else:
        port = parts.port or DATABASE_PORTS.get(parts.scheme.partition("+")[0])
        problem = find_port_problem(parts.hostname or "", port) if port else ""
    if problem:
        remedy = "start it, or unset MLFLOW_TRACKING_URI; until then only register waits, headrace sync sends the rest"
        return Check("mlflow", "error", f"{shown}: {problem}", remedy)
    return Check("mlflow", "ok", f"{shown} answers")


def check_ray(paths: Paths) -> Check:
    """Whether the cluster answers that RAY_ADDRESS or the project's last submitted job names."""
    address = os.environ.get("RAY_ADDRESS") or find_last_address(paths)
    is_given = bool(address)
    address = address or DEFAULT_ADDRESS
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.scheme in {"http", "https"}:
        problem = find_http_problem(f"{address.rstrip('/')}/api/version")
    elif parts.hostname in {None, "auto", "local"}:
        return Check("ray", "ok", f"RAY_ADDRESS={address}: Ray looks for it itself")
    else:
        problem = find_port_problem(parts.hostname or "", parts.port or 6379)
    if not problem:
        return Check("ray", "ok", f"a cluster answers at {address}")
    if is_given:
        return Check(
            "ray", "warning", f"{address}: {problem}", "start it, or unset RAY_ADDRESS, or submit elsewhere: --address"
        )
    return Check("ray", "ok", f"no cluster at {address}: runs on this machine")


def find_last_address(paths: Paths) -> str:
    """Returns the address that the project's latest job was submitted to; empty if there was none."""
    records = [json.loads(path.read_bytes()) for path in (paths.state_dir / "jobs").glob("*.json")]
    return str(max(records, key=lambda record: float(record["submitted"]))["address"]) if records else ""


def check_port(port: int) -> Check:
    """Whether `headrace ui` can listen on its port."""
    from headrace.commands.ui import check_port as raise_if_taken

    try:
        raise_if_taken(port)
    except HeadraceError:
        detail = f"{port}, of headrace ui, is in use (by MLflow itself, perhaps)"
        return Check("port", "warning", detail, f"headrace ui --port {port + 1}")
    return Check("port", "ok", f"{port}, of headrace ui, is free")


def find_http_problem(url: str) -> str:
    """Returns why a server does not answer; empty if it does, though it may ask for a password or token."""
    proxies = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in {"127.0.0.1", "localhost"} else []
    try:
        with urllib.request.build_opener(*proxies).open(url, timeout=TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < UNAVAILABLE else f"HTTP status {error.code}"
    except (OSError, ValueError) as error:
        return f"does not answer ({getattr(error, 'reason', error)})"


def find_port_problem(host: str, port: int) -> str:
    """Returns why nothing listens on the port; empty if something does."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError as error:
        return f"does not answer ({error})"
    return ""


def _join_lines(error: HeadraceError) -> str:
    return " ".join(str(error).split())
