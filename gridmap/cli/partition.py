"""gridmap partition: cut jurisdictions into proved cells."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.cli.validate import districts_filled, micro_filled
from gridmap.errors import InputError
from gridmap.language import Lang, tr

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from gridmap.grid.grid import Grid
    from gridmap.partitioning.prepare import Bound
    from gridmap.partitioning.report import Report

MOST_LINES = 40  # exceptions printed; the rest are in the grid file


_PASSED_ON = (
    "seed", "target", "weight", "quality", "road_preference", "balance", "no_holes", "exclaves",
    "move_price", "limit", "locked", "approved", "on", "workers",
)  # fmt: skip
"""Options that `partition` takes by the same name."""


@_shell.command(name="partition")
@click.argument("jurisdictions", metavar="JURISDICTIONS")
@click.option("-o", "--output", required=True, type=_shell.Output(folder=True), metavar="GRID.gpkg",
              help="Grid file to write, or postgresql://…?table=NAME.")  # fmt: skip
@click.option("--households", metavar="FILE", help="Buildings or addresses with their households.")
@click.option("--units", metavar="FILE", help="Indivisible polygons with their households.")
@click.option("--count", metavar="COLUMN", help="Column of households.")
@click.option("--barriers", metavar="FILE", multiple=True, help="Streets, rivers, railways.")
@click.option("--dedicated", metavar="FILE", help="Schools, markets, parks: cells of their own.")
@click.option("--whole", metavar="FILE", help="Compounds that are kept in one piece.")
@click.option("--level", "levels", metavar="COLUMN", multiple=True,
              help="Level of the hierarchy, coarse to fine.")  # fmt: skip
@click.option("--code", metavar="COLUMN", help="The jurisdictions' own code.")
@click.option("--min", "low", metavar="N|COLUMN",
              help="Least households of a cell, or a column of the jurisdictions.")  # fmt: skip
@click.option("--max", "high", metavar="N|COLUMN",
              help="Most households of a cell, or a column of the jurisdictions.")  # fmt: skip
@click.option("--target", type=float, metavar="N", help="Households wanted in a cell.")
@click.option("--cells", metavar="COLUMN", help="Column with the cells wanted in a community.")
@click.option(
    "--weight",
    metavar="COLUMN",
    help="Column of the buildings or units with a workload to balance.",
)
@click.option("--quality", type=click.Choice(["fast", "default", "best"]), default="default",
              help="How long to search.")  # fmt: skip
@click.option("--road-preference", type=click.FloatRange(0, 1), default=0.9,
              help="How much cheaper a border on a barrier is.")  # fmt: skip
@click.option("--balance", type=click.FloatRange(0, 1), default=0.5,
              help="How much even loads weigh against compactness.")  # fmt: skip
@click.option("--exclaves", type=click.Choice(["attach", "own"]), default="attach",
              help="Fragments too small for a cell: join the nearest, or stand alone.")  # fmt: skip
@click.option("--no-holes", is_flag=True, help="No cell that encloses another.")
@click.option("--keep", metavar="OLD.gpkg", help="Grid to change as little as possible.")
@click.option("--move-price", type=click.FloatRange(min=0), metavar="P",
              help="Price of moving a cell's worth of households.")  # fmt: skip
@click.option("--limit", type=click.FloatRange(min=0), metavar="N",
              help="Most households that may move, a share up to 1 or a number.")  # fmt: skip
@click.option("--lock", "locked", metavar="CODE", multiple=True,
              help="Cell of the old grid that must not change.")  # fmt: skip
@click.option("--approve", "approved", metavar="CODE", multiple=True,
              help="Community whose exceptions are approved.")  # fmt: skip
@click.option("--on", metavar="DAY", default="", show_default=False,
              help="Day from which the cells hold, as 2026-07-01.")  # fmt: skip
@click.option("--seed", type=int, default=0, help="Another seed, another grid.")
@click.option("--workers", type=click.IntRange(min=1),
              help="Processes; by default as many as pay.")  # fmt: skip
@click.option("--by", metavar="COLUMN",
              help="Column of districts, done one at a time; -o is then a folder.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS", help="Work on a Dask cluster, with --by.")
@click.option("--report", "report_path", type=_shell.FileOutput(), metavar="R.json",
              help="Report to write, .json or .html.")  # fmt: skip
@click.option("--edit", "edit_path", type=_shell.PageOutput(), metavar="PLAN.html",
              help="Page to redraw cells to write too, to which the report links.")  # fmt: skip
@click.option("--micro", "micro_path", type=_shell.Output(folder=True), metavar="MICRO.gpkg",
              is_flag=False, flag_value="micro",
              help="Cut the cells into micro-cells too, and write them here; with --by without "
              "a name, as a part of the dataset.")  # fmt: skip
@click.option("--micro-min", "micro_low", default="30", metavar="N|COLUMN",
              help="Least households of a micro-cell, or a column of the jurisdictions."
              )  # fmt: skip
@click.option("--micro-max", "micro_high", default="50", metavar="N|COLUMN",
              help="Most households of a micro-cell, or a column of the jurisdictions."
              )  # fmt: skip
@click.option("--wishes", is_flag=True,
              help="Cut again without each wish, and tell what it costs.")  # fmt: skip
@click.option("--strict", is_flag=True, help="End with 1 on any cell outside the band.")
@click.option("--x", "x", metavar="COL", help="Column of easting or longitude of the households.")
@click.option("--y", "y", metavar="COL", help="Column of northing or latitude.")
@click.option("--datum", metavar="NAME", help="wgs84, cgcs2000, gcj02, bd09 or EPSG:n.")
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def partition_command(
    shell: _shell.Shell, /, output: Path | str, report_path: Path | None, **options: Any
) -> int:
    """Cut jurisdictions into connected cells within the band of households, proved gapless.

    Ends with 0 when every cell is in the band or certified impossible, with 1 when a shortfall is
    unexplained (with --strict: any).
    """
    from gridmap.io import read_grid, write_grid
    from gridmap.io.address import masked
    from gridmap.io.atomic import together
    from gridmap.partitioning.partition import micro_cells, partition
    from gridmap.partitioning.report import remarks, report, wish_costs

    overwrite, strict = options.pop("overwrite"), options.pop("strict")
    as_json = options.pop("as_json")
    by, dask = options.pop("by"), options.pop("dask")
    if dask is not None and by is None:
        raise click.UsageError(tr("--dask goes with --by, which names the districts to share out."))
    if (options["households"] is None) == (options["units"] is None):
        raise click.UsageError(tr("Give --households or --units, one of them."))
    if by is not None:
        options |= {"report": report_path}
        made = by_district(shell, output, by, dask, options, overwrite=overwrite)
        say_districts(shell, made, output, as_json=as_json)
        counted = "exceptions" if strict else "unexplained"
        return int(made[counted] + made[f"micro_{counted}"] > 0)
    for path in (output, options["micro_path"]):
        if path is not None:
            _shell.GridOutput().check(path, overwrite=overwrite)
    clock = Clock()
    old = None if options["keep"] is None else read_grid(options["keep"])
    units, band, wanted, homes, micro_band = read_units(shell, clock, options, old)
    asked: dict[str, Any] = {
        "households": band,
        "cells": wanted,
        "keep": old,
        "lang": shell.lang,
        "progress": shell.progress(),
        **{name: options[name] for name in _PASSED_ON},
    }
    grid = partition(units, **asked)
    if homes is not None:
        grid = grid.with_buildings(homes)
    clock.lap("partition")
    with together():
        write_grid(grid, output, overwrite=overwrite)
        clock.lap("write")
        small = None
        if options["micro_path"] is not None:
            small = micro_cells(grid, micro_band, asked)
            if small is None:
                raise InputError("No jurisdiction names a band of micro-cells. Leave out --micro.")
            write_grid(small, options["micro_path"], overwrite=overwrite)
            clock.lap("micro-cells")
        costs = wish_costs(grid, units, **asked) if options["wishes"] else None
        told = report(grid, timings=clock.laps, wishes=costs)
        for note in remarks(grid):
            shell.say(note)
        _options.tell_stretch(shell, grid.cells)
        _write_pages(told, report_path, options["edit_path"], shell.lang, overwrite=overwrite)
    below = None if small is None else report(small)
    if as_json:
        document = told.as_dict() | {"output": masked(str(output))}
        shell.emit_json(document if below is None else document | {"micro": below.as_dict()})
    else:
        say(shell, told)
        if below is not None:
            say_micro(shell, below)
    every = [told] if below is None else [told, below]
    return int(any(len(one.grid.exceptions if strict else one.unexplained) for one in every))


_NOT_BY = (
    "keep", "move_price", "limit", "locked", "cells", "wishes", "report", "edit_path",
)  # fmt: skip
"""Options that need the whole at once."""


def by_district(
    shell: _shell.Shell,
    output: Path | str,
    by: str,
    dask: str | None,
    options: dict[str, Any],
    *,
    overwrite: bool,
) -> Counter[str]:
    """Cut a district at a time into a dataset, whose parts are in the folder that is made."""
    from gridmap.io.gridfile import MICRO
    from gridmap.partitioning.districts import Inputs, partition_districts
    from gridmap.partitioning.parallel import cores
    from gridmap.partitioning.partition import BAND

    if asked := [name for name in _NOT_BY if options[name]]:
        flags = {"locked": "lock", "edit_path": "edit"}
        flag = flags.get(asked[0], asked[0]).replace("_", "-")
        raise click.UsageError(
            tr("--{flag} does not go with --by: it needs the whole at once.", flag=flag)
        )
    if isinstance(output, str) or output.suffix:
        raise click.UsageError(
            tr("With --by, -o is a folder of GeoParquet: give a name without ending, as grid.")
        )
    micro = options["micro_path"]
    if micro is not None and str(micro) != MICRO:
        raise click.UsageError(
            tr("With --by, --micro takes no name: micro-cells stand in the folder of the dataset.")
        )
    band = [BAND[k] if options[name] is None else options[name] for k, name in enumerate(_ENDS)]
    named = {name: options[name] for name in _READ}
    given = Inputs(
        options["jurisdictions"], by, levels=options["levels"], barriers=options["barriers"],
        **named,
    )  # fmt: skip
    passed = {name: options[name] for name in _PASSED_ON if name not in {*_NOT_BY, "workers"}}
    return partition_districts(
        given,
        output,
        workers=options["workers"] or cores(),
        dask=dask,
        overwrite=overwrite,
        lang=shell.lang,
        progress=shell.progress(),
        micro=None if micro is None else (options["micro_low"], options["micro_high"]),
        households=(band[0], band[1]),
        **passed,
    )


_ENDS = ("low", "high")
_READ = (
    "households", "units", "dedicated", "whole", "code", "count", "weight", "x", "y", "datum",
    "crs",
)  # fmt: skip
"""Options that tell what to read, by the names of `Inputs`."""


def say_districts(
    shell: _shell.Shell, made: Counter[str], output: Path | str, *, as_json: bool
) -> None:
    """Print what came out of a run by district."""
    if as_json:
        shell.emit_json({"schema": "gridmap.districts/1", "output": str(output), **made})
        return
    shell.answer(str(districts_filled(made["cells"], made["districts"])))
    say_band(shell, made)
    if small := made["micro_cells"]:
        shell.answer(str(micro_filled(small, made["micro_jurisdictions"])))
        say_band(shell, made, "micro_")
    if made["done_before"]:
        shell.say(tr("Districts done before, and not again: {n:,}.", n=made["done_before"]))
    if (lost := made["rows_read"] - made["rows"]) > 0:
        shell.say(tr("Rows of the households outside every district, not counted: {n:,}.", n=lost))


def say_band(shell: _shell.Shell, made: Counter[str], level: str = "") -> None:
    """Print how many cells of a dataset are in their band, and how many are not."""
    inside, residential = made[f"{level}in_band"], made[f"{level}residential"]
    shell.answer(tr("in the band: {n:,} / {all:,}", n=inside, all=residential))
    if made[f"{level}exceptions"]:
        shell.answer(
            tr(
                "outside it: {n:,}, of which {unknown:,} without an explanation; each stands with "
                "its reason in its district",
                n=made[f"{level}exceptions"],
                unknown=made[f"{level}unexplained"],
            )
        )


def say_micro(shell: _shell.Shell, made: Report) -> None:
    """Print how many micro-cells there are, and why some are outside their band."""
    facts = made.as_dict()
    shell.answer(
        tr(
            "micro-cells: {n:,} in {cells:,} {cells:cell|cells}, no gaps, no overlaps; in {band}: "
            "{inside:,} / {residential:,}",
            n=facts["cells"],
            cells=len(made.grid.jurisdictions),
            band=made.grid.bands,
            inside=facts["in_band"],
            residential=facts["residential"],
        )
    )
    alone = sum(row["certificate"] == "unit-over-max" for row in facts["infeasible"])
    if rest := len(facts["infeasible"]) - alone:
        alone_of = tr("other micro-cells outside it, each with its reason in the file")
        shell.answer(f"  {alone_of}: {rest:,}")
    if alone:
        lone = tr("one unit with more households, which is never split")
        shell.answer(f"  {lone}: {alone:,}")


def _write_pages(
    made: Report, path: Path | None, edit: Path | None, lang: Lang, *, overwrite: bool
) -> None:
    """Write the page to redraw cells, and the report as a page that leads there or as JSON."""
    from gridmap.maps.offline import write_text

    if edit is not None:
        from gridmap.maps.edit import edit_page

        write_text(edit_page(made.grid, lang=lang), edit, overwrite=overwrite)
    if path is None:
        return
    if path.suffix.lower() in {".html", ".htm"}:
        link = "" if edit is None else Path(os.path.relpath(edit, path.parent)).as_posix()
        text = made.html(lang, edit=link)
    else:
        text = json.dumps(made.as_dict(), ensure_ascii=False, indent=1)
    write_text(text, path, overwrite=overwrite)


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last stage."""
        now = time.perf_counter()
        self.laps[stage] = round(now - self._last, 3)
        self._last = now


