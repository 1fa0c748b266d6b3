"""`headrace doctor`: can this machine run this project, and if not, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator

from headrace import __version__
from headrace.commands.inspection.check import Check
from headrace.commands.inspection.machine_checks import check_machine
from headrace.commands.inspection.service_checks import check_services
from headrace.paths import Paths

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def run_checks(paths: Paths) -> Iterator[Check]:
    """Yields the result of each check as it ends."""
    yield from check_machine(paths)
    yield from check_services(paths)


def show_checks(paths: Paths, *, as_json: bool) -> int:
    """Prints one line for each check, or all as JSON; returns the exit code: 1 if any is an error, else 0."""
    checks = []
    for check in run_checks(paths):
        checks.append(check)
        if not as_json:
            _print_line(check)
    is_ok = all(check.state != "error" for check in checks)
    if as_json:
        content = {"headrace": __version__, "ok": is_ok, "checks": [check.to_json() for check in checks]}
        print(json.dumps(content, indent=2))  # noqa: T201
    return 0 if is_ok else 1


def _print_line(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{check.state:<9}", COLOURS[check.state]), (f"{check.name:<15}", "bold"), check.detail)
    if check.remedy:
        line.append(f"; {check.remedy}")
    Console(highlight=False, soft_wrap=True).print(line)
