"""A real Ray cluster of one node, in processes, ports and a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

START_TIMEOUT_S = 90
REPOSITORY = Path(__file__).resolve().parents[2]


class RayCluster(NamedTuple):
    """Where the dashboard is, and what it asks for."""

    address: str
    token: str


def free_ports(num_ports: int) -> list[int]:
    """Ports below those that the kernel and Ray's workers draw from (10002 to 19999, 32768 and up)."""
    ports: list[int] = []
    for port in range(20000 + os.getpid() % 10000, 32000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                ports.append(port)
        if len(ports) == num_ports:
            return ports
    raise RuntimeError("no free ports")


def environment(token: str) -> dict[str, str]:
    """This machine only, and a token of its own; nothing of a cluster that somebody else started."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ours = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "PATH": path}
    return outer | ours


def wait_until_up(address: str, head: subprocess.Popen[bytes], log_path: Path) -> None:
    """Returns when the dashboard answers, be it that it wants a token."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while head.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"Ray did not start:\n{log_path.read_text()}")


def end(head: subprocess.Popen[bytes]) -> None:
    """Ends the head and what it started; `ray stop` would end every Ray of this machine."""
    mine = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
    head.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(mine, timeout=15)
    for process in alive:
        process.kill()
    head.wait()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A head with two CPUs, up for the whole run of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="hr", dir="/tmp"))  # short: the paths of Ray's sockets end at 107 bytes
    port, dashboard_port, agent_port, client_port = free_ports(4)
    token = os.urandom(16).hex()
    options = [
        f"--port={port}", f"--dashboard-port={dashboard_port}", f"--dashboard-agent-listen-port={agent_port}",
        f"--ray-client-server-port={client_port}", f"--temp-dir={folder}/ray", "--num-cpus=2",
        "--disable-usage-stats", "--block",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{dashboard_port}"
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *options],
            env=environment(token), stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_up(address, head, folder / "head.log")
        yield RayCluster(address, token)
    finally:
        end(head)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def clone_into() -> Callable[[Path], None]:
    """Copies the files that git tracks, as they are in the working tree, into a new folder."""

    def clone(folder: Path) -> None:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(command, cwd=REPOSITORY, text=True).split():
            if (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, folder / name)

    return clone
