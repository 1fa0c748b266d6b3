"""Runs a stage through the fork server of its `dvc repro`, which has imported what stages need.

Uses only the standard library's light modules: this is all that the process of such a stage imports.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

OWNER_VARIABLE = "HEADRACE_DVC_PID"
"""Set in forked stages: the process id of `dvc`, which is not their ancestor."""
SOCKETS_DIR = Path(".headrace/fork_server")
"""Below the project's folder, and relative: the path of a socket has at most 107 bytes."""
LIGHT, HEAVY, TRACKING = "light", "heavy", "tracking"
"""The processes of a server: with the imports of the stages before the training, with torch, and with MLflow."""
SERVER_OF_COMMAND = (
    dict.fromkeys(("ingest", "clean", "split", "normalize", "tune"), LIGHT)
    | dict.fromkeys(("train", "validate", "quantize", "test", "explain"), HEAVY)
    | dict.fromkeys(("register", "send", "check-served"), TRACKING)
    | {"fit-baselines": LIGHT}
)
START_TIMEOUT_S = 5.0
"""How long a new server may take until it listens; after it, the stage runs in the calling process."""
REFUSED = -1
"""The server's answer for a process that differs from it, by its environment or its code."""


def run_stage_by_fork_server(arguments: list[str]) -> int | None:
    """Returns the exit code of a stage that ran in a fork of the server, or None if it must run in this process.

    A server exists only below `dvc repro`, under Linux. Signals are forwarded to the stage; a stage whose client was
    killed is killed too.
    """
    if len(arguments) != 1 or arguments[0] not in SERVER_OF_COMMAND or "DVC_STAGE" not in os.environ:
        return None
    if os.environ.get("HEADRACE_PLAIN") == "1" or not sys.platform.startswith("linux"):
        return None
    owner = _find_dvc_process()
    if owner is None:
        return None
    connection = _connect(owner, arguments[0])
    if connection is None:
        return None
    with connection:
        return _request(connection, arguments)


def fork_detached(arguments: list[str], cwd: Path, log_path: Path, *, stdin: int | None = None) -> int | None:
    """Runs an internal command in a fork that outlives this stage; returns its process id, or None without a server.

    `stdin` is the descriptor of its standard input, by default /dev/null.
    """
    owner = os.environ.get(OWNER_VARIABLE)
    connection = _try_connect(make_socket_path(int(owner), SERVER_OF_COMMAND[arguments[0]])) if owner else None
    if connection is None:
        return None
    request = {"arguments": arguments, "cwd": str(cwd)}
    with connection, log_path.open("a") as log, Path(os.devnull).open() as nothing:
        streams = [nothing.fileno() if stdin is None else stdin, log.fileno(), log.fileno()]
        with suppress(OSError):
            socket.send_fds(connection, [json.dumps(request).encode()], streams)
            answer = connection.recv(64)
            return int(answer) if answer else None
    return None


def make_socket_path(owner: int, kind: str) -> Path:
    """Returns the path of a server's socket; `owner` is the process id of `dvc`."""
    return SOCKETS_DIR / f"{owner}-{kind}.sock"


def hash_process() -> str:
    """Returns a hash of what must be equal in the server and in a process that it stands for: environment and code."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DVC_STAGE", "_"}}
    package = Path(__file__).parent
    code = [[str(path), path.stat().st_mtime_ns] for path in sorted(package.rglob("*.py"))]
    return hashlib.sha256(json.dumps([environment, sys.executable, os.getcwd(), code]).encode()).hexdigest()  # noqa: PTH109


def _find_dvc_process() -> int | None:
    """Returns the nearest ancestor that did not get DVC_STAGE itself: the `dvc` that runs this stage."""
    pid = os.getppid()
    with suppress(OSError, ValueError):
        while pid > 1:
            if b"DVC_STAGE=" not in Path(f"/proc/{pid}/environ").read_bytes():
                return pid
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return None


def _connect(owner: int, stage: str) -> socket.socket | None:
    """Returns a connection to the server of this `dvc`, which is started if there is none."""
    path = make_socket_path(owner, SERVER_OF_COMMAND[stage])
    connection = _try_connect(path)
    if connection is not None:
        return connection
    with suppress(OSError):
        SOCKETS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_path = SOCKETS_DIR.parent / "logs" / "fork_server.log"
        log_path.parent.mkdir(exist_ok=True)
        with log_path.open("ab") as log:
            command = [sys.executable, "-m", "headrace", "fork-server", str(owner), stage]
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while connection is None and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
            connection = _try_connect(path)
    return connection


def _try_connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


def _request(connection: socket.socket, arguments: list[str]) -> int | None:
    def forward(number: int, _: object) -> None:
        with suppress(OSError):
            connection.send(str(number).encode())

    umask = os.umask(0)
    os.umask(umask)
    request = {"arguments": arguments, "stage": os.environ["DVC_STAGE"], "umask": umask, "process": hash_process()}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell does for a command in the background
            signal.signal(number, forward)
    try:
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        answer = connection.recv(64)
    except OSError:
        answer = b""
    if not answer:
        print("headrace: the fork server was killed; run the same command again", file=sys.stderr)  # noqa: T201
        return 128 + signal.SIGKILL
    return None if int(answer) == REFUSED else int(answer)
