"""The dashboard of a Ray cluster: all requests of a client go through its one port."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from headrace.errors import ClusterError

CONNECT_TIMEOUT_S = 10
FETCH_TIMEOUT_S = 600
"""Without any byte of a file that is downloaded."""


def connect(address: str) -> Any:
    """Returns Ray's client for jobs; raises ClusterError if the address is not that of a Ray dashboard."""
    check_address(address)
    from ray.job_submission import JobSubmissionClient

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
    for name in ("sdk", "dashboard_sdk"):  # Ray sets these two to INFO when it is imported
        logging.getLogger(f"ray.dashboard.modules.job.{name}").setLevel(logging.ERROR)
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.ERROR)
    with translate_ray_errors(address), _unset("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # they override `address`
        return JobSubmissionClient(address, headers=_token_headers())


def check_address(address: str) -> None:
    """Raises ClusterError unless a Ray dashboard answers at the address; does not import Ray."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClusterError(f"--address: {address!r} is not a URL of a dashboard; write http://127.0.0.1:8265")
    if "@" in parts.netloc:
        raise ClusterError("--address: must not contain a user or password; set RAY_AUTH_TOKEN instead")
    if not _is_ray(address.rstrip("/")):
        raise ClusterError(f"{address}: responds, but is not a Ray dashboard; its default port is 8265")


def _is_ray(address: str) -> bool:
    """Requests the version, since Ray's client may wait forever or end in a traceback."""
    request = urllib.request.Request(f"{address}/api/version", headers=_token_headers())  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as response:  # noqa: S310
            return bool("ray_version" in json.load(response))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise ClusterError(
                f"{address}: requires another token; set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to that of the cluster "
                "(on its head node: ray get-auth-token)"
            ) from None
        return False
    except ValueError:
        return False
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ClusterError(
            f"{address}: not reachable ({reason}); start Ray there, or open the tunnel: ssh -L 8265:127.0.0.1:8265 HEAD"
        ) from None


def read_job_info(client: Any, submission_id: str, address: str) -> Any:
    """Returns Ray's description of a job; raises ClusterError if the cluster does not know it."""
    with translate_ray_errors(address):
        try:
            return client.get_job_info(submission_id)
        except RuntimeError as error:
            if "404" not in str(error):
                raise
    raise ClusterError(
        f"{address}: knows no job {submission_id!r} (a head that was started anew forgets its jobs); "
        "headrace jobs list shows those it has; the same submit again continues in its workspace"
    )


def download_beside_log(client: Any, info: Any, filename: str, target: Path) -> bool:
    """Downloads a file that a job wrote beside its log, to `target`; returns whether there was one."""
    import requests

    if not info.driver_node_id:
        return False
    query = {"node_id": info.driver_node_id, "filename": filename, "lines": -1, "timeout": FETCH_TIMEOUT_S}
    # the public ray.util.state.get_log needs another port, and Ray's client has no streaming
    response = requests.get(
        f"{client._address}/api/v0/logs/file?{urlencode(query)}",  # noqa: SLF001
        headers=client._headers,  # noqa: SLF001
        stream=True,
        timeout=FETCH_TIMEOUT_S,
    )
    with response, target.open("wb") as file:
        for chunk in response.iter_content(2**20):
            file.write(chunk)
        is_empty = (
            not file.tell()
        )  # Ray's agent under load: it responds with 200 and no byte for a file that is missing
    return response.ok and not is_empty


@contextlib.contextmanager
def translate_ray_errors(address: str) -> Iterator[None]:
    """Turns whatever Ray's client raises into a ClusterError."""
    import requests
    from ray.exceptions import RayError

    try:
        yield
    except (RuntimeError, OSError, ValueError, requests.RequestException, RayError) as error:
        if isinstance(error, ClusterError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"{address}: {reason[:300]}; check the dashboard, then run the same command again"
        ) from error


def _token_headers() -> dict[str, str]:
    """Returns the header with Ray's token (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token), if there is one.

    Ray's client sends it only under RAY_AUTH_MODE=token, but clusters that have a token always require it.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return {}
    token = os.environ.get("RAY_AUTH_TOKEN")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        token = token or path.read_text(encoding="utf-8")
    return {"Authorization": f"Bearer {token.strip()}"} if token else {}


@contextlib.contextmanager
def _unset(*names: str) -> Iterator[None]:
    """Unsets environment variables temporarily."""
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)
