"""gridmap indicators: closure rates and the like, the time of each step, and what is overdue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid

_HEADINGS = {"name": "指标", "closed": "结案", "cases": "案件数"}
TABLES = ("rates", "steps", "overdue", "whistles", "joint")


@_shell.command(name="indicators")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help=".csv, .xlsx, .parquet or .json.")  # fmt: skip
@click.option("--table", type=click.Choice(TABLES), default="rates",
              help="Rates; hours of each step; overdue cases; calls or joint handling by "
              "department.")  # fmt: skip
@click.option("--level", metavar="NAME", help="By the areas of one level of the grid.")
@click.option("--by", "columns", metavar="COLUMN", multiple=True,
              help="By a column of the incidents, as category or department.")  # fmt: skip
@click.option("--month", is_flag=True, help="By month as well.")
@click.option("--rank", is_flag=True, help="Rank the areas of --level, without rewarding silence.")
@click.option("--since", metavar="DAY", help="First day.")
@click.option("--until", metavar="DAY", help="Last day; what is due later need not be closed.")
@click.option("--time", metavar="COL", help="Column of the time.")
@click.option("--category", metavar="COL", help="Column of the category.")
@_options.words_options(*_options.CASE_WORDS)
@_options.case_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    incidents: str,
    output: Path | None,
    table: str,
    level: str | None,
    columns: tuple[str, ...],
    month: bool,
    rank: bool,
    since: str | None,
    until: str | None,
    time: str | None,
    category: str | None,
    words: dict[str, str | None],
    where: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Compute closure rates and the like of the cases in GRID, each over what is known.

    Each rate bears its formula, its Wilson interval, and how many answers are unknown.
    """
    from gridmap.io import read_grid, write_table

    if rank and level is None:
        raise click.UsageError(tr("--rank needs --level."))
    if output is not None:
        _shell.check_output(output, overwrite=overwrite)
    proved = read_grid(grid)
    _check_level(proved, level)
    cases = _options.cases_of(
        shell, proved, incidents, words=words, since=since, until=until, time=time,
        category=category, needs_places=level is not None, **where,
    )  # fmt: skip
    if level is not None:
        cases = cases.assign(**{level: cases["code"].map(proved.cells[level].to_dict())})
    by = [*columns, *(name for name in (level, "month" if month else None) if name)]
    by = [_options.column_of(cases, name) for name in by]
    found = _computed(table, cases, by, until, rank, proved, level, shell)
    if output is not None:
        headings = (
            _options.headings(_plain(found).columns, _HEADINGS) if shell.lang == "zh" else None
        )
        write_table(_plain(found), output, overwrite=overwrite, headings=headings)
    if as_json:
        rows = _plain(found).astype(object).where(found.reset_index().notna(), None)
        document = {"cases": len(cases), "account": cases.attrs["account"]}
        document["indicators"] = rows.to_dict("records")
        shell.emit_json({"schema": "gridmap.indicators/1", "table": table, **document})
        return
    for line in _told(table, found, by, rank, shell):
        shell.answer(line)


def _check_level(grid: Grid, level: str | None) -> None:
    from gridmap.errors import InputError

    if level is not None and level not in grid.levels:
        raise InputError(
            "The grid has no level {level!r}; it has {levels}.", level=level, levels=[*grid.levels]
        )


def _computed(
    table: str,
    cases: pd.DataFrame,
    by: list[str],
    until: str | None,
    rank: bool,
    grid: Grid,
    level: str | None,
    shell: _shell.Shell,
) -> pd.DataFrame:
    import pandas as pd

    from gridmap.incidents.indicators import indicators, ranking
    from gridmap.incidents.workflow import department_calls, overdue, step_times

    if rank:
        return ranking(cases, grid.cells.groupby(level)["households"].sum(), until=until)
    if table == "steps":
        return step_times(cases, by=by, lang=shell.lang)
    if table == "overdue":
        last = until if until is not None else pd.Timestamp(cases["time"].max())
        return overdue(cases, last, by=by or "department")
    if table in ("whistles", "joint"):
        return department_calls(cases, "whistled" if table == "whistles" else "joint")
    return indicators(cases, by=by, until=until, lang=shell.lang)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without an index, months as text."""
    frame = table.reset_index()
    if "month" in frame:
        frame["month"] = frame["month"].astype(str)
    return frame


def _told(
    table: str, found: pd.DataFrame, by: list[str], rank: bool, shell: _shell.Shell
) -> list[str]:
    if rank:
        return _ranked(found, shell)
    return _sentences(found, by, shell) if table == "rates" else _rows(found, shell)


def _sentences(table: pd.DataFrame, by: list[str], shell: _shell.Shell) -> list[str]:
    """Tell each indicator in a line, with its formula at its first mention."""
    lines, told = [], set()
    for row in _plain(table).to_dict("records"):
        place = " ".join(_said(row[name]) for name in by)
        formula = "" if row["name"] in told else f"  {row['formula']}"
        told.add(row["name"])
        lines.append(f"{place + '  ' if place else ''}{row['name']}  {_rate(row, shell)}{formula}")
    return lines


def _rate(row: dict[str, Any], shell: _shell.Shell) -> str:
    """Tell a rate with its interval and counts; unknown where nothing is known."""
    unknown = int(row["unknown"])
    more = tr("  {unknown:,} unknown", unknown=unknown) if unknown else ""
    if row["rate"] != row["rate"]:
        return (tr("unknown") if unknown else "—") + more
    span = f"[{row['low']:.2%}, {row['high']:.2%}]"
    return f"{row['rate']:.2%} {span}  {row['numerator']:,}/{row['denominator']:,}{more}"


def _rows(table: pd.DataFrame, shell: _shell.Shell) -> list[str]:
    """Tell a table row by row, each figure with its heading."""
    names = _options.headings(_plain(table).columns, _HEADINGS)
    lines = []
    for row in _plain(table).to_dict("records"):
        row.pop("step", None)
        texts = [_said(value) for value in row.values() if isinstance(value, str)]
        figures = [
            f"{names.get(name, name) if shell.lang == 'zh' else name} {value:,.4g}"
            for name, value in row.items()
            if not isinstance(value, str) and value == value
        ]
        lines.append("  ".join([*texts, *figures]))
    return lines


def _said(value: Any) -> str:
    return "—" if value != value or value in (None, "", "NaT") else str(value)


def _ranked(table: pd.DataFrame, shell: _shell.Shell) -> list[str]:
    """Tell the ranking; who reports too little is listed without a rank."""
    lines = []
    for area, row in table.iterrows():
        rated = row["rate"] == row["rate"]
        rank = str(row["rank"]) if rated and not row["silent"] else "–"
        note = tr("reports too little, not ranked")
        rate = _rate(row.to_dict(), shell)
        lines.append(f"{rank}  {area}  {rate}" + (f"  {note}" if row["silent"] else ""))
    return lines
