"""What the commands that read points share: the options of where they lie, and the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap._checks import Each
    from gridmap.cli._shell import Shell
    from gridmap.grid.grid import Grid
    from gridmap.io.columns import Understanding

_PLACES = (
    click.option("--x", "x", metavar="COL",
                 help="Column of easting or longitude; without --y, of points as text."),
    click.option("--y", "y", metavar="COL", help="Column of northing or latitude."),
    click.option("--datum", metavar="NAME", help="wgs84, cgcs2000, gcj02, bd09 or EPSG:n."),
    click.option("--point-order", type=click.Choice(["lnglat", "latlng"]), expose_value=False,
                 callback=_shell.declaring_option("point_order"),
                 help="Of two numbers in one column, when nothing tells."),
)  # fmt: skip


def with_options(command: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with options, in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --x, --y and --datum, which reach the command as one dict, `where`."""

    @wraps(command)
    def run(*args: Any, x: str | None, y: str | None, datum: str | None, **options: Any) -> Any:
        return command(*args, where={"x": x, "y": y, "datum": datum}, **options)

    return with_options(run, *_PLACES)


def case_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of places and of times to a command that reads both."""

    @wraps(command)
    def run(*args: Any, where: dict[str, Any], date_order: str | None, **options: Any) -> Any:
        return command(*args, where=where | {"date_order": date_order}, **options)

    order = click.option(
        "--date-order",
        type=click.Choice(["dmy", "mdy", "ymd", "roc"]),
        help="Order of dates whose year is last or short, when they do not tell; roc: 113 is 2024.",
    )
    zone = click.option(
        "--time-zone", metavar="ZONE", expose_value=False,
        callback=_shell.declaring_option("time_zone"),
        help="In which to count times that name a zone, as Asia/Shanghai or +08:00.",
    )  # fmt: skip
    return place_options(order(zone(run)))


time_option = click.option(
    "--time", metavar="COL", expose_value=False, callback=_shell.declaring_option("time"),
    help="Column of the time, when its heading is not known.",
)  # fmt: skip


_WORDS = {
    "levels": Message("Your words for levels, as of first-level cells: columns word and meaning."),
    "sources": Message("Your words for sources."),
    "statuses": Message("Your words for stages."),
    "categories": Message("Your words for categories."),
    "roles": Message("Your words for roles."),
}


def words_options(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option FILE for each kind of words, which reach the command as one dict, `words`."""

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*args: Any, **options: Any) -> Any:
            words = {kind: options.pop(kind) for kind in kinds}
            return command(*args, words=words, **options)

        options = [
            click.option(f"--{kind}", metavar="FILE", help=_WORDS[kind].template) for kind in kinds
        ]
        return with_options(run, *options)

    return declare


CASE_WORDS = ("levels", "sources", "statuses", "categories")


_LAST_DAY = Message("Last day.")
_CATEGORY = Message("Column of the category.")


