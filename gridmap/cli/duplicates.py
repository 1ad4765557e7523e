"""gridmap duplicates: link reports that tell of one problem (双报告)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridmap.cli import _options, _shell

_HEADINGS = {"reports": "同一问题上报数"}


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
    metres: float,
    hours: float,
    same: tuple[str, ...],
    across_sources: bool,
    words: dict[str, str | None],
    where: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **period: str | None,
) -> None:
    """Link the reports of INCIDENTS that tell of a problem already reported nearby; delete none."""
    from gridmap.incidents.duplicates import duplicates
    from gridmap.io import read_grid, write_table

    if output is not None:
        _shell.check_output(output, overwrite=overwrite)
    proved = read_grid(grid)
    cases = _options.cases_of(
        shell, proved, incidents, words=words, needs_places=True, **period, **where
    )
    located = _options.located(cases, proved)
    same = tuple(_options.column_of(cases, name) for name in same)
    found = duplicates(
        located, metres=metres, hours=hours, same=same, across_sources=across_sources
    )
    if output is not None:
        kept = [name for name in _options.SHOWN if name in cases]
        table = cases[kept].assign(**_named(found, cases))
        headings = _options.headings(table.columns, _HEADINGS) if shell.lang == "zh" else None
        write_table(table, output, overwrite=overwrite, headings=headings)
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
