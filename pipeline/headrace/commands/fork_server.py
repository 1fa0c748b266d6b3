"""Forks the stages of one `dvc repro` from processes that have imported what they need, so that it is imported once.

The first stage starts one process, which imports what the stages before the training need. It forks two others, which
import torch and MLflow at the same time, on other cores. All end with their `dvc`. None starts a thread or runs
anything but imports; every stage runs in a fork, with the streams and signals of the process that asked for it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from headrace.config import read_params
from headrace.data.datasets import BUILT_INS
from headrace.fork_client import (
    HEAVY,
    LIGHT,
    OWNER_VARIABLE,
    REFUSED,
    SERVER_OF_COMMAND,
    TRACKING,
    hash_process,
    make_socket_path,
)
from headrace.quantization.onnx_export import EXPORTER_MODULES
from headrace.runtime import relax_gc
from headrace.stages import STAGES

Json = dict[str, Any]
REQUEST_BYTES = 2**16
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent ends."""
MODULES: dict[str, tuple[str, ...]] = {
    "": (
        "headrace.command_line",
        "headrace.commands.run_stage",
        *(f"headrace.stages.{stage}" for stage in STAGES),
        "pyarrow.parquet",
        "pandas",
    ),
    "clean": ("cleanlab.filter", "sklearn.linear_model", "sklearn.model_selection", "jinja2"),
    "fit-baselines": ("headrace.evaluation.baselines.fit", "sklearn.linear_model", "sklearn.ensemble"),
    "train": ("torch", "pytorch_lightning", *EXPORTER_MODULES, "onnx"),
    "validate": ("scipy.optimize",),
    "explain": ("captum.attr", "matplotlib.figure"),
    "register": ("mlflow.store.tracking.sqlalchemy_store", "mlflow.pyfunc"),
}
"""Stage -> the modules that it needs, for every modality; those of "" are needed by all stages.

None may start a thread that a fork would miss, as onnxruntime 1.31 does (OpenBLAS and jemalloc expect forks).
"""
MODULE_ORDER = ("clean", "register", "train", "validate", "explain")
"""The order in which a process imports what its stages need; internal commands import when they begin."""
STAGE_OF_COMMAND = {"send": "register", "check-served": "register"}
"""Internal command -> the stage whose modules it needs."""


def serve(owner: int, first_stage: str) -> list[str]:
    """Serves the stages of the `dvc` with process id `owner`; returns in each fork, with the arguments to run.

    Imports what the stages from `first_stage` on need. Exits when `owner` has ended, and with it the stages.
    """
    process = hash_process()  # before imports change the environment
    relax_gc()
    later = STAGES[STAGES.index(first_stage) :]
    listeners = {kind: _listen(make_socket_path(owner, kind)) for kind in (LIGHT, HEAVY, TRACKING)}
    server = _Server(owner, os.pidfd_open(owner), process, LIGHT, listeners)
    for module in MODULES[""]:
        _import(module)
    for kind, modules in ((HEAVY, []), (TRACKING, _needs_of_server(LIGHT, later))):
        arguments = server.run(modules, until_imported=True)
        if arguments is not None:
            return arguments
        other = server.fork(kind)
        if other:
            return other.run(_needs_of_server(kind, later)) or []
    return server.run() or []


def _needs_of_server(kind: str, stages: Sequence[str]) -> list[str]:
    return [
        module
        for stage in MODULE_ORDER
        if stage in stages and SERVER_OF_COMMAND[stage] == kind
        for module in _needs(stage)
    ]


def _needs(command: str) -> tuple[str, ...]:
    return MODULES.get(STAGE_OF_COMMAND.get(command, command), ())


def _needs_of_source(command: str) -> tuple[str, ...]:
    """The module that ingest needs for a built-in dataset; without it, both processes would import it."""
    if command != "ingest":
        return ()
    with suppress(Exception):  # ingest itself reports what is wrong with the settings
        source = read_params(Path("params.yaml"))["ingest"]["source"]
        return (BUILT_INS[source].module,) if BUILT_INS[source].module else ()
    return ()


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()
    return listener


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class _Child(NamedTuple):
    """A stage that runs."""

    pid: int
    connection: socket.socket | None
    """To its client; None for another server."""


