"""gridmap patrol: a round through every street of each cell."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _options, _shell

_HARD = {"river", "railway", "rail", "河流", "铁路"}


@_shell.command(name="patrol")
@click.argument("grid", metavar="GRID")
@click.argument("streets", metavar="STREETS")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT",
              help="The rounds: .gpkg, .geojson, .csv or .xlsx.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=4.0, metavar="KM/H",
              help="Of walking.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    streets: str,
    output: Path,
    speed: float,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Route a round through each cell along STREETS, back to its start.

    Of a layer with a column kind, rivers and railways are left out.
    """
    from gridmap.io import read_grid, write_layer, write_table
    from gridmap.io.atomic import check_writable
    from gridmap.io.inputs import read_barriers
    from gridmap.operations.patrol import patrol

    check_writable(output, overwrite=overwrite)
    proved = read_grid(grid)
    lines, _ = read_barriers(streets, crs=crs)
    if "kind" in lines:
        lines = lines[~lines["kind"].astype(str).str.lower().isin(_HARD)]
    routes = patrol(proved, lines.to_crs(proved.crs), speed_kmh=speed, progress=shell.progress())
    if _options.is_layer(output):
        write_layer(routes, output, overwrite=overwrite)
    else:
        write_table(routes, output, overwrite=overwrite)
    walked, streets_m = routes["length_m"].sum() / 1000, routes["streets_m"].sum() / 1000
    bare = int((routes["streets_m"] == 0).sum())
    if as_json:
        document = {
            "cells": len(routes),
            "streets_km": round(float(streets_m), 3),
            "rounds_km": round(float(walked), 3),
            "without_streets": list(routes.index[routes["streets_m"] == 0]),
            "minutes_median": round(float(routes["minutes"].median()), 1),
        }
        shell.emit_json({"schema": "gridmap.patrol/1", **document})
        return
    shell.answer(
        shell.pick(
            f"{len(routes):,} 个网格的巡查路线：道路 {streets_m:,.1f} 公里，"
            f"路线 {walked:,.1f} 公里，每圈用时中位数 {routes['minutes'].median():.0f} 分钟；"
            f"{bare:,} 个网格内没有道路",
            f"Rounds of {len(routes):,} cells: {streets_m:,.1f} km of streets walked in "
            f"{walked:,.1f} km, {routes['minutes'].median():.0f} minutes in the median; "
            f"{bare:,} cells have no street",
        )
    )
