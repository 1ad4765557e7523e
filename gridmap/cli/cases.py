"""gridmap indicators, duplicates, recheck: rates of cases, and reports that tell of one problem."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid


_RATE_HEADINGS = {"name": "指标", "closed": "结案"}
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
@_options.given_options(until=Message("Last day; what is due later need not be closed."))
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def indicators_command(
    shell: _shell.Shell,
    grid: str,
    incidents: str,
    output: Path | None,
    table: str,
    level: str | None,
    columns: tuple[str, ...],
    month: bool,
    rank: bool,
    given: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Compute closure rates and the like of the cases in GRID, each over what is known.

    Each rate bears its formula, its Wilson interval, and how many answers are unknown.
    """
    from gridmap.grid.grid import check_level
    from gridmap.io import read_grid
    from gridmap.io.columns import called

    if rank and level is None:
        raise click.UsageError(tr("--rank needs --level."))
    proved = read_grid(grid, whole=False)
    level = _options.of_cells(proved, level)
    if level is not None:
        check_level(level, proved.levels)
    cases = _options.cases_of(shell, proved, incidents, needs_places=level is not None, **given)
    if level is not None:
        cases = cases.assign(**{level: cases["code"].map(proved.cells[level].to_dict())})
    by = [*columns, *(name for name in (level, "month" if month else None) if name)]
    by = [called(name, cases.columns) for name in by]
    found = _computed(table, cases, by, given["until"], rank, proved, level, shell)
    if output is not None:
        _options.write_filed(shell, _plain(found), output, _RATE_HEADINGS, overwrite=overwrite)
    if as_json:
        rows = _plain(found).astype(object).where(found.reset_index().notna(), None)
        document = {"cases": len(cases), "account": cases.attrs["account"]}
        document["indicators"] = rows.to_dict("records")
        shell.emit_json({"schema": "gridmap.indicators/1", "table": table, **document})
        return
    for line in _told(table, found, by, rank, shell):
        shell.answer(line)


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

    from gridmap.errors import InputError
    from gridmap.incidents.indicators import indicators, ranking
    from gridmap.incidents.workflow import department_calls, overdue, step_times

    if rank:
        return ranking(cases, grid.cells.groupby(level)["households"].sum(), until=until)
    if table == "steps":
        return step_times(cases, by=by, until=until, lang=shell.lang)
    if table == "overdue":
        last = pd.Timestamp(until if until is not None else cases.get("time", pd.Series()).max())
        if pd.isna(last):
            raise InputError("Nothing tells the day of the account; give `--until DAY`.")
        shell.say(tr("As of the end of {day}.", day=last.date()))
        return overdue(cases, last, by=by or [name for name in ("department",) if name in cases])
    if table in ("whistles", "joint"):
        column = "whistled" if table == "whistles" else "joint"
        return department_calls(cases, column, until=until)  # type: ignore[arg-type]
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
        return _ranked(found)
    return _sentences(found, by) if table == "rates" else _rows(found, shell)


def _sentences(table: pd.DataFrame, by: list[str]) -> list[str]:
    """Tell each indicator in a line, with its formula at its first mention."""
    lines, told = [], set()
    for row in _plain(table).to_dict("records"):
        place = " ".join(_said(row[name]) for name in by)
        formula = "" if row["name"] in told else f"  {row['formula']}"
        told.add(row["name"])
        lines.append(f"{place + '  ' if place else ''}{row['name']}  {_rate(row)}{formula}")
    return lines


def _rate(row: Mapping[Any, Any]) -> str:
    """Tell a rate with its interval and counts; unknown where nothing is known."""
    unknown = int(row["unknown"])
    more = tr("  {unknown:,} unknown", unknown=unknown) if unknown else ""
    if row["rate"] != row["rate"]:
        return (tr("unknown") if unknown else "—") + more
    span = f"[{row['low']:.2%}, {row['high']:.2%}]"
    return f"{row['rate']:.2%} {span}  {row['numerator']:,}/{row['denominator']:,}{more}"


def _rows(table: pd.DataFrame, shell: _shell.Shell) -> list[str]:
    """Tell a table row by row, each figure with its heading."""
    names = _options.headings(_plain(table).columns, _RATE_HEADINGS)
    lines = []
    for row in _plain(table).to_dict("records"):
        row.pop("step", None)
        texts = [_said(value) for value in row.values() if isinstance(value, str)]
        figures = [
            f"{names.get(str(name), name) if shell.lang == 'zh' else name} {value:,.4g}"
            for name, value in row.items()
            if not isinstance(value, str) and value == value
        ]
        lines.append("  ".join([*texts, *figures]))
    return lines


def _said(value: Any) -> str:
    return "—" if value != value or value in (None, "", "NaT") else str(value)


def _ranked(table: pd.DataFrame) -> list[str]:
    """Tell the ranking; who reports too little is listed without a rank."""
    lines = []
    for area, row in table.iterrows():
        rated = row["rate"] == row["rate"]
        rank = str(row["rank"]) if rated and not row["silent"] else "–"
        note = tr("reports too little, not ranked")
        rate = _rate(row.to_dict())
        lines.append(f"{rank}  {area}  {rate}" + (f"  {note}" if row["silent"] else ""))
    return lines