class _Server:
    """One process that forks stages."""

    def __init__(self, owner: int, owner_fd: int, process: str, kind: str, listeners: dict[str, socket.socket]) -> None:
        self._owner, self._owner_fd, self._process = owner, owner_fd, process
        self._listener, self._listeners = listeners[kind], listeners
        self._modules, self._children = deque[str](), dict[int, _Child]()
        """Modules that are still to be imported; children by the descriptor of their process."""

    def fork(self, kind: str) -> _Server | None:
        """Forks the server `kind`; returns it in the fork, and None in this process, which does not end before it."""
        if self._owner_fd == -1:
            return None
        pid = os.fork()
        if pid:
            self._listeners.pop(kind).close()
            self._children[os.pidfd_open(pid)] = _Child(pid, None)
            return None
        _end_with_parent()
        listener, owner_fd = self._listeners.pop(kind), os.dup(self._owner_fd)
        self.close()
        return _Server(self._owner, owner_fd, self._process, kind, {kind: listener})

    def run(self, modules: Iterable[str] = (), *, until_imported: bool = False) -> list[str] | None:
        """Imports and serves until the owner ends, or until all is imported; returns the arguments in each fork."""
        if self._owner_fd != -1:
            self._modules.extend(modules)
        while self._modules or not until_imported:
            for ready in self._wait():
                arguments = self._handle(ready)
                if arguments is not None:
                    return arguments
            if self._modules:
                _import(self._modules.popleft())
        return None

    def _wait(self) -> list[int]:
        poll = select.poll()
        connections = [child.connection.fileno() for child in self._children.values() if child.connection]
        listening = [] if self._owner_fd == -1 else [self._owner_fd, self._listener.fileno()]
        for fd in (*listening, *self._children, *connections):
            poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll(0 if self._modules else None)]

    def _handle(self, ready: int) -> list[str] | None:
        if ready == self._owner_fd:
            self._stop_listening()
        elif ready == self._listener.fileno():
            return self._accept()
        elif ready in self._children:
            self._report_end(ready)
        else:
            self._forward_signal(ready)
        return None

    def _accept(self) -> list[str] | None:
        """Forks a stage, or a detached process of one; returns its arguments in the fork."""
        connection = self._listener.accept()[0]
        data, streams, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 3)
        request = json.loads(data or "{}")
        is_detached = "cwd" in request
        if not is_detached and request.get("process") != self._process:
            connection.send(str(REFUSED).encode())
        else:
            for module in (*_needs(request["arguments"][0]), *_needs_of_source(request["arguments"][0])):
                _import(module)
            gc.freeze()
            pid = os.fork()
            if not pid:
                connection.close()
                self._adopt(request, streams)
                arguments: list[str] = request["arguments"]
                return arguments
            print(f"{request['arguments'][0]}: process {pid}", flush=True)  # noqa: T201 - the log
            if is_detached:
                connection.send(str(pid).encode())
            else:
                self._children[os.pidfd_open(pid)] = _Child(pid, connection)
        for stream in streams:
            os.close(stream)
        return None

    def _adopt(self, request: Json, streams: list[int]) -> None:
        """Makes this fork the process that the client asked for."""
        self.close()
        if "cwd" in request:
            os.setsid()
            os.chdir(request["cwd"])
        else:
            _end_with_parent()
            os.setpgid(0, 0)
            os.umask(request["umask"])
            os.environ |= {"DVC_STAGE": request["stage"], OWNER_VARIABLE: str(self._owner)}
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        for text in (sys.stdout, sys.stderr):
            text.reconfigure(line_buffering=text.isatty() or text is sys.stderr)  # type: ignore[union-attr]

    def _report_end(self, process_fd: int) -> None:
        child = self._children.pop(process_fd)
        os.close(process_fd)
        status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        if child.connection:
            with suppress(OSError):
                child.connection.send(str(128 - status if status < 0 else status).encode())
            child.connection.close()
        self._exit_if_idle()

    def _forward_signal(self, connection_fd: int) -> None:
        """Passes on the client's signals; without a client, the stage ends at once, as the client did."""
        for child in self._children.values():
            if child.connection and child.connection.fileno() == connection_fd:
                number = child.connection.recv(64)
                os.kill(child.pid, int(number) if number else signal.SIGKILL)

    def _stop_listening(self) -> None:
        os.close(self._owner_fd)
        self._owner_fd = -1
        self._modules.clear()
        for listener in self._listeners.values():
            Path(listener.getsockname()).unlink(missing_ok=True)
        self._exit_if_idle()

    def _exit_if_idle(self) -> None:
        if self._owner_fd == -1 and not self._children:
            os._exit(0)

    def close(self) -> None:
        """Closes in a fork what belongs to the server."""
        for listener in self._listeners.values():
            listener.close()
        os.close(self._owner_fd)
        for process_fd, child in self._children.items():
            os.close(process_fd)
            if child.connection:
                child.connection.close()
        self._children.clear()


def _import(module: str) -> None:
    with suppress(Exception):  # the stage that needs it reports what is wrong
        import_module(module)
