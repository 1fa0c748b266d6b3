"""The listings and commands of the README and of docs/."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}| {8}).*\n)(?:(?: {4}.*)?\n)*", re.MULTILINE)
PROGRAM = re.compile(r"^(?:[A-Z_]+=\S+ )*([\w./-]+)")
COMMENT = re.compile(r"\s+#\s.*$")


class Listing(NamedTuple):
    """A block of code of a page."""

    page: Path
    language: str
    """What stands behind the fence; empty for indented blocks."""
    text: str

    @property
    def name(self) -> str:
        """Page and first line, for messages."""
        return f"{self.page.relative_to(ROOT)}: {self.text.partition(chr(10))[0]}"


def list_listings(page: Path) -> Iterator[Listing]:
    """Yields the fenced and the indented blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for _, language, block in FENCE.findall(text):
        yield Listing(page, language, block)
    for block in INDENTED.findall(FENCE.sub("", text)):
        lines = block.rstrip().splitlines()
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        yield Listing(page, "", "\n".join(line[margin:] for line in lines) + "\n")


def list_commands(listing: Listing) -> list[str]:
    """The commands of a block for a terminal, one a line, without comments."""
    joined = listing.text.replace("\\\n", " ")
    lines = [COMMENT.sub("", line).strip() for line in joined.splitlines()]
    return [part.strip() for line in lines if line and not line.startswith("#") for part in line.split(" && ")]


def read_code_spans(page: Path) -> list[str]:
    """What stands between backquotes in the text."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
