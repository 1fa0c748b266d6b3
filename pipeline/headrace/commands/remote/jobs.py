"""`headrace submit`, which runs the pipeline on a Ray cluster, and `headrace jobs`, for what was submitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import ConfigError, choices
from headrace.paths import Paths

if TYPE_CHECKING:
    from headrace.cluster.submit import JobRequest

jobs_app = typer.Typer(help="List, follow and stop submitted jobs, and fetch their results.", no_args_is_help=True)
DEFAULT_ADDRESS = "http://127.0.0.1:8265"
COLUMNS = ("ID", "state", "start", "minutes", "project", "commit")

Id = Annotated[str, typer.Argument(metavar="[ID]", help="The default is the latest of this project.")]
Address = Annotated[
    str, typer.Option(help="Address of the cluster's dashboard; the default is the one that was submitted to.")
]


def submit(  # noqa: PLR0913 one parameter for each option
    stages: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE]...", help="With the stages before them; default: all.")
    ] = None,
    *,
    address: Annotated[str, typer.Option(help="Address of the cluster's dashboard.")] = DEFAULT_ADDRESS,
    wait: Annotated[
        bool, typer.Option("--wait/--detach", " /--no-wait", help="Follow the log and fetch the results.")
    ] = True,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="A setting to change in params.yaml; repeatable."),
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="Attempts after a failure that is not a gate's.")] = 0,
    deadline: Annotated[float | None, typer.Option(metavar="MINUTES", min=0, help="Stop the job then.")] = None,
    driver_cpus: Annotated[float, typer.Option(min=0, help="CPUs to reserve for stages without workers.")] = 0,
    driver_gpus: Annotated[float, typer.Option(min=0, help="GPUs to reserve for them.")] = 0,
    driver_memory: Annotated[float, typer.Option(metavar="GB", min=0, help="Memory to reserve for them.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Even if nothing changed.")] = False,
) -> None:
    """Run the pipeline as a job on a Ray cluster; nothing is sent if nothing changed."""
    from headrace.cluster.submit import JobRequest

    request = JobRequest(
        address=address,
        stages=tuple(stages or ()),
        force=force,
        num_retries=retries,
        deadline_minutes=deadline,
        driver_cpus=driver_cpus,
        driver_gpus=driver_gpus,
        driver_memory_gb=driver_memory,
    )
    raise typer.Exit(_run(request, setting or [], wait=wait))


def _run(request: JobRequest, settings: list[str], *, wait: bool) -> int:
    from headrace.cluster.jobs.control import follow_job
    from headrace.cluster.submit import submit_job
    from headrace.commands.remote.overrides import overridden_settings
    from headrace.tracking.uri import check_uri_for_cluster

    paths = _paths()
    _check_stages(request.stages, paths)
    check_uri_for_cluster()
    with overridden_settings(paths, settings):
        job = submit_job(paths, request, _echo)
    return follow_job(paths, job, address=request.address, echo=_echo) if job and wait else 0


@jobs_app.command("list")
def show_jobs(address: Address = "") -> None:
    """Show the jobs of a cluster; + after a commit: with uncommitted changes."""
    from rich.console import Console
    from rich.table import Table

    from headrace.cluster.jobs.control import find_address, list_jobs

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        table.add_column(name, no_wrap=name == "ID")
    for row in list_jobs(address or find_address(_paths())):
        table.add_row(*row)
    Console(highlight=False).print(table)


@jobs_app.command()
def logs(job: Id = "", address: Address = "") -> None:
    """Print the log of a job so far."""
    from headrace.cluster.jobs.control import find_job, read_log

    _echo(read_log(*find_job(_paths(), job, address)).rstrip())


@jobs_app.command()
def follow(job: Id = "", address: Address = "") -> None:
    """Follow a job to its end, and fetch its results."""
    from headrace.cluster.jobs.control import find_job, follow_job

    submission_id, place = find_job(_paths(), job, address)
    raise typer.Exit(follow_job(_paths(), submission_id, address=place, echo=_echo))


@jobs_app.command()
def results(job: Id = "", address: Address = "") -> None:
    """Fetch the results of a job that has ended, again if need be."""
    from headrace.cluster.jobs.control import fetch_results, find_job

    submission_id, place = find_job(_paths(), job, address)
    raise typer.Exit(fetch_results(_paths(), submission_id, address=place, echo=_echo))


@jobs_app.command()
def stop(job: Annotated[str, typer.Argument(metavar="ID")], address: Address = "") -> None:
    """Stop a job; what it had in a workspace stays there."""
    from headrace.cluster.jobs.control import find_job, stop_job

    submission_id, place = find_job(_paths(), job, address)
    _echo(f"{submission_id}: {stop_job(submission_id, address=place)}")


def _check_stages(stages: Sequence[str], paths: Paths) -> None:
    if not stages:
        return
    from headrace.config import read_params

    known = read_params(paths.root / "dvc.yaml").get("stages") or {}
    for stage in stages:
        if stage not in known:
            raise ConfigError(f"submit: {stage!r} is not a stage of dvc.yaml; {choices(stage, known)}")


def _paths() -> Paths:
    return Paths(Path.cwd())


def _echo(line: str) -> None:
    print(line, flush=True)  # noqa: T201
