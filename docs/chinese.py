"""A hook of MkDocs: the Chinese site has the English one's pages, translated where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent
ENGLISH = HERE / "pages"


def on_config(config: Any) -> Any:
    """Take the English plan of the site, its titles in Chinese."""
    text = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
    nav = yaml.safe_load(text.partition("\nnav:")[2].partition("\nvalidation:")[0])
    config.nav = _titled(nav, config.extra["titles"])
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is not translated, and what needs no translation."""
    for path in sorted(ENGLISH.rglob("*")):
        name = path.relative_to(ENGLISH).as_posix()
        if path.is_file() and files.get_file_from_path(name) is None:
            files.append(File(name, str(ENGLISH), config.site_dir, config.use_directory_urls))
    return files


def _titled(nav: list[Any], titles: dict[str, str]) -> list[Any]:
    return [
        {titles.get(key, key): _titled(value, titles) if isinstance(value, list) else value}
        for entry in nav
        for key, value in entry.items()
    ]
