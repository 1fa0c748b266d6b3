"""Every command in the README and in docs/ exists, with its options; those of tutorials run in test_tutorials.py."""

import re
import shlex
import tomllib
from typing import Any

import pytest
import typer

from headrace.command_line import app
from headrace.stages import STAGES
from tests.documentation.pages import PAGES, ROOT, list_commands, list_listings, read_code_spans

GROUP = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
OTHERS = {
    *("$EDITOR", "cd", "curl", "docker", "eval", "export", "git", "kubectl", "mlflow", "python", "ray", "sbatch"),
    *("sed", "source", "ssh", "sudo", "uv"),
}
"""Programs whose commands are not of this project."""
PLACEHOLDER = re.compile(r"\[[A-Z]+\]|\.\.\.|[A-Z]+(_[A-Z]+)*|<\w+>")
COMMANDS = [
    pytest.param(command, id=f"{page.relative_to(ROOT)}: {command}")
    for page in PAGES
    if page.name != "commands.md"  # which the command line itself writes, with placeholders
    for listing in list_listings(page)
    if listing.language in {"", "bash", "sh"}
    for command in list_commands(listing)
    if re.match(r"(?:[A-Z_]+=\S+ )*(?:headrace|dvc|make|pip) ", command)
]
SPANS = [
    pytest.param(span, id=f"{page.relative_to(ROOT)}: {span}")
    for page in PAGES
    for span in dict.fromkeys(read_code_spans(page))
    if re.match(r"(?:headrace|dvc|make|pip) [a-z-]", span) and "COMMAND" not in span
]


def split_command(command: str) -> tuple[str, list[str]]:
    """Program and arguments, without variables before it, pipes behind it, and placeholders."""
    words = shlex.split(command.partition(" | ")[0].partition(" > ")[0].rstrip("& "))
    while "=" in words[0]:
        words = words[1:]
    return words[0], [word for word in words[1:] if not re.fullmatch(r"\[[A-Z]+\]|\.\.\.", word)]


def find_command(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command of headrace that arguments name, and those behind it."""
    command, rest = GROUP, list(arguments)
    while rest[:1] == ["--project"]:
        rest = rest[2:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_a_listing_is_accepted_as_it_stands(command: str) -> None:
    program, arguments = split_command(command)
    if program == "headrace":
        found, rest = find_command(arguments)
        if not hasattr(found, "commands"):
            found.make_context("headrace", rest)  # parses and checks; runs nothing
    else:
        check_other(program, arguments)


@pytest.mark.parametrize("span", SPANS)
def test_command_in_the_text_exists_with_its_options(span: str) -> None:
    program, arguments = split_command(span)
    if program != "headrace":
        check_other(program, arguments, is_complete=False)
        return
    for name in arguments[0].split("/"):  # `headrace promote/rollback`
        command, rest = find_command([name, *arguments[1:]])
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
        assert not {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)} - options


def check_other(program: str, arguments: list[str], *, is_complete: bool = True) -> None:
    if program == "make":
        names = [word for word in arguments if "=" not in word and not PLACEHOLDER.fullmatch(word)]
        assert set(names) <= TARGETS
    elif program == "pip":
        names = re.findall(r"headrace\[(\w+)\]", " ".join(arguments))
        assert set(names) <= set(EXTRAS)
    elif program == "dvc":
        from dvc.cli.parser import get_main_parser

        parser = get_main_parser()
        if is_complete:
            parser.parse_args(arguments)
        commands = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
        assert arguments[0] in commands


def test_programs_of_listings_are_known() -> None:
    programs = {
        split_command(command)[0]
        for page in PAGES
        for listing in list_listings(page)
        if listing.language == "" and re.match(r"(?:[A-Z_]+=\S+ )*(?:headrace|dvc|make|pip|export|git) ", listing.text)
        for command in list_commands(listing)
    }
    assert programs <= {"headrace", "dvc", "make", "pip"} | OTHERS


def test_pages_have_commands() -> None:
    assert {"docs/tutorials/table.md: dvc repro", "README.md: headrace recipes"} <= {each.id for each in COMMANDS}
    assert len(SPANS) > len(STAGES)
