"""The entry point of `headrace` and `python -m headrace`. Imports the command line only where it runs the command."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from headrace.fork_client import run_stage_by_fork_server
from headrace.runtime import exit_process, relax_gc, skip_docstrings, wait_briefly


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 success, 1 bug, 2 user error, 3 failed gate, 130/143 interrupted."""
    given = enter_project(sys.argv[1:] if arguments is None else arguments)
    relax_gc()
    wait_briefly()
    skip_docstrings()
    code = run_stage_by_fork_server(given)
    if code is not None:
        sys.exit(code)
    if given[:1] == ["fork-server"]:  # internal: started by the fork client
        from headrace.commands.fork_server import serve

        given = serve(int(given[1]), given[2])
    if given[:1] == ["send"]:  # internal: started by the stages
        from headrace.tracking.sender import send_outbox

        send_outbox(given[1])
        exit_process(0)
    if given[:1] == ["check-served"]:  # internal: started by register
        from headrace.tracking.served.verification import answer_rows, forget_own_code

        forget_own_code()
        answer_rows(given[1])
    if given[:1] == ["fit-baselines"]:  # internal: started by validate, or by test
        from headrace.evaluation.baselines.fit import main as fit_baselines

        fit_baselines(given[1:])
        exit_process(0)
    from headrace.command_line import run_command

    try:
        run_command(given)
    except SystemExit as end:
        if arguments is not None:  # called by a program, which may go on
            raise
        exit_process(end.code if isinstance(end.code, int) else int(end.code is not None))


def enter_project(arguments: list[str]) -> list[str]:
    """Changes to the folder of a leading `--project DIR`, as `git -C` does; returns the arguments after it.

    All paths of the command are then relative to this folder. One that cannot be entered is left to the command line.
    """
    first, *others = arguments or [""]
    folder = first.removeprefix("--project=") if first.startswith("--project=") else ""
    if first == "--project" and others:
        folder, *others = others
    if not folder:
        return arguments
    with suppress(OSError):
        os.chdir(folder)
        return enter_project(others)
    return arguments


if __name__ == "__main__":
    main()
