"""What the commands that read points share: the options of where they lie, and the reading."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.cli._shell import Shell
    from gridmap.io.columns import Understanding

_PLACES = (
    click.option("--x", "x", metavar="COL", help="Column of easting or longitude."),
    click.option("--y", "y", metavar="COL", help="Column of northing or latitude."),
    click.option("--datum", metavar="NAME", help="wgs84, cgcs2000, gcj02, bd09 or EPSG:n."),
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --x, --y and --datum, which reach the command as one dict, `where`."""

    @wraps(command)
    def run(*args: Any, x: str | None, y: str | None, datum: str | None, **options: Any) -> Any:
        return command(*args, where={"x": x, "y": y, "datum": datum}, **options)

    declared: Callable[..., Any] = run
    for option in reversed(_PLACES):
        declared = option(declared)
    return declared


def case_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of places, and --date-order, to a command that reads times too."""

    @wraps(command)
    def run(*args: Any, where: dict[str, Any], date_order: str | None, **options: Any) -> Any:
        return command(*args, where=where | {"date_order": date_order}, **options)

    order = click.option(
        "--date-order",
        type=click.Choice(["dmy", "mdy", "ymd"]),
        help="Order of dates whose year is last or short, when they do not tell.",
    )
    return place_options(order(run))


statuses_option = click.option(
    "--statuses", metavar="FILE", help="Your own words for stages: columns word and stage."
)


def read_cases(
    shell: Shell, incidents: str, *, statuses: str | None = None, **options: Any
) -> pd.DataFrame:
    """Read incidents, say how they were understood, and put a city's own statuses into stages."""
    from gridmap.incidents.cases import restated
    from gridmap.io import read_table
    from gridmap.io.inputs import read_incidents

    frame, known = read_incidents(incidents, **options)
    tell(shell, known)
    if statuses is None or "status" not in frame:
        return frame
    return frame.assign(status=restated(frame["status"], read_table(statuses)))


def tell(shell: Shell, known: Understanding) -> None:
    """Say how a table was understood."""
    for line in known.sentences("zh" if shell.lang == "zh" else "en"):
        shell.say(line)


_BASEMAP = (
    click.option("--basemap", metavar="IMAGE", help="PNG or JPEG under the cells of the page."),
    click.option("--basemap-bounds", metavar="W,S,E,N", help="Its bounds in degrees."),
    click.option("--basemap-datum", type=click.Choice(["wgs84", "gcj02", "bd09"]),
                 default="wgs84", help="Its datum; the cells are moved to lie over it."),
)  # fmt: skip


def basemap_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --basemap and what belongs to it, which reach the command as one dict, `ground`."""

    @wraps(command)
    def run(
        *args: Any,
        basemap: str | None,
        basemap_bounds: str | None,
        basemap_datum: str,
        **options: Any,
    ) -> Any:
        ground = {
            "basemap": basemap,
            "basemap_bounds": _bounds(basemap_bounds),
            "basemap_datum": basemap_datum,
        }
        return command(*args, ground=ground, **options)

    declared: Callable[..., Any] = run
    for option in reversed(_BASEMAP):
        declared = option(declared)
    return declared


def _bounds(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise click.UsageError(
            f"--basemap-bounds is '{text}'. Give four numbers: W,S,E,N in degrees."
        ) from None
    return west, south, east, north


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