def given_options(
    *,
    until: Message = _LAST_DAY,
    category: Message = _CATEGORY,
    words: tuple[str, ...] = CASE_WORDS,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the options of which cases are read and how: days, columns, places and words.

    They reach the command as one dict, `given`, as `cases_of` takes it.
    """
    declared = (
        click.option("--since", metavar="DAY", help="First day."),
        click.option("--until", metavar="DAY", help=until.template),
        click.option("--time", metavar="COL", help="Column of the time."),
        click.option("--category", metavar="COL", help=category.template),
        words_options(*words),
        case_options,
    )

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*args: Any, where: dict[str, Any], **options: Any) -> Any:
            names = ("since", "until", "time", "category", "words")
            given = where | {name: options.pop(name) for name in names}
            return command(*args, given=given, **options)

        return with_options(run, *declared)

    return declare


@contextmanager
def spread(dask: str | None) -> Iterator[Each]:
    """Yield what calls a function many times: on a cluster, or here without one."""
    from gridmap._checks import here

    if dask is None:
        yield here
        return
    from gridmap.partitioning.districts import pool

    lost = Message("Nothing was written; see that every worker can read the files.")
    with pool(1, dask, lost) as each:
        yield each


def read_words(words: dict[str, str | None]) -> dict[Any, pd.DataFrame]:
    """Read the files of a city's own words: kind → table."""
    from gridmap.io import read_table

    return {kind: read_table(file) for kind, file in words.items() if file is not None}


def read_cases(
    shell: Shell,
    incidents: str,
    *,
    words: dict[str, str | None] | None = None,
    levels: Sequence[str] = (),
    **options: Any,
) -> pd.DataFrame:
    """Read incidents, say how they were understood, and put a city's own words into known ones."""
    from gridmap.io.inputs import read_incidents
    from gridmap.vocabulary import in_known_words

    frame, known = read_incidents(incidents, **options)
    tell(shell, known, incidents)
    if "time" not in frame and len(frame):
        shell.say(
            tr("No times were recognised, so nothing is told by period; name the column: --time.")
        )
    attrs = frame.attrs
    frame = in_known_words(frame, read_words(words or {}), levels=levels)
    frame.attrs = attrs
    return frame


def cases_of(
    shell: Shell,
    grid: Grid,
    incidents: str,
    *,
    since: str | None = None,
    until: str | None = None,
    needs_places: bool = False,
    codes: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Read the cases of the days asked for that lie in the grid, and account for the others.

    Every figure of every command is of these cases: records of the period, inside the grid.
    """
    from gridmap.incidents.assign import inside
    from gridmap.incidents.space_time import during

    frame = read_cases(
        shell, incidents, to=grid.crs, levels=grid.levels, need_places=needs_places,
        codes=codes, **options,
    )  # fmt: skip
    cases, account = inside(frame, grid)
    shown = during(cases, since, until)
    told = account | {"shown": len(shown)}
    shell.say(
        tr(
            "Read {read:,}: {inside:,} in the grid, {outside:,} outside, {unplaced:,} "
            "without a place; {shown:,} in the grid and the period."
        ).format(**told)
    )
    shown.attrs["account"] = told
    return shown


def of_cells(grid: Grid, name: str | None) -> str | None:
    """Return the column or level of the cells that a user means, in whichever language."""
    from gridmap.io.columns import called

    return None if name is None else called(name, ["code", *grid.cells.columns])


SHOWN = ("incident_id", "time", "code", "category", "subcategory", "source", "x", "y")
"""Columns of incidents that lists repeat; nothing personal is among them."""


def located(cases: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return cases with their places in metres, in the grid's CRS, as ``x`` and ``y``."""
    from gridmap.incidents.assign import grid_positions

    x, y = grid_positions(cases, grid)
    plain = cases.drop(columns="geometry", errors="ignore")
    return plain.assign(x=x, y=y)


def headings(columns: Iterable[str], own: dict[str, str]) -> dict[str, str]:
    """Return Chinese headings: those of a command, and those under which columns are filed."""
    from gridmap.io.export import chinese_headings

    return chinese_headings(columns) | own


def write_filed(
    shell: Shell, table: pd.DataFrame, output: Path, own: dict[str, str], *, overwrite: bool
) -> None:
    """Write a table under the headings of the language: in Chinese those that are filed."""
    from gridmap.io import write_table

    named = headings(table.columns, own) if shell.lang == "zh" else None
    write_table(table, output, overwrite=overwrite, headings=named)


def tell_stretch(shell: Shell, cells: Any) -> None:
    """Say by how much the CRS of cells makes areas too large, where it does."""
    from gridmap.coverage.defect_table import stretch_note

    for note in stretch_note(cells.geometry.to_numpy(), cells.crs, shell.lang):
        shell.say(note)


def read_lines(
    path: str, to: Any, kinds: Sequence[str] = (), *, crs: Any = None, without: Sequence[str] = ()
) -> Any:
    """Read streets or rivers in the CRS of the grid, of some kinds or without others."""
    from gridmap.crs.project import reproject
    from gridmap.io.inputs import read_barriers

    lines, _ = read_barriers(path, crs=crs)
    if "kind" in lines:
        kind = lines["kind"].astype(str).str.lower()
        wanted = [word.lower() for word in kinds]
        lines = lines[kind.isin(wanted) if wanted else ~kind.isin(without)]
    return reproject(lines, to)


def read_roster(shell: Shell, staff: str, roles: str | None) -> pd.DataFrame:
    """Read the roster, say how it was understood, and put a city's own roles into known ones."""
    from gridmap.io.inputs import read_staff
    from gridmap.vocabulary import in_known_words

    frame, known = read_staff(staff)
    tell(shell, known)
    return in_known_words(frame, read_words({"roles": roles}))


def tell(shell: Shell, known: Understanding, spec: str = "") -> None:
    """Say how a table was understood, and keep it for the JSON document."""
    shell.readings.append(known.as_dict(spec, shell.lang))
    for line in known.sentences(shell.lang):
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

    return with_options(run, *_BASEMAP)


def _bounds(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise click.UsageError(
            tr("--basemap-bounds is '{text}'. Give four numbers: W,S,E,N in degrees.", text=text)
        ) from None
    return west, south, east, north


LAYERS = {".gpkg", ".geojson", ".fgb", ".shp", ".kml", ".geoparquet"}
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


def is_layer(path: Path | str) -> bool:
    """Tell whether an output keeps geometry: a table of a database, or a file by its extension."""
    return isinstance(path, str) or path.suffix.lower() in LAYERS
