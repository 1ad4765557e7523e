"""gridmap recheck: problems to look at again (复诊): frequent, coming back, or not satisfying."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

_HEADINGS = {"closed": "结案满期"}


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
@click.option("--since", metavar="DAY", help="First day.")
@click.option("--until", metavar="DAY", help="Last day.")
@click.option("--time", metavar="COL", help="Column of the time.")
@click.option("--category", metavar="COL", help="Column of the category.")
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
    output: Path | None,
    days: float,
    metres: float,
    same: tuple[str, ...],
    frequent: int,
    repeated: int,
    words: dict[str, str | None],
    where: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **period: Any,
) -> None:
    """List the problems of INCIDENTS to go and look at again, cell by cell and kind by kind."""
    from gridmap.incidents.recurrence import recheck, recurrence
    from gridmap.io import read_grid, write_table

    if output is not None:
        _shell.check_output(output, overwrite=overwrite)
    proved = read_grid(grid)
    cases = _options.cases_of(shell, proved, incidents, words=words, **period, **where)
    located = _options.located(cases, proved)
    kinds = tuple(_options.column_of(cases, name) for name in same)
    again = recurrence(located, days=days, metres=metres, same=kinds, until=period["until"])
    found = recheck(located, again, same=kinds, frequent=frequent, repeated=repeated)
    table = found.reset_index()
    if output is not None:
        headings = _options.headings(table.columns, _HEADINGS) if shell.lang == "zh" else None
        write_table(table, output, overwrite=overwrite, headings=headings)
    if as_json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        method = {k: v for k, v in again.attrs["method"].items() if k != "sentence"}
        shell.emit_json({"schema": "gridmap.recheck/1", **method, "recheck": rows})
        return
    shell.answer(again.attrs["method"]["sentence"][shell.lang])
    for row in table.to_dict("records"):
        place = "  ".join(str(row[name]) for name in ("code", *kinds))
        shell.answer(
            tr(
                "{place}  {reports:,} {reports:report|reports}, {recurred:,} of {closed:,} "
                "came back, {unsatisfied:,} of {asked:,} not satisfied",
                place=place,
                reports=row["reports"],
                recurred=row["recurred"],
                closed=row["closed"],
                unsatisfied=row["unsatisfied"],
                asked=row["asked"],
            )
        )
