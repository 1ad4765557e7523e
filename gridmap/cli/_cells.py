"""What the commands on cells share: the options of their columns and of what they should fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

LAYERS = {".gpkg", ".geojson", ".fgb", ".shp"}
"""Extensions of files that keep a geometry; other tables are written without."""

code_option = click.option("--code", metavar="COLUMN", help="Column of the cells' codes.")
count_option = click.option("--count", metavar="COLUMN", help="Column of the households.")
exclude_option = click.option(
    "--exclude", metavar="FILE", help="Lakes and enclaves that no cell need cover."
)


def boundary_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of what the cells must fill."""
    return click.option(
        "--boundary", required=required, metavar="FILE|outline",
        help="What the cells must fill; 'outline' derives it from the cells.",
    )  # fmt: skip


def is_layer(path: Path) -> bool:
    """Tell whether a file to write keeps geometry, by its extension."""
    return path.suffix.lower() in LAYERS
