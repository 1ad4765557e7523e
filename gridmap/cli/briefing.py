"""gridmap briefing and weekly: one file to show, once or every week."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.cli.map import placed_incidents
from gridmap.errors import reason_of
from gridmap.language import speaking, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid


@_shell.command(name="briefing")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.PageOutput(), metavar="OUT.html",
              help="Page to write.")  # fmt: skip
@click.option("--staff", metavar="FILE", help="Roster with codes and roles.")
@click.option("--title", metavar="TEXT", help="What stands at the head.")
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="week",
              help="Steps of the trend.")  # fmt: skip
@click.option("--audience", type=click.Choice(["internal", "public"]), default="internal",
              help="public hides counts under 5.")  # fmt: skip
@click.option("--level", metavar="NAME", help="Level that is ranked; the streets by default.")
@click.option("--cell", metavar="CODE", help="Write the sheet of this cell instead.")
@click.option("--barriers", metavar="FILE", multiple=True,
              help="Named streets, rivers and railways, for the bounds of that sheet.")  # fmt: skip
@click.option("--buildings", metavar="FILE", help="Buildings, to be counted on that sheet.")
@click.option("--source", metavar="TEXT", default="", show_default=False,
              help="Where the data come from.")  # fmt: skip
@_options.given_options(words=("roles", *_options.CASE_WORDS))
@_options.basemap_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def briefing_command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path,
    staff: str | None,
    barriers: tuple[str, ...],
    buildings: str | None,
    given: dict[str, Any],
    ground: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write one page for the meeting: map, ranking, hotspots, trend, data quality.

    The file loads nothing and holds no incident points. Every figure is computed; --json prints
    them all.
    """
    from gridmap.briefings.briefing import OVERLAPS, briefing
    from gridmap.crs.project import reproject
    from gridmap.io import read_grid
    from gridmap.io.inputs import read_households
    from gridmap.privacy import SMALL

    proved = read_grid(grid, whole=False)
    days = {"since": given.pop("since"), "until": given.pop("until")}
    placed = placed_incidents(shell, proved, incidents, **given)
    roles = given["words"]["roles"]
    roster = None if staff is None else _options.read_roster(shell, staff, roles)
    lines = read_lines(barriers, proved.crs)
    houses = None if buildings is None else reproject(read_households(buildings)[0], proved.crs)
    made = briefing(
        proved, placed, staff=roster, barriers=lines, buildings=houses, lang=shell.lang,
        **days, **ground, **options | {"level": _options.of_cells(proved, options["level"])},
    )  # fmt: skip
    made.save(output, overwrite=overwrite)
    if as_json:
        shell.emit_json({"schema": "gridmap.briefing/1", "output": str(output), **made.figures})
        return
    shell.answer(made.conclusion)
    if options["audience"] == "public" and any(day is not None for day in days.values()):
        shell.say(OVERLAPS(least=SMALL).text(shell.lang))
    shell.say(tr("Briefing written to {output}", output=output))


def read_lines(paths: tuple[str, ...], crs: Any) -> Any:
    """Read the barriers of several files in the CRS of the grid."""
    import pandas as pd

    if not paths:
        return None
    return pd.concat([_options.read_lines(path, crs) for path in paths], ignore_index=True)


_COLUMNS = ("time", "category", "x", "y", "datum", "date_order")
_WORDS = ("roles", *_options.CASE_WORDS)
_KEYS = ("grid", "incidents", "staff", "output", "day", "by", "level", "title", "source", "lang",
         "columns", "words")  # fmt: skip


@_shell.command(name="weekly")
@click.argument("config", metavar="[CONFIG.toml]", required=False)
@click.option("--grid", metavar="GRID", help="The grid file.")
@click.option("--incidents", metavar="FILE", multiple=True,
              help="Exports of cases, the oldest first; * stands for any characters. A case in "
              "several counts once, as the last tells it.")  # fmt: skip
@click.option("--staff", metavar="FILE", help="Roster.")
@click.option("-o", "--output", metavar="FOLDER", help="Gets a folder for each week.")
@click.option("--day", metavar="DAY", help="A day of the week; by default the last whole week.")
@click.option("--by", type=click.Choice(["week", "month"]), help="Weeks, or months.")
@click.option("--level", metavar="NAME", help="Level of the areas.")
@click.option("--title", metavar="TEXT", help="What stands at the head.")
@click.option("--source", metavar="TEXT", help="Where the data come from.")
@click.option("--time", metavar="COL", help="Column of the time.")
@click.option("--category", metavar="COL", help="Column of the category.")
@_options.words_options(*_WORDS)
@_options.case_options
@_shell.json_option
@click.pass_obj
def weekly_command(
    shell: _shell.Shell,
    /,
    config: str | None,
    time: str | None,
    category: str | None,
    words: dict[str, str | None],
    where: dict[str, Any],
    as_json: bool,
    **options: Any,
) -> int:
    """Write the page, workbook, map and figures of one week into FOLDER, all or nothing.

    CONFIG.toml holds the same names as the options, columns and words in tables of their own; paths
    in it are read from its own folder. The same data give the same bytes, and a week that is made
    again with more data takes the place of the old one. Ends with 1 when words, rows of the roster
    or days are not covered.
    """
    given = {**options, "columns": where | {"time": time, "category": category}, "words": words}
    plan = _plan(config, given)
    for key in ("grid", "incidents", "output"):
        if not plan.get(key):
            raise click.UsageError(
                tr("`{key}` is missing. Name it in CONFIG.toml, or --{key}.", key=key)
            )
    shell.lang = plan.get("lang") or shell.lang
    with speaking(shell.lang):
        return _made(shell, plan, as_json)


