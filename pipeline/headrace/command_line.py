"""The command line. Each command imports its own code. A user error is printed as one line, with exit code 2."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from headrace import __version__
from headrace.commands.inspection.command import completion, doctor, enable_completion, status
from headrace.commands.remote.jobs import jobs_app, submit
from headrace.comparison.command import compare
from headrace.errors import USER_ERRNOS, ConfigError, DataError, HeadraceError, Interrupted, Terminated
from headrace.paths import Paths
from headrace.reproduction.command import lineage, reproduce
from headrace.stages import STAGE_HELP, STAGES

app = typer.Typer(name="headrace", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
BROKEN_PIPE = 141
STAGE_PANEL = "Stages (each command runs one; dvc repro runs all that changed)"


def _paths() -> Paths:
    return Paths(Path.cwd())


def _stage_command(name: str) -> Callable[[], None]:
    def command() -> None:
        from headrace.commands.run_stage import run_stage

        _raise_on_interrupt()
        run_stage(name, _paths())

    command.__doc__ = STAGE_HELP[name]
    return command


for _stage in STAGES:
    app.command(_stage, rich_help_panel=STAGE_PANEL)(_stage_command(_stage))
for _command in (status, doctor, completion, compare, lineage, reproduce):
    app.command()(_command)
app.command()(submit)
app.add_typer(jobs_app, name="jobs")


@app.command()
def report() -> None:
    """Write reports/index.html and reports/model_card.md from what is there."""
    from headrace.commands.report import write_run_report

    print("\n".join(write_run_report(_paths())))  # noqa: T201


@app.command()
def predict(  # noqa: PLR0913 one parameter for each option
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A file, folder, table, archive or URL.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write: .parquet or .csv.")],
    model: Annotated[
        str | None,
        typer.Option(help="models:/NAME@champion, models:/NAME/3 or a folder; the default is the project's latest."),
    ] = None,
    *,
    engine: Annotated[Literal["auto", "local", "ray"], typer.Option(help="Where to compute.")] = "auto",
    column: Annotated[str | None, typer.Option(help="The column of the texts or image paths.")] = None,
    query: Annotated[str | None, typer.Option(help="What to read from a database: a table, or SELECT ...")] = None,
    copy: Annotated[list[str] | None, typer.Option(help="A column to copy to the output; repeatable.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a row that cannot be answered.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Compare the rows with the train rows.")] = False,
) -> None:
    """Predict every row of new data by a registered model."""
    from headrace.commands.predict import predict as run
    from headrace.prediction.run import PredictRequest

    _raise_on_interrupt()
    request = PredictRequest(source, output, model, engine, strict, drift, column, tuple(copy or ()), query)
    run(request, _paths())


@app.command()
def sync() -> None:
    """Send to MLflow what an outage left."""
    from headrace.commands.remote.sync import sync_outbox

    sync_outbox(_paths())


@app.command()
def promote(
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]", help="NAME (its challenger) or models:/NAME/VERSION; the default is this project's."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Even if the gate or the comparison was against it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; stored with the version.")] = "",
) -> None:
    """Make a registered version the champion."""
    from headrace.commands.promote import promote_model

    print(promote_model(_paths(), model, force=force, reason=reason))  # noqa: T201


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="In the registry; the default is this project's.")] = "",
    reason: Annotated[str, typer.Option(help="Why; stored with the versions.")] = "",
) -> None:
    """Make the version before the champion the champion again."""
    from headrace.commands.promote import roll_back_model

    print(roll_back_model(_paths(), name, reason=reason))  # noqa: T201


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1 (this machine only).", min=1, max=65535)] = 5000,
) -> None:
    """Serve MLflow's web pages on this machine."""
    from headrace.commands.ui import serve_ui

    raise typer.Exit(serve_ui(_paths(), port))


@app.command()
def recipes() -> None:
    """List the recipes: ready-to-run settings."""
    from headrace.commands.recipes import show_recipes

    show_recipes()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe of headrace recipes; the default is 5,000 digits.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="PATH", help="Your data, or a URL: settings are guessed from the first rows.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="The column of it to predict; repeatable.")
    ] = None,
) -> None:
    """Create a project that is ready for dvc repro."""
    from headrace.commands.init import create_project

    print("\n".join(create_project(folder, recipe, source, target)))  # noqa: T201


@app.command()
def contract(
    force: Annotated[bool, typer.Option("--force", help="Replace an existing contract.yaml.")] = False,
) -> None:
    """Propose contract.yaml, the rules that every later row must keep, from the accepted rows."""
    from headrace.commands.contract import write_contract

    print("\n".join(write_contract(_paths(), is_forced=force)))  # noqa: T201


