"""gridmap patrol and streets: the ways through each cell, and who answers for each street."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

HARD = ("river", "railway", "rail", "河流", "铁路")


@_shell.command(name="patrol")
@click.argument("grid", metavar="GRID")
@click.argument("streets", metavar="STREETS|LOG")
@click.option("-o", "--output", required=True, type=_shell.Output(), metavar="OUT",
              help="The rounds: .gpkg, .geojson, .csv or .xlsx; of a log a table.")  # fmt: skip
@click.option("--log", "by", type=click.Choice(["day", "hour"]),
              help="The second file is a log of points with times: count visits by cell and day, "
              "or hour of the day.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=4.0, metavar="KM/H",
              help="Of walking.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="WORD",
              help="Only lines of this kind, as river.")  # fmt: skip
@click.option("--since", metavar="DAY", help="First day of a log.")
@click.option("--until", metavar="DAY", help="Last day of a log.")
@click.option("--time", metavar="COL", help="Column of the time of a log.")
@_options.case_options
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def patrol_command(
    shell: _shell.Shell,
    /,
    grid: str,
    streets: str,
    output: Path,
    by: str | None,
    speed: float,
    kinds: tuple[str, ...],
    crs: str | None,
    overwrite: bool,
    as_json: bool,
    where: dict[str, Any],
    **period: str | None,
) -> None:
    """Route a round through each cell along STREETS, back to its start; or count a LOG of visits.

    Of a layer with a column kind, rivers and railways are left out unless --kind names them.
    """
    from gridmap.io import read_grid

    proved = read_grid(grid, whole=False)
    if by is None:
        lines = _options.read_lines(streets, proved.crs, kinds, crs=crs, without=HARD)
        document, said = _rounds(shell, proved, lines, speed, output, overwrite)
    else:
        log = _options.cases_of(
            shell, proved, streets, needs_places=True, codes=True, crs=crs, **period, **where
        )
        document, said = _visits(proved, log, by, period, output, overwrite)
    if as_json:
        shell.emit_json(document)
    else:
        shell.answer(said)


def _rounds(
    shell: _shell.Shell, grid: Any, lines: Any, speed: float, output: Path, overwrite: bool
) -> tuple[dict[str, Any], str]:
    from gridmap.io import write_layer, write_table
    from gridmap.operations.patrol import patrol

    routes = patrol(grid, lines, speed_kmh=speed, progress=shell.progress())
    write = write_layer if _options.is_layer(output) else write_table
    write(routes, output, overwrite=overwrite)
    walked, streets_m = routes["length_m"].sum() / 1000, routes["streets_m"].sum() / 1000
    bare = list(routes.index[routes["streets_m"] == 0])
    minutes = float(routes["minutes"].median())
    document = {
        "schema": "gridmap.patrol/1",
        "cells": len(routes),
        "streets_km": round(float(streets_m), 3),
        "rounds_km": round(float(walked), 3),
        "without_streets": bare,
        "minutes_median": round(minutes, 1),
    }
    return document, tr(
        "Rounds of {routes:,} {routes:cell|cells}: {streets_m:,.1f} km of streets "
        "walked in {walked:,.1f} km, {minutes:.0f} minutes in the median; {bare:,} "
        "{bare:cell has|cells have} no street",
        routes=len(routes),
        streets_m=streets_m,
        walked=walked,
        minutes=minutes,
        bare=len(bare),
    )


def _visits(
    grid: Any,
    log: Any,
    by: str,
    period: dict[str, str | None],
    output: Path,
    overwrite: bool,
) -> tuple[dict[str, Any], str]:
    from gridmap.io import write_table
    from gridmap.operations.patrol import patrol_days, patrol_hours

    days = patrol_days(log, grid, since=period["since"], until=period["until"])
    missed, never = days.attrs["missed"], days.attrs["never"]
    table = days if by == "day" else patrol_hours(log, grid)
    shown = table.set_axis([str(step)[:10] for step in table.columns], axis=1)
    shown = shown.assign(days_missed=[missed[code] for code in shown.index])
    write_table(shown, output, overwrite=overwrite)
    gaps = sum(missed.values())
    document = {
        "schema": "gridmap.visits/1",
        "cells": len(days),
        "days": days.shape[1],
        "visits": int(days.to_numpy().sum()),
        "cell_days_missed": gaps,
        "never": never,
    }
    whole = days.size
    return document, tr(
        "{visits:,} {visits:visit|visits} in {shape:,} {shape:day|days} and {days:,} "
        "{days:cell|cells}: {gaps:,} of {whole:,} cell-days without one, {never:,} "
        "{never:cell|cells} never visited",
        visits=document["visits"],
        shape=days.shape[1],
        days=len(days),
        gaps=gaps,
        whole=whole,
        never=len(never),
    )


_STREET_HEADINGS = {"name": "道路名称"}


@_shell.command(name="streets")
@click.argument("grid", metavar="GRID")
@click.argument("streets", metavar="STREETS")
@click.argument("roster", metavar="ROSTER")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The pieces: .gpkg, .geojson, .csv or .xlsx.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="WORD",
              help="Only lines of this kind, as river; all by default.")  # fmt: skip
@_options.words_options("roles")
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def streets_command(
    shell: _shell.Shell,
    grid: str,
    streets: str,
    roster: str,
    output: Path | None,
    kinds: tuple[str, ...],
    words: dict[str, str | None],
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Cut STREETS (or rivers) by the cells of GRID, and give each piece the post in charge of it.

    A chief of the street whose name the ROSTER gives comes first, then the leader of the cell, then
    those of its community. Names and telephones in the roster are not looked at and not written.
    """
    from gridmap.io import read_grid, write_layer
    from gridmap.operations.patrol import street_posts
    from gridmap.operations.staffing import street_chiefs
    from gridmap.vocabulary import fold

    proved = read_grid(grid, whole=False)
    lines = _options.read_lines(streets, proved.crs, kinds, crs=crs)
    posts = _options.read_roster(shell, roster, words["roles"])
    table = street_posts(proved, lines, posts)
    _tell_lost(shell, set(street_chiefs(posts, proved)["road"]) - set(table["name"].map(fold)))
    if output is not None and _options.is_layer(output):
        write_layer(table, output, overwrite=overwrite)
    elif output is not None:
        plain = table.drop(columns="geometry")
        _options.write_filed(shell, plain, output, _STREET_HEADINGS, overwrite=overwrite)
    whole = float(table["length_m"].sum())
    held = float(table.loc[table["post"] != "", "length_m"].sum())
    by_chief = float(table.loc[table["level"] == "street", "length_m"].sum())
    if as_json:
        lengths = {"km": whole, "with_post_km": held, "by_chief_km": by_chief}
        document: dict[str, float] = {"pieces": len(table)}
        document |= {name: round(metres / 1000, 3) for name, metres in lengths.items()}
        shell.emit_json({"schema": "gridmap.streets/1", **document})
        return
    shell.answer(_lengths_told(len(table), whole, held, by_chief))


def _tell_lost(shell: _shell.Shell, roads: set[str]) -> None:
    """Name the roads of chiefs that no line bears."""
    if roads:
        shell.say(tr("Chiefs are named for {roads}, but no line has such a name.",
                     roads=sorted(roads)))  # fmt: skip


def _lengths_told(pieces: int, whole: float, held: float, by_chief: float) -> str:
    return tr(
        "{table:,} {table:piece|pieces}, {whole:,.1f} km; {held:,.1f} km have a post, "
        "{by_chief:,.1f} of them a chief of their own",
        table=pieces,
        whole=whole / 1000,
        held=held / 1000,
        by_chief=by_chief / 1000,
    )