def read_units(
    shell: _shell.Shell, clock: Clock, options: dict[str, Any], old: Grid | None
) -> tuple[
    gpd.GeoDataFrame,
    tuple[Bound, Bound] | None,
    pd.Series | None,
    gpd.GeoDataFrame | None,
    tuple[Bound, Bound],
]:
    """Read the inputs, say how they were understood, and make units of them.

    Beside the units stand the band, if one was asked for, the number of cells wanted in each
    jurisdiction, if one was named, the buildings that the units were made of, and the band of
    micro-cells.
    The units are made in the CRS of an `old` grid, round the cells of it that are locked.
    """
    from gridmap.io import inputs
    from gridmap.io.columns import called
    from gridmap.partitioning.old_grid import units_locked
    from gridmap.partitioning.partition import band_in, column_in, micro_band_in
    from gridmap.units.attach import attach
    from gridmap.units.jurisdictions import hierarchy
    from gridmap.units.subdivide import subdivide

    locked = units_locked(old, options["locked"])
    crs = options["crs"]
    levels = list(options["levels"]) or None

    def understood(pair: tuple[gpd.GeoDataFrame, Any]) -> gpd.GeoDataFrame:
        for line in pair[1].sentences(shell.lang):
            shell.say(line)
        return pair[0]

    areas = understood(
        inputs.read_jurisdictions(
            options["jurisdictions"], crs=crs, code=options["code"], levels=levels or ()
        )
    )
    levels = levels and [called(level, areas.columns) for level in levels]
    code = called(options["code"] or "code", areas.columns)
    code = code if code in areas else options["code"]
    keys = hierarchy(areas, levels, code)[0]
    band = band_in(areas, keys, options["low"], options["high"], old)
    micro = micro_band_in(areas, keys, options["micro_low"], options["micro_high"])
    named = options["cells"]
    wanted = None if named is None else column_in(areas, keys, "--cells", named)
    barriers = [understood(inputs.read_barriers(spec, crs=crs)) for spec in options["barriers"]]
    special = {
        name: None
        if options[name] is None
        else understood(inputs.read_dedicated(options[name], crs=crs))
        for name in ("whole", "dedicated")
    }
    shared: dict[str, Any] = {
        "barriers": barriers or None,
        **special,
        "levels": levels,
        "code": code,
        "count": "households",
        "weight": options["weight"],
        "crs": None if old is None else old.crs,
    }
    homes = None
    if options["units"] is not None:
        given = understood(inputs.read_units(options["units"], crs=crs, count=options["count"]))
        clock.lap("read")
        units = attach(given, areas, **shared)
    else:
        places = {name: options[name] for name in ("count", "x", "y", "datum")}
        homes = understood(inputs.read_households(options["households"], crs=crs, **places))
        clock.lap("read")
        units = subdivide(areas, homes, locked=locked, progress=shell.progress(), **shared)
    clock.lap("subdivide")
    for note in units.attrs.get("notes", []):
        shell.say(note)
    return units, band, wanted, homes, micro


