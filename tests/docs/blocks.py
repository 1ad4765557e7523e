"""The commands and code that pages show, each as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block: its language and its text."""

    kind: str
    text: str


class Command(NamedTuple):
    """A command behind `$`, and what the page says that it prints."""

    line: str
    printed: str


def blocks(page: Path) -> list[Block]:
    """Return all fenced blocks of a page."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(kind.strip(), text) for _, kind, text in found]


def commands(text: str) -> list[Command]:
    """Return the commands of a console block with the lines that follow each."""
    joined = text.replace("\\\n", " ")
    return [
        Command(line.strip(), printed.strip("\n"))
        for line, _, printed in (part.partition("\n") for part in joined.split("$ ")[1:])
    ]


def prints(expected: str, actual: str) -> bool:
    """Tell whether a text is as expected, where `...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.search(pattern, actual.strip(), re.DOTALL) is not None
