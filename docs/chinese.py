"""A hook of MkDocs: the Chinese site has the plan of the English one, and its measured tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

HERE = Path(__file__).resolve().parent
ENGLISH = HERE / "pages"
MARK = re.compile(r"^\{\{ (.+)/(\d+) \}\}$", re.MULTILINE)
"""A line `{{ section/2 }}` stands for the second table of that section of the English page."""


def on_config(config: Any) -> Any:
    """Take the English plan of the site, its titles in Chinese."""
    text = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
    nav = yaml.safe_load(text.partition("\nnav:")[2].partition("\nvalidation:")[0])
    config.nav = _titled(nav, config.extra["titles"])
    sys.path.append(str(HERE))  # the page of the command line imports command_line
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add pictures and whatever else is the same in both languages."""
    for path in sorted(ENGLISH.rglob("*")):
        name = path.relative_to(ENGLISH).as_posix()
        if path.is_file() and files.get_file_from_path(name) is None:
            files.append(File(name, str(ENGLISH), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Put measured tables in, which are written once, with the words that the page translates."""
    english = (ENGLISH / page.file.src_uri).read_text(encoding="utf-8")
    words, phrases = page.meta.get("words", {}), page.meta.get("phrases", {})

    def said(cell: str) -> str:
        if cell not in words:
            for phrase, chinese in phrases.items():
                cell = cell.replace(phrase, chinese)
        return words.get(cell, cell)

    return MARK.sub(lambda mark: _table(english, mark[1], int(mark[2]), said), markdown)


def _table(english: str, section: str, number: int, said: Callable[[str], str]) -> str:
    _, _, rest = english.partition(f"# {section}\n")
    tables = re.findall(r"(?:^\|.*\n)+", re.split(r"^#", rest, flags=re.MULTILINE)[0], re.MULTILINE)
    rows = [row.strip("|").split("|") for row in tables[number - 1].splitlines()]
    return "\n".join("| " + " | ".join(said(cell.strip()) for cell in row) + " |" for row in rows)


def _titled(nav: list[Any], titles: dict[str, str]) -> list[Any]:
    return [
        {titles.get(key, key): _titled(value, titles) if isinstance(value, list) else value}
        for entry in nav
        for key, value in entry.items()
    ]
