"""The command line. Each command imports its own code; a mistake of the user's is one line and exit code 2."""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from headrace import __version__
from headrace.errors import USER_ERRNOS, ConfigError, DataError, HeadraceError, Terminated
from headrace.paths import Paths
from headrace.runtime import relax_gc
from headrace.stages import STAGES

app = typer.Typer(name="headrace", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
INTERRUPTED, TERMINATED, BROKEN_PIPE = 130, 143, 141


def _paths() -> Paths:
    return Paths(Path.cwd())


def _stage_command(name: str) -> Callable[[], None]:
    def command() -> None:
        from headrace.commands.run_stage import run_stage

        run_stage(name, _paths())

    command.__doc__ = f"Run stage {name} alone (`dvc repro` runs all that changed)."
    return command


for _stage in STAGES:
    app.command(_stage, rich_help_panel="Stages")(_stage_command(_stage))


@app.command()
def status() -> None:
    """Show where the data went, how good the model is, and where to look at it."""
    from headrace.commands.status import show_status

    show_status(_paths())


@app.command()
def submit(
    address: Annotated[str, typer.Option(help="Of the cluster's job server.")] = "http://127.0.0.1:8265",
    wait: Annotated[bool, typer.Option(help="Follow the log and bring the results back.")] = True,
) -> None:
    """Run the whole pipeline as a job on a Ray cluster."""
    from headrace.cluster.submit import submit_job

    code = submit_job(_paths(), address=address, wait=wait, echo=print)
    raise typer.Exit(code or 0)


@app.command()
def ui(port: Annotated[int, typer.Option(help="On this machine only (127.0.0.1).", min=1, max=65535)] = 5000) -> None:
    """Open MLflow's pages on this machine."""
    from headrace.commands.ui import serve_ui

    raise typer.Exit(serve_ui(_paths(), port))


@app.command()
def recipes() -> None:
    """List the recipes: settings that are ready to run."""
    from headrace.commands.recipes import show_recipes

    show_recipes()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New, or empty.")],
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="See headrace recipes; none: 5,000 digits.")
    ] = None,
) -> None:
    """Make a project that dvc repro runs as it stands."""
    from headrace.commands.init import create_project

    print("\n".join(create_project(folder, recipe)))  # noqa: T201


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Lead raw labelled data to a trained, tested, quantised, explained and registered model."""
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs a command and ends the process: 0 done, 1 a bug, 2 refused, 3 a gate not passed, 130/143 interrupted."""
    relax_gc()
    atexit.register(gc.freeze)  # the last search for garbage is of no use: with torch and MLflow loaded it takes 1.5 s
    logging.basicConfig(format="headrace: %(message)s", level=logging.ERROR)
    logging.getLogger("headrace").setLevel(logging.WARNING)
    if str(Path.cwd()) not in sys.path:  # `headrace` finds the project's own packages, as `python -m headrace` does
        sys.path.insert(0, str(Path.cwd()))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(app(args=arguments, standalone_mode=False))
    except HeadraceError as error:
        _refuse(error)
    except typer.TyperException as error:  # an unknown command or option
        problem = error.format_message().rstrip(".")
        if not problem:  # no command at all: the help was shown
            sys.exit(ConfigError.exit_code)
        _refuse(ConfigError(f"command line: {problem}; see: headrace --help"))
    except Terminated:
        sys.exit(TERMINATED)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.errno not in USER_ERRNOS:
            raise
        where = error.filename or Path.cwd()
        _refuse(DataError(f"{where}: {error.strerror}; make room or give access, then run the same command again"))


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _refuse(error: HeadraceError) -> NoReturn:
    told: BaseException | None = error
    while told is not None:  # ends what half-run generators hold, files and threads, while Python is still whole
        traceback.clear_frames(told.__traceback__)
        told = told.__context__
    line: Any = " ".join(str(error).split())
    print(f"headrace: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
