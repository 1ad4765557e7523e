"""gridmap briefing: write the one-file briefing, or the sheet of one cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.cli import _options as _basemap
from gridmap.cli.map import placed_incidents
from gridmap.language import tr

if TYPE_CHECKING:
    pass


@_shell.command(name="briefing")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="OUT.html",
              help="Page to write.")  # fmt: skip
@click.option("--staff", metavar="FILE", help="Roster with codes and roles.")
@click.option("--title", metavar="TEXT", help="What stands at the head.")
@click.option("--since", metavar="DAY", help="First day.")
@click.option("--until", metavar="DAY", help="Last day.")
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="week",
              help="Steps of the trend.")  # fmt: skip
@click.option("--audience", type=click.Choice(["internal", "public"]), default="internal",
              help="public hides counts under 5.")  # fmt: skip
@click.option("--level", metavar="NAME", help="Level that is ranked; the streets by default.")
@click.option("--cell", metavar="CODE", help="Write the sheet of this cell instead.")
@click.option("--barriers", metavar="FILE", multiple=True,
              help="Named streets, rivers and railways, for the bounds of that sheet.")  # fmt: skip
@click.option("--buildings", metavar="FILE", help="Buildings, to be counted on that sheet.")
@click.option("--source", metavar="TEXT", default="", help="Where the data come from.")
@click.option("--time", metavar="COL", help="Column of the time.")
@click.option("--category", metavar="COL", help="Column of the category.")
@_options.words_options("roles", *_options.CASE_WORDS)
@_options.case_options
@_basemap.basemap_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path,
    staff: str | None,
    barriers: tuple[str, ...],
    buildings: str | None,
    time: str | None,
    category: str | None,
    words: dict[str, str | None],
    where: dict[str, Any],
    ground: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write one page for the meeting: map, ranking, hotspots, trend, data quality.

    The file loads nothing and holds no incident points. Every figure is computed; --json prints
    them all.
    """
    from gridmap.briefings.briefing import briefing
    from gridmap.io import read_grid
    from gridmap.io.atomic import check_writable
    from gridmap.io.inputs import read_households
    from gridmap.maps.offline import check_page

    check_page(output)
    check_writable(output, overwrite=overwrite)
    proved = read_grid(grid)
    where = {**where, "time": time, "category": category, "words": words}
    placed = placed_incidents(shell, proved, incidents, **where)
    roster = None if staff is None else _options.read_roster(shell, staff, words["roles"])
    lines = read_lines(barriers, proved.crs)
    houses = None if buildings is None else read_households(buildings)[0].to_crs(proved.crs)
    lang = shell.lang
    made = briefing(
        proved, placed, staff=roster, barriers=lines, buildings=houses, lang=lang,
        **ground, **options,
    )  # fmt: skip
    made.save(output, overwrite=overwrite)
    if as_json:
        shell.emit_json({"schema": "gridmap.briefing/1", "output": str(output), **made.figures})
        return
    shell.answer(made.conclusion)
    shell.say(tr("Briefing written to {output}", output=output))


def read_lines(paths: tuple[str, ...], crs: Any) -> Any:
    """Read the barriers of several files in the CRS of the grid."""
    import pandas as pd

    from gridmap.io.inputs import read_barriers

    if not paths:
        return None
    return pd.concat([read_barriers(path)[0].to_crs(crs) for path in paths], ignore_index=True)