def say(shell: _shell.Shell, made: Report) -> None:
    """Print the sentence, the short table and the exceptions."""
    facts = made.as_dict()
    shell.answer(made.sentence(shell.lang))
    inside = f"{facts['in_band']:,} / {facts['residential']:,}"
    accounts = f"{facts['households_in']:,} = {facts['households_out']:,}"
    compact = f"{facts['polsby_popper_mean'] or 0:.3f}"
    border = f"{facts['internal_boundary_m'] / 1000:,.1f}"
    even = facts["loads"]
    spread = "–" if even["cv"] is None else f"{even['cv']:.2f}"
    near = "–" if even["cv"] is None else f"{even['within_12_percent']:.0%}"
    barriers = facts["on_barriers_m"] / max(facts["internal_boundary_m"], 1e-9)
    for name, figure in (
        (tr("in {band}", band=made.grid.bands), inside),
        (tr("households: in = out"), accounts),
        (tr("households outside"), f"{facts['households_outside']:,}"),
        (tr("spread of households (coefficient of variation)"), spread),
        (tr("cells within 12% of the target"), near),
        (tr("mean compactness (Polsby-Popper)"), compact),
        (tr("internal border (km)"), border),
        (tr("of which on barriers"), f"{barriers:.0%}"),
        (tr("exceptions"), f"{len(facts['infeasible']):,}"),
    ):
        shell.answer(f"  {name}: {figure}")
    for row in made.wishes[1:]:
        say_wish(shell, made.wishes[0], row)
    if "change" in facts["parameters"]:
        say_change(shell, facts["parameters"]["change"])
    names = made.grid.jurisdictions[made.grid.levels[-1]]  # as `hierarchy` has made sure
    for row in facts["infeasible"][:MOST_LINES]:
        shell.answer(f"  {names[row['community']]} {row['code']}: {row['reason']}")
    more = len(facts["infeasible"]) - MOST_LINES
    if more > 0:
        shell.answer(tr("  {more:,} more: table exceptions of the grid file.", more=more))