def _plan(config: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return what to do: the configuration, and over it the options that were given."""
    told = {} if config is None else _read_config(Path(config))
    plan = {key: given.get(key) or told.get(key) for key in _KEYS}
    for table in ("columns", "words"):
        own = {key: value for key, value in given[table].items() if value is not None}
        plan[table] = told.get(table, {}) | own
    return plan


def _read_config(path: Path) -> dict[str, Any]:
    from gridmap.errors import InputError

    try:
        told = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(
            "`{path}` cannot be read ({error}). Check it.", path=path, error=reason_of(error)
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            "`{path}` is no TOML in UTF-8: {error}.", path=path, error=error
        ) from error
    allowed = {"": _KEYS, "columns": _COLUMNS, "words": _WORDS}
    for table, keys in allowed.items():
        strange = [key for key in (told.get(table, {}) if table else told) if key not in keys]
        if strange:
            raise InputError(
                "`{path}` has the key {strange!r}, which is none; use {keys}.",
                path=path,
                strange=strange[0],
                keys=[*keys],
            )
    home = path.parent

    def at_home(name: str) -> str:
        return name if "://" in name else str(home / name)

    incidents = told.get("incidents", [])
    told["incidents"] = [
        at_home(n) for n in ([incidents] if isinstance(incidents, str) else incidents)
    ]
    for key in ("grid", "staff", "output"):
        if key in told:
            told[key] = at_home(told[key])
    told["words"] = {kind: at_home(name) for kind, name in told.get("words", {}).items()}
    return told


def _made(shell: _shell.Shell, plan: dict[str, Any], as_json: bool) -> int:
    """Compute the week, write its folder, and tell it."""
    from gridmap.briefings.weekly import one_table, week, write_week
    from gridmap.io import read_grid

    grid = read_grid(plan["grid"], whole=False)
    tables, files = _read_all(shell, grid, plan)
    cases, replaced = one_table(tables)
    staff = plan["staff"] and _options.read_roster(shell, plan["staff"], plan["words"].get("roles"))
    made = week(
        grid, cases, day=plan["day"], by=plan["by"] or "week", staff=staff, lang=shell.lang,
        level=_options.of_cells(grid, plan["level"]),
    )  # fmt: skip
    made.figures["account"] |= {"files": files, "replaced": replaced}
    folder, fresh = write_week(
        made, grid, plan["output"], staff=staff, title=plan["title"], source=plan["source"] or "",
        lang=shell.lang,
    )  # fmt: skip
    numberless = sum(_numberless(table) for table in tables)
    if len(tables) > 1 and numberless:
        shell.say(
            tr(
                "{n:,} {n:row has|rows have} no number of a case, so that the same case in several "
                "files is not known.",
                n=numberless,
            )
        )
    if "days" in made.gaps:
        first, last = made.figures["first_record"], made.figures["last_record"]
        shell.say(
            tr("The records run from {first} to {last} and do not cover the days told.",
               first=first, last=last)
            if first
            else tr("There is no record, so nothing covers the days told.")
        )  # fmt: skip
    if as_json:
        shell.emit_json(made.figures)
    else:
        shell.answer(made.sentence(shell.lang))
    done = tr("written") if fresh else tr("unchanged")
    shell.say(f"{folder}: {done}")
    return 1 if made.gaps else 0


def _numberless(table: pd.DataFrame) -> int:
    """Count the rows without a number of a case."""
    if "incident_id" not in table:
        return len(table)
    return int((table["incident_id"].astype("string").fillna("").str.strip() == "").sum())


def _read_all(
    shell: _shell.Shell, grid: Grid, plan: dict[str, Any]
) -> tuple[list[pd.DataFrame], list[dict[str, Any]]]:
    """Read every file of incidents, in order, with its places in the CRS of the grid."""
    import glob

    import geopandas as gpd

    from gridmap.errors import InputError

    paths: list[str] = []
    for pattern in plan["incidents"]:
        found = sorted(glob.glob(pattern)) if "*" in pattern else [pattern]
        if not found:
            raise InputError("No file is called {pattern!r}. Check the name.", pattern=pattern)
        paths += found
    columns, tables, files = plan["columns"], [], []
    for path in dict.fromkeys(paths):
        frame = _options.read_cases(
            shell, path, words={k: v for k, v in plan["words"].items() if k != "roles"},
            levels=grid.levels, to=grid.crs, need_places=False, **columns,
        )  # fmt: skip
        located = isinstance(frame, gpd.GeoDataFrame) or {"x", "y"} <= set(frame)
        tables.append(_options.located(frame, grid) if located else frame)
        tables[-1].attrs = {}
        files.append({"file": Path(path).name, "rows": len(frame)})
    return tables, files
