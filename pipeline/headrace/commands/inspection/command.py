"""The commands that inspect: `status`, `doctor`, and `completion`, which describes the command line to a shell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from headrace.paths import Paths

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
COMPLETE_VARIABLE = "_HEADRACE_COMPLETE"
"""By this variable the shell's script asks for completions; typer reads it."""


def status(as_json: AsJson = False) -> None:
    """Show rows by stage, the quality of the model, and where to inspect the results."""
    from headrace.commands.inspection.status import show_status

    show_status(Paths(Path.cwd()), as_json=as_json)


def doctor(as_json: AsJson = False) -> None:
    """Check that this machine can run this project, and say what to do where not; exit code 1 if it cannot."""
    from headrace.commands.inspection.doctor import show_checks

    raise typer.Exit(show_checks(Paths(Path.cwd()), as_json=as_json))


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what makes the shell complete commands and options: eval "$(headrace completion bash)"."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # imported there, not in __all__

    print(get_completion_script(prog_name="headrace", complete_var=COMPLETE_VARIABLE, shell=shell))  # noqa: T201


def enable_completion() -> None:
    """Lets typer answer a shell that asks for completions, and ends the process then; does nothing otherwise."""
    if COMPLETE_VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