@app.command()
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Only check; exit code 2 if anything is to be done.")] = False,
) -> None:
    """Bring this project to the installed version."""
    from headrace.commands.upgrade import check_project, upgrade_project

    if check:
        check_project(_paths())
    else:
        print("\n".join(upgrade_project(_paths())))  # noqa: T201


@app.command(hidden=True)
def fingerprint() -> None:
    """Hash the code of models of your own; a stage of model_code/dvc.yaml."""
    from headrace.fingerprint.model_code import write_model_code

    write_model_code(_paths())


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    project: Annotated[
        str, typer.Option(metavar="DIR", help="Run in this folder; stands before the command, as git -C.")
    ] = "",
) -> None:
    """Turn raw labelled data into a trained, tested, quantised, explained and registered model."""
    if project:  # a folder that exists was entered, and the option removed, before this module was imported
        raise ConfigError(f"--project: {project}: no such folder, or no right to enter it; headrace init DIR makes one")
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


class MessageFormatter(logging.Formatter):
    """Formats a message as errors are: with the project's paths relative to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        return _paths().shorten(super().format(record))


def run_command(arguments: list[str]) -> NoReturn:
    """Runs a command and exits: 0 success, 1 bug, 2 user error, 3 failed gate, 130/143 interrupted."""
    # a thread that still uses Ray after an interruption would start another session, which nobody ends
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    handler = logging.StreamHandler()
    handler.setFormatter(MessageFormatter("headrace: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.ERROR)
    logging.getLogger("headrace").setLevel(logging.WARNING)
    if str(Path.cwd()) not in sys.path:  # makes the project's own packages importable, as `python -m headrace` does
        sys.path.insert(0, str(Path.cwd()))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        check_plain_switch()
        enable_completion()
        sys.exit(app(args=arguments, prog_name="headrace", standalone_mode=False))
    except HeadraceError as error:
        _exit_with(error)
    except typer.TyperException as error:  # an unknown command or option
        if not error.format_message():  # there was no command, and the help was shown
            sys.exit(ConfigError.exit_code)
        _exit_with(_describe_usage_error(error, arguments))
    except (Terminated, KeyboardInterrupt, typer.Abort) as stop:
        _exit_stopped(stop)
    except BrokenPipeError:
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.errno not in USER_ERRNOS:
            raise
        where = error.filename or Path.cwd()
        _exit_with(DataError(f"{where}: {error.strerror}; free space or grant access, then run the same command again"))


def check_plain_switch() -> None:
    """Raises ConfigError for a value of HEADRACE_PLAIN that would be taken for off without a word."""
    value = os.environ.get("HEADRACE_PLAIN", "0")
    if value not in {"", "0", "1"}:
        raise ConfigError(f"HEADRACE_PLAIN: got {value!r}; must be 1, or 0 or unset for off; set one of them")


def _describe_usage_error(error: typer.TyperException, arguments: list[str]) -> ConfigError:
    """Rewords typer's message, and refers to the help of the command at hand."""
    problem = error.format_message().rstrip(".").partition(", unable to parse")[0]
    if problem.startswith("No such option: --project"):
        problem = "--project stands before the command: headrace --project DIR COMMAND"
    if match := re.fullmatch(r"Invalid value for '(.+?)': Input should be (.+)", problem):
        problem = f"{match[1]}: must be {match[2]}"
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    command = next((f"{argument} " for argument in arguments if argument in names), "")
    return ConfigError(f"command line: {problem}; see: headrace {command}--help")


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted


def _raise_on_interrupt() -> None:
    """Raises Interrupted for Ctrl-C, unless the shell made this process ignore it, as in the background."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _exit_stopped(stop: BaseException) -> NoReturn:
    if isinstance(stop.__cause__, EOFError):  # a bug, which typer takes for the end of the terminal's input
        raise stop.__cause__ from None
    kind = stop if isinstance(stop, Terminated) else Interrupted
    print("; ".join([f"headrace: {kind.description}", *getattr(stop, "__notes__", [])]), file=sys.stderr)  # noqa: T201
    sys.exit(kind.exit_code)


def _exit_with(error: HeadraceError) -> NoReturn:
    cause: BaseException | None = error
    while cause is not None:  # closes the generators in its frames, with their files and threads, before the exit
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__context__
    line = " ".join(str(error).split())
    print(f"headrace: {_paths().shorten(line)}", file=sys.stderr)  # noqa: T201
    sys.exit(error.exit_code)
