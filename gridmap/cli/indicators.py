"""gridmap indicators: closure rates and the like, with their denominators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid

_HEADINGS = {
    "indicator": "指标代号",
    "name": "指标",
    "numerator": "分子",
    "denominator": "分母",
    "rate": "比率",
    "low": "区间下限",
    "high": "区间上限",
    "formula": "公式",
    "month": "月份",
    "reported": "上报数",
    "expected": "按户数应有",
    "silent": "上报偏少",
    "rank": "名次",
}


@_shell.command(name="indicators")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="OUT",
              help=".csv, .xlsx, .parquet or .json.")  # fmt: skip
@click.option("--level", metavar="NAME", help="By the areas of one level of the grid.")
@click.option("--month", is_flag=True, help="By month as well.")
@click.option("--rank", is_flag=True, help="Rank the areas of --level, without rewarding silence.")
@click.option("--since", metavar="DAY", help="First day.")
@click.option("--until", metavar="DAY", help="Last day; what is due later need not be closed.")
@_options.statuses_option
@_options.case_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    incidents: str,
    output: Path | None,
    level: str | None,
    month: bool,
    rank: bool,
    since: str | None,
    until: str | None,
    statuses: str | None,
    where: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Compute closure rates and the like, each with its formula and its Wilson interval.

    Cases outside the grid count in the whole; with --level they come last, in the area "".
    """
    import pandas as pd

    from gridmap.incidents.indicators import indicators, ranking
    from gridmap.io import read_grid, write_table
    from gridmap.io.atomic import check_writable

    if rank and level is None:
        raise click.UsageError("--rank needs --level.")
    if output is not None:
        check_writable(output, overwrite=overwrite)
    proved = read_grid(grid)
    where = {**where, "statuses": statuses}
    cases = _cases(shell, proved, incidents, level, since, until, where)
    by = [name for name in (level, "month" if month else None) if name]
    found = indicators(cases, by=by, until=until, lang=shell.lang)  # type: ignore[arg-type]
    if rank:
        homes = proved.cells.groupby(level)["households"].sum()
        found = ranking(cases[cases[level] != ""], homes, until=until)
    elif level is not None:
        lost = found.index.get_level_values(level) == ""
        found = pd.concat([found[~lost], found[lost]])
    if output is not None:
        headings = _HEADINGS if shell.lang == "zh" else None
        table = _plain(found)
        if level is not None:
            table[level] = table[level].replace("", shell.pick("辖区外", "outside"))
        write_table(table, output, overwrite=overwrite, headings=headings)
    if as_json:
        rows = _plain(found).astype(object).where(found.reset_index().notna(), None)
        document = {"cases": len(cases), "indicators": rows.to_dict("records")}
        shell.emit_json({"schema": "gridmap.indicators/1", **document})
        return
    for line in _ranked(found, shell) if rank else _sentences(found, by, shell):
        shell.answer(line)


def _cases(
    shell: _shell.Shell,
    grid: Grid,
    incidents: str,
    level: str | None,
    since: str | None,
    until: str | None,
    where: dict[str, Any],
) -> pd.DataFrame:
    """Read the cases of the days asked for, with the area of each."""
    from gridmap.errors import InputError
    from gridmap.incidents.assign import assign
    from gridmap.incidents.space_time import during

    if level is not None and level not in grid.levels:
        raise InputError(f"The grid has no level {level!r}; it has {', '.join(grid.levels)}.")
    placed = {"to": grid.crs, "need_places": level is not None}
    frame = _options.read_cases(shell, incidents, **where, **placed)
    cases = during(frame, since, until)
    if level is None:
        return cases
    codes = assign(cases, grid, datum=frame.attrs.get("datum"))["code"].astype(object)
    return cases.assign(**{level: codes.map(grid.cells[level].to_dict()).fillna("")})


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without an index, months as text."""
    frame = table.reset_index()
    if "month" in frame:
        frame["month"] = frame["month"].astype(str)
    return frame


def _sentences(table: pd.DataFrame, by: list[str], shell: _shell.Shell) -> list[str]:
    """Tell each indicator in a line, with its formula at its first mention."""
    nowhere = shell.pick("辖区外", "outside")
    lines, told = [], set()
    for row in _plain(table).to_dict("records"):
        place = " ".join(str(row[name]) or nowhere for name in by)
        rate = "—" if row["rate"] != row["rate"] else f"{row['rate']:.2%}"
        span = "" if rate == "—" else f" [{row['low']:.2%}, {row['high']:.2%}]"
        counts = "" if rate == "—" else f"  {row['numerator']:,}/{row['denominator']:,}"
        formula = "" if row["name"] in told else f"  {row['formula']}"
        told.add(row["name"])
        lines.append(f"{place + '  ' if place else ''}{row['name']}  {rate}{span}{counts}{formula}")
    return lines


def _ranked(table: pd.DataFrame, shell: _shell.Shell) -> list[str]:
    """Tell the ranking; who reports too little is listed without a rank."""
    lines = []
    for area, row in table.iterrows():
        rated = row["rate"] == row["rate"]
        rank = str(row["rank"]) if rated and not row["silent"] else "–"
        note = shell.pick("上报偏少，不排名", "reports too little, not ranked")
        rate = f"{row['rate']:.2%} ≥ {row['low']:.2%}" if rated else "—"
        lines.append(
            f"{rank}  {area}  {rate}  "
            f"{row['numerator']:,}/{row['denominator']:,}" + (f"  {note}" if row["silent"] else "")
        )
    return lines
