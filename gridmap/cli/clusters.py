"""gridmap clusters: find the places, of any size, with more incidents than chance explains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.cli.hotspots import HEADINGS, PERIODS, counted_of, placed_of
from gridmap.language import Message, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid

_OWN = {
    "cluster": "聚集编号",
    "cells": "网格数",
    "members": "网格编码",
    "since": "起",
    "until": "止",
    "risk": "相对风险",
    "risk_low": "相对风险下限",
    "risk_high": "相对风险上限",
    "score": "对数似然比",
    "p": "p值（全图）",
}


@_shell.command(name="clusters")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="OUT",
              help=".csv, .xlsx, .parquet, .gpkg or .geojson.")  # fmt: skip
@click.option("--category", metavar="COL", help="One map for each value of this column.")
@click.option("--time", metavar="COL", help="Column of the time.")
@click.option("--by", type=click.Choice(PERIODS), help="Look in time as well, by this period.")
@click.option("--when", type=click.Choice(["latest", "any"]), default="latest",
              help="Alive in the last period, or ever.")  # fmt: skip
@click.option("--since", metavar="DAY", help="First day.")
@click.option("--until", metavar="DAY", help="Last day.")
@click.option("--exposure", metavar="COL", default="households",
              help="Denominator: a column of the cells, or none.")  # fmt: skip
@click.option("--baseline", type=click.Choice(["exposure", "history"]),
              help="Against the denominator, or against each cell's own history.")  # fmt: skip
@click.option("--adjust", default="period",
              type=click.Choice(["period", "weekday", "trend", "weekday and trend", "none"]),
              help="What the baseline follows in time.")  # fmt: skip
@click.option("--shape", type=click.Choice(["circular", "flexible"]), default="circular",
              help="Round zones, or all connected shapes of a few cells as well.")  # fmt: skip
@click.option("--side", type=click.Choice(["hot", "cold", "both"]), default="hot",
              help="More than expected, less, or both.")  # fmt: skip
@click.option("--largest", type=float, default=0.1, help="Share of the exposure in a zone.")
@click.option("--longest", type=int, metavar="N", help="Most periods in a span.")
@click.option("--replicates", type=int, default=999, help="Maps drawn without risk.")
@click.option("--seed", type=int, default=0, help="Of the draws.")
@_options.words_options(*_options.CASE_WORDS)
@_options.case_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path,
    category: str | None,
    time: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    exposure: str,
    words: dict[str, str | None],
    where: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the places, of any size, with more incidents than chance explains anywhere.

    The scan statistic grows zones from every cell, with spans of periods where --by is given, and
    holds the best against maps drawn without risk. A layer has one shape a cluster.
    """
    from gridmap.hotspot_analysis.clusters import clusters
    from gridmap.io import read_grid
    from gridmap.io.atomic import check_writable
    from gridmap.privacy import refuse_personal

    check_writable(output, overwrite=overwrite)
    proved = read_grid(grid)
    where = {**where, "time": time, "category": category, "words": words}
    placed, accounts = placed_of(shell, proved, incidents, since, until, where)
    if category is not None:
        said = placed[["category"]].rename(columns={"category": category})
        refuse_personal(said, name=incidents, to=Message("a table of clusters"))
    columns = [name for name, asked in (("category", category), (by, by)) if asked and name]
    table = counted_of(shell, placed, proved, columns)
    denominator = None if exposure == "none" else exposure
    found = clusters(table, proved, exposure=denominator, progress=shell.progress(), **options)
    _write(shell, found, proved, output, overwrite)
    method = found.attrs["method"]
    if as_json:
        shell.emit_json(
            {"schema": "gridmap.clusters/1", "output": str(output), **accounts, "clusters": method}
        )
    else:
        shell.answer(method["sentence"][shell.lang])
    for caveat in method["caveats"][shell.lang]:
        shell.say(caveat)


def _write(
    shell: _shell.Shell, found: pd.DataFrame, grid: Grid, path: Path, overwrite: bool
) -> None:
    """Write clusters as a table, or as a layer of their shapes."""
    import geopandas as gpd
    import shapely

    from gridmap.io import write_layer, write_table

    table = found.reset_index()
    shapes = [
        shapely.coverage_union_all(grid.cells.geometry.loc[list(members)].to_numpy())
        for members in table["members"]
    ]
    table["members"] = [" ".join(map(str, members)) for members in table["members"]]
    sides = {"hot": tr("hot"), "cold": tr("cold")}
    table["side"] = table["side"].map(sides).astype("str")
    for name in table.columns.intersection(["since", "until"]):
        table[name] = table[name].astype("str")
    table.attrs = {}
    if _options.is_layer(path):
        layer = gpd.GeoDataFrame(table, geometry=shapes, crs=grid.crs)
        write_layer(layer, path, overwrite=overwrite)
        return
    zh = shell.lang == "zh" and path.suffix.lower() in {".csv", ".xlsx"}
    headings = HEADINGS | _OWN if zh else None
    write_table(table, path, overwrite=overwrite, headings=headings)