_DUPLICATE_HEADINGS = {"reports": "同一问题上报数"}


@_shell.command(name="duplicates")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The incidents with what each repeats: .csv, .xlsx or .parquet.")  # fmt: skip
@click.option("--metres", type=float, default=30.0, help="How near.")
@click.option("--hours", type=float, default=24.0, help="How soon.")
@click.option("--same", multiple=True, default=("category",), metavar="COLUMN",
              help="Columns that must agree.")  # fmt: skip
@click.option("--across-sources", is_flag=True, help="Only reports of different sources.")
@_options.given_options()
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def duplicates_command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path | None,
    metres: float,
    hours: float,
    same: tuple[str, ...],
    across_sources: bool,
    given: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Link the reports of INCIDENTS that tell of a problem already reported nearby; delete none."""
    from gridmap.incidents.recurrence import duplicates
    from gridmap.io import read_grid
    from gridmap.io.columns import called

    proved = read_grid(grid, whole=False)
    cases = _options.cases_of(shell, proved, incidents, needs_places=True, codes=False, **given)
    located = _options.located(cases, proved)
    same = tuple(called(name, cases.columns) for name in same)
    found = duplicates(
        located, metres=metres, hours=hours, same=same, across_sources=across_sources
    )
    if output is not None:
        kept = [name for name in _options.SHOWN if name in cases]
        table = cases[kept].assign(**_named(found, cases))
        _options.write_filed(shell, table, output, _DUPLICATE_HEADINGS, overwrite=overwrite)
    method = found.attrs["method"]
    if as_json:
        document = {key: value for key, value in method.items() if key != "sentence"}
        shell.emit_json({"schema": "gridmap.duplicates/1", **document})
        return
    shell.answer(method["sentence"][shell.lang])


def _named(found: Any, cases: Any) -> dict[str, Any]:
    """Name the original of each duplicate by its number, where the incidents have numbers."""
    original = found["duplicate_of"]
    if "incident_id" in cases:
        original = original.map(cases["incident_id"].to_dict())
    columns = ("distance_m", "hours", "reports")
    return {"duplicate_of": original} | {name: found[name].round(2) for name in columns}


_RECHECK_HEADINGS = {"closed": "结案已满观察期"}


@_shell.command(name="recheck")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The list: .csv, .xlsx or .parquet.")  # fmt: skip
@click.option("--days", type=float, default=30.0, help="How soon after its closure.")
@click.option("--metres", type=float, default=50.0, help="How near.")
@click.option("--same", multiple=True, default=("category",), metavar="COLUMN",
              help="Columns that must agree, beside the cell.")  # fmt: skip
@click.option("--frequent", type=click.IntRange(1), default=5,
              help="Reports from which a problem is of high frequency.")  # fmt: skip
@click.option("--repeated", type=click.IntRange(1), default=2,
              help="Times of coming back, or of unsatisfied answers.")  # fmt: skip
@_options.given_options()
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def recheck_command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path | None,
    days: float,
    metres: float,
    same: tuple[str, ...],
    frequent: int,
    repeated: int,
    given: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """List the problems of INCIDENTS to go and look at again, cell by cell and kind by kind."""
    from gridmap.incidents.recurrence import recheck, recurrence
    from gridmap.io import read_grid
    from gridmap.io.columns import called

    proved = read_grid(grid, whole=False)
    cases = _options.cases_of(shell, proved, incidents, **given)
    located = _options.located(cases, proved)
    kinds = tuple(called(name, cases.columns) for name in same)
    again = recurrence(located, days=days, metres=metres, same=kinds, until=given["until"])
    found = recheck(located, again, same=kinds, frequent=frequent, repeated=repeated)
    table = found.reset_index()
    if output is not None:
        _options.write_filed(shell, table, output, _RECHECK_HEADINGS, overwrite=overwrite)
    if as_json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        method = {k: v for k, v in again.attrs["method"].items() if k != "sentence"}
        shell.emit_json({"schema": "gridmap.recheck/1", **method, "recheck": rows})
        return
    shell.answer(again.attrs["method"]["sentence"][shell.lang])
    for row in table.to_dict("records"):
        shell.answer(_problem(row, kinds))


def _problem(row: Mapping[Any, Any], kinds: tuple[str, ...]) -> str:
    """Tell one problem to look at again."""
    said = tr(
        "{place}  {reports:,} {reports:report|reports}, {recurred:,} of {closed:,} came back",
        place="  ".join(str(row[name]) for name in ("code", *kinds)),
        **{name: row[name] for name in ("reports", "recurred", "closed")},
    )
    asked = tr(
        ", {unsatisfied:,} of {asked:,} not satisfied",
        **{name: row[name] for name in ("unsatisfied", "asked")},
    )
    return said + asked if row["asked"] else said
