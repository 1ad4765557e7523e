"""gridmap assign: give every incident of a file exactly one cell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    from gridmap.incidents.assign import Accounts
    from gridmap.io.open_incidents import Opened

_HEADINGS = {
    "code": "网格编码",
    "status": "归属状态",
    "nearest_code": "最近网格",
    "distance_m": "距离（米）",
}


@_shell.command(name="assign")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.Output(), metavar="OUT",
              help=".csv, .parquet, .gpkg, .xlsx or postgresql://…?table=NAME.")  # fmt: skip
@_options.case_options
@_options.time_option
@click.option("--max-distance", type=click.FloatRange(min=0), metavar="M",
              help="How far outside a point is still given its nearest cell.")  # fmt: skip
@click.option("--counts", is_flag=True, help="Write the number of incidents by cell instead.")
@click.option("--dask", metavar="ADDRESS",
              help="Work on a Dask cluster; Parquet in, a folder of Parquet or counts out."
              )  # fmt: skip
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def assign_command(
    shell: _shell.Shell,
    grid: str,
    incidents: str,
    output: Path | str,
    where: dict[str, Any],
    max_distance: float | None,
    counts: bool,
    dask: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Give every incident exactly one cell; every record and column comes out, in order.

    Four columns are added: the code, how the point lies (inside, boundary, rim, outside,
    invalid), and for points outside the nearest cell and its distance. The accounts are printed:
    read = inside + boundary + rim + outside + invalid. Totals and signatures at the foot of a
    table are no records; they are left out and told. Ends with 1 when none lies in the grid; the
    likely cause is told. `-` is the standard input or output.
    """
    from gridmap.io.address import masked
    from gridmap.io.atomic import output_is_stdout
    from gridmap.io.batches import geometry_of
    from gridmap.io.columns import stated
    from gridmap.io.open_incidents import open_incidents

    if dask is not None and not counts and isinstance(output, str):
        raise click.UsageError(tr("--dask writes a folder of Parquet, not to a database."))
    opened = open_incidents(incidents, **where)
    shell.readings.append(opened.known.as_dict(incidents, shell.lang))
    shell.say(stated(opened.known.stated))
    if opened.assumed:
        columns = [opened.points.name] if opened.points else [opened.x, opened.y]
        columns = columns if any(columns) else [geometry_of(opened.file.schema)]
        shell.say(tr("{columns} were taken as wgs84; else declare --datum.", columns=columns))
    options: dict[str, Any] = {"max_distance": max_distance, "overwrite": overwrite}
    if dask is not None and not counts:
        accounts = _on_cluster(opened, grid, Path(output), dask, options)
    elif counts:
        accounts = _count(shell, opened, grid, output, dask, overwrite)
    else:
        accounts = _stream(shell, opened, grid, output, **options)
    known = opened.understanding(accounts.counts["read"])
    shell.readings[-1] = known.as_dict(incidents, shell.lang)
    lines = accounts.sentences(shell.lang)
    if as_json:
        document = {
            "schema": "gridmap.assign/1",
            "output": masked(str(output)),
            **accounts.as_dict(),
        }
        shell.emit_json(document)
    else:
        answer = shell.say if output_is_stdout(output) else shell.answer
        answer(lines[0])
    told: list[Message | str] = [*known.notes, *lines[1:]]
    for line in told:
        shell.say(line)
    return int(accounts.nowhere is not None)


def _where(opened: Opened) -> dict[str, Any]:
    return {
        "x": opened.x,
        "y": opened.y,
        "points": opened.points,
        "others": opened.others,
        "datum": opened.datum,
    }


def _on_cluster(
    opened: Opened, grid: str, output: Path, dask: str, options: dict[str, Any]
) -> Accounts:
    from gridmap.incidents.dask import assign_on_cluster
    from gridmap.incidents.stream import Where

    where = Where(opened.x, opened.y, opened.points, tuple(opened.others), opened.datum)
    path = grid if "://" in grid else os.path.abspath(grid)
    return assign_on_cluster(opened.file, output, path, dask, where=where, **options)


def _count(
    shell: _shell.Shell,
    opened: Opened,
    grid: str,
    output: Path | str,
    dask: str | None,
    overwrite: bool,
) -> Accounts:
    from gridmap.incidents.stream import count_districts, count_file
    from gridmap.io import read_grid, write_table
    from gridmap.io.gridfile import is_by_district

    where = _where(opened) | {"progress": shell.progress()}
    if is_by_district(grid):
        with _options.spread(dask) as each:
            path = os.path.abspath(grid)
            table, accounts = count_districts(opened.file, path, each=each, **where)
    elif dask is not None:
        raise click.UsageError(tr("--dask goes with a dataset by district, whose parts it shares."))
    else:
        table, accounts = count_file(opened.file, read_grid(grid, whole=False), **where)
    headings = {"code": _HEADINGS["code"], "incidents": "事件数"} if shell.lang == "zh" else None
    write_table(table, output, overwrite=overwrite, headings=headings)
    return accounts


def _stream(
    shell: _shell.Shell,
    opened: Opened,
    grid: str,
    output: Path | str,
    *,
    max_distance: float | None,
    overwrite: bool,
) -> Accounts:
    from gridmap.incidents.stream import assign_file
    from gridmap.io import read_grid
    from gridmap.io.atomic import ending_of, replacing

    proved = read_grid(grid, whole=False)
    if isinstance(output, str):
        from gridmap.io.postgis import incident_writer

        return assign_file(
            opened.file,
            Path(),
            proved,
            max_distance=max_distance,
            write=incident_writer(output, overwrite=overwrite),
            progress=shell.progress(),
            **_where(opened),
        )
    translated = shell.lang == "zh" and ending_of(output) in {".csv", ".xlsx"}
    with replacing(output, overwrite=overwrite) as temporary:
        return assign_file(
            opened.file,
            temporary,
            proved,
            max_distance=max_distance,
            headings=_HEADINGS if translated else None,
            own_prefix="原" if translated else "incident_",
            progress=shell.progress(),
            **_where(opened),
        )