def say_wish(shell: _shell.Shell, made: dict[str, Any], without: dict[str, Any]) -> None:
    """Print what a grid would be without one wish, beside what it is."""
    from gridmap.partitioning.report import WORDS

    def pair(key: str, form: str) -> list[str]:
        return ["–" if row[key] is None else format(row[key], form) for row in (without, made)]

    spread, shape, border = (
        pair("cv", ".3f"),
        pair("polsby_popper_mean", ".3f"),
        pair("on_barriers", ".0%"),
    )
    shell.answer(
        tr(
            "  {cut} (in brackets: as it is): spread {spread} ({spread_now}), compactness {shape} "
            "({shape_now}), border on barriers {border} ({border_now})",
            cut=WORDS[without["cut"]],
            spread=spread[0],
            spread_now=spread[1],
            shape=shape[0],
            shape_now=shape[1],
            border=border[0],
            border_now=border[1],
        )
    )


def say_change(shell: _shell.Shell, change: dict[str, Any]) -> None:
    """Print what moved against the old grid."""
    moved, share = change["households_moved"], change["share_moved"]
    shell.answer(
        tr(
            "  against the old grid: {unchanged:,} unchanged, {redrawn:,} redrawn, "
            "{new:,} new, {retired:,} retired; {moved:,} {moved:household|households} "
            "moved ({share:.1%})",
            unchanged=change["unchanged"],
            redrawn=change["redrawn"],
            new=change["new"],
            retired=change["retired"],
            moved=moved,
            share=share,
        )
    )
