#!/usr/bin/env python3
"""Bring the catalogue up to date with the code: `scripts/catalogue.py`, then fill in what is empty.

What is said anew gets an empty entry, and what is said no more goes.
`--check` changes nothing and ends with 1 when there is something to do.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from babel.messages import Catalog, pofile

ROOT = Path(__file__).parents[1]
CHINESE = ROOT / "gridmap" / "locale" / "zh" / "LC_MESSAGES" / "gridmap.po"
HEADER = b"""msgid ""
msgstr ""
"Language: zh\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
SAYING = {"Message", "tr", "InputError", "CRSError", "CoverageError", "PartitionError"}


class Said(NamedTuple):
    """A message in the code."""

    template: str
    context: str
    place: str


def said(source: str, place: str) -> Iterator[Said]:
    """Yield the messages of a module, in order; what is put together by hand is refused."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(map(_declares, node.decorator_list)):
            yield Said(ast.get_docstring(node) or "", "", f"{place}:{node.lineno}")
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
                yield Said(keyword.value.value, "", f"{place}:{node.lineno}")
        if not node.args:
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in SAYING:
            continue
        given = {k.arg: k.value for k in node.keywords}
        context = getattr(given.get("context"), "value", "")
        first = node.args[0]
        for words in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
            if isinstance(words, ast.JoinedStr | ast.BinOp):
                text = f"{place}:{node.lineno}: a sentence needs a template and named values"
                raise SystemExit(text)
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                yield Said(words.value, context, f"{place}:{node.lineno}")


def _declares(decorator: ast.expr) -> bool:
    """Tell whether a decorator makes a command, whose docstring is its help."""
    name = ast.unparse(decorator).partition("(")[0]
    return name in ("_shell.command", "click.group")


def ours() -> list[Said]:
    """Return all messages of the package."""
    paths = sorted((ROOT / "gridmap").rglob("*.py"))
    return [
        one
        for path in paths
        for one in said(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ]


def updated(messages: list[Said]) -> tuple[Catalog, bool]:
    """Return a catalogue with exactly these messages, and whether that is news."""
    with CHINESE.open("rb") as file:
        old = pofile.read_po(file, locale="zh")
    new = Catalog(locale="zh", fuzzy=False)
    for one in messages:
        known = old.get(one.template, one.context or None)
        file, _, _ = one.place.partition(":")
        new.add(
            one.template,
            known.string if known is not None else "",
            locations=[(file, None)],
            context=one.context or None,
            flags=known.flags & {"fuzzy"} if known is not None else (),
        )
    keys = [{(m.id, m.context) for m in catalogue if m.id} for catalogue in (old, new)]
    return new, keys[0] != keys[1]


def main() -> int:
    """Write the catalogue, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    catalogue, news = updated(ours())
    empty = [message.id for message in catalogue if message.id and not message.string]
    for text in empty:
        print(f"nothing in Chinese for {text!r}")
    if check:
        return int(news or bool(empty))
    with CHINESE.open("wb") as file:
        file.write(HEADER)
        pofile.write_po(file, catalogue, width=0, omit_header=True, sort_output=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
