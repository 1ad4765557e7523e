"""gridmap map and atlas: draw a grid as one page that opens offline, or sheets for print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

STYLE, PICTURES = ".qml", (".png", ".pdf", ".svg")


def _sheet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what sheets are drawn by, which reaches the command as `sheet`."""
    return _options.with_options(
        command,
        click.option("--paper", type=click.Choice(["A3", "A4"]), help="Paper; A4 by default."),
        click.option("--labels", type=click.Choice(["code", "name"]),
                     help="What stands in each cell; code by default."),
        click.option("--streets", metavar="FILE", help="Lines with names, to be drawn and named."),
        click.option("--period", metavar="TEXT", help="What time the sheets hold for."),
    )  # fmt: skip


@_shell.command(name="map")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="OUT.html",
              help="Page to write; .png, .pdf, .svg make a figure, .qml a QGIS style.")  # fmt: skip
@click.option("--color", metavar="COLUMN", help="Column of the cells to colour by.")
@click.option("--incidents", metavar="FILE", help="Adds incidents per 100 households.")
@click.option("--hotspots", "spots", metavar="FILE", help="What `gridmap hotspots` wrote.")
@click.option("--heat", is_flag=True, help="Show where incidents crowd; needs --incidents.")
@click.option("--staff", metavar="FILE", help="Roster; adds which cells have a leader.")
@click.option("--defects", metavar="FILE", help="What `gridmap validate --defects` wrote.")
@click.option("--of", metavar="AREA", help="Draw the sheet of a street or another area, by name or "
              "code, for print.")  # fmt: skip
@_sheet_options
@click.option("--title", metavar="TEXT", help="What stands over the map.")
@click.option("--source", metavar="TEXT", default="", show_default=False,
              help="Where the data come from.")  # fmt: skip
@_options.words_options("roles", *_options.CASE_WORDS)
@_options.case_options
@_options.time_option
@_options.basemap_options
@_shell.overwrite_option
@click.pass_obj
def map_command(
    shell: _shell.Shell,
    /,
    grid: str,
    output: Path,
    color: str | None,
    incidents: str | None,
    spots: str | None,
    heat: bool,
    staff: str | None,
    defects: str | None,
    of: str | None,
    title: str | None,
    source: str,
    words: dict[str, str | None],
    where: dict[str, Any],
    ground: dict[str, Any],
    overwrite: bool,
    **sheet: Any,
) -> None:
    """Draw a grid: households against the band, kinds, levels; with incidents also rates.

    The page is one file that loads nothing. Incident points are never in it, only counts and,
    with --heat, an image of their density. With --of AREA it is a sheet of paper instead, at a
    round scale, with the codes of the cells and what lies around.
    """
    from gridmap.io import read_grid, read_layer
    from gridmap.maps.figure import figure, save_figure
    from gridmap.maps.maps import coverage_map, hotspot_map
    from gridmap.maps.qgis import save_qgis_style

    if heat and incidents is None:
        raise click.UsageError(tr("--heat needs --incidents FILE."))
    kind = _kind_of(output, ground)
    themes = {"--color": color, "--incidents": incidents, "--hotspots": spots, "--staff": staff,
              "--defects": defects}  # fmt: skip
    _check_sheet(kind, of, sheet, [name for name, value in themes.items() if value is not None])
    proved = read_grid(grid, whole=False)
    color = _options.of_cells(proved, color)
    placed = None
    if incidents is not None:
        placed = placed_incidents(shell, proved, incidents, words=words, **where)
    common: dict[str, Any] = {"title": title, "source": source, "lang": shell.lang}
    table = None if spots is None else read_spots(spots, proved)
    if kind == STYLE:
        save_qgis_style(proved, output, overwrite=overwrite, lang=common["lang"])
    elif of is not None:
        _sheet(shell, proved, of, output, overwrite, **_with_streets(sheet, proved), **common)
    elif kind in PICTURES:
        drawn = figure(proved, color=color, incidents=placed, spots=table, **common)
        save_figure(drawn, output, overwrite=overwrite)
    elif table is not None:
        page = hotspot_map(proved, table, incidents=placed, heat=heat, **common, **ground)
        page.save(output, overwrite=overwrite)
    else:
        roster = None if staff is None else _options.read_roster(shell, staff, words["roles"])
        found = None if defects is None else read_layer(defects)
        page = coverage_map(
            proved, color=color, incidents=placed, heat=heat, staff=roster, defects=found,
            **common, **ground,
        )  # fmt: skip
        page.save(output, overwrite=overwrite)
    shell.answer(tr("Map written to {output}", output=output))


def _kind_of(output: Path, ground: dict[str, Any]) -> str:
    """Return the ending of the output; refuse what no page, figure or style can be."""
    from gridmap.maps.offline import check_page

    kind = output.suffix.lower()
    if ground["basemap"] is not None and kind in (STYLE, *PICTURES):
        raise click.UsageError(tr("--basemap is for pages. Name the output .html."))
    if kind not in (STYLE, *PICTURES):
        check_page(output)
    return kind


def _check_sheet(kind: str, of: str | None, sheet: dict[str, Any], themes: list[str]) -> None:
    """Refuse options that a sheet, or anything else, has no use for."""
    given = [name for name, value in sheet.items() if value is not None]
    if of is None and given:
        raise click.UsageError(tr("--{option} is for sheets; it needs --of AREA.", option=given[0]))
    if of is not None and kind not in PICTURES:
        raise click.UsageError(tr("--of draws a sheet. Name the output .pdf, .svg or .png."))
    if of is not None and themes:
        raise click.UsageError(
            tr("A sheet shows cells and codes only; leave {option} out.", option=themes[0])
        )


def _sheet(
    shell: _shell.Shell, grid: Any, of: str, output: Path, overwrite: bool, **looks: Any
) -> None:
    """Write the sheet of an area: as PDF with all its pages, else one, and say what it lacks."""
    from gridmap.maps.figure import save_figure
    from gridmap.maps.street_sheet import atlas

    made = atlas(grid, of=of, **looks)
    if output.suffix.lower() == ".pdf":
        made.save(output, overwrite=overwrite)
        return
    page = made.one_page()
    save_figure(page.figure, output, overwrite=overwrite)
    if page.left_out:
        shell.say(
            tr(
                "Without room for a label on one page: {n} of {cells} {cells:cell|cells}. Name the "
                "output .pdf for a key map and pages at larger scales.",
                n=page.left_out,
                cells=int(page.sheet.rows.sum()),
            )
        )


def _with_streets(sheet: dict[str, Any], grid: Any) -> dict[str, Any]:
    """Return the options that were given, the lines that are to be named read."""
    given = {name: value for name, value in sheet.items() if value is not None}
    if "streets" in given:
        given["streets"] = _options.read_lines(given["streets"], grid.crs)
    return given


@_shell.command(name="atlas")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="ATLAS.pdf",
              help="PDF to write.")  # fmt: skip
@click.option("--level", metavar="NAME", help="Level whose areas get a page; by default "
              "the one above the finest.")  # fmt: skip
@_sheet_options
@click.option("--title", metavar="TEXT", help="What stands over the overview.")
@click.option("--source", metavar="TEXT", default="", show_default=False,
              help="Where the data come from.")  # fmt: skip
@_shell.overwrite_option
@click.pass_obj
def atlas_command(
    shell: _shell.Shell,
    /,
    grid: str,
    output: Path,
    level: str | None,
    title: str | None,
    source: str,
    overwrite: bool,
    **sheet: Any,
) -> None:
    """Put a sheet of every street into one PDF: an overview, then a page each, at round scales.

    Each page has the codes of the cells, neighbours, a scale bar, north and a list of the
    communities; `gridmap map GRID --of AREA` draws one of them.
    """
    from gridmap.io import read_grid
    from gridmap.maps.street_sheet import atlas, check_atlas

    check_atlas(output)
    proved = read_grid(grid, whole=False)
    made = atlas(
        proved, level=_options.of_cells(proved, level), title=title, source=source, lang=shell.lang,
        **_with_streets(sheet, proved),
    )  # fmt: skip
    made.save(output, overwrite=overwrite)
    shell.answer(tr("Atlas of {n} {n:page|pages} written to {output}", n=len(made), output=output))


def placed_incidents(shell: _shell.Shell, grid: Any, incidents: str, **where: Any) -> Any:
    """Read incidents, say how they were understood, and give each its cell."""
    from gridmap.maps.heat import with_places

    frame = _options.read_cases(
        shell, incidents, to=grid.crs, levels=grid.levels, codes=True, **where
    )
    placed = with_places(frame, grid)
    grid.locator.rest()
    return placed


def read_spots(path: str, grid: Any) -> Any:
    """Read a table of hotspots back onto the codes of the grid, periods behind the code."""
    from gridmap.errors import InputError
    from gridmap.io import read_layer, read_table
    from gridmap.maps.maps import from_file

    layered = _options.is_layer(Path(path.split(":")[0]))
    table = read_layer(path) if layered else read_table(path)
    found = from_file(table, grid)
    if found is None:
        raise InputError(
            "`{path}` has no columns code and bin. Hand in what `gridmap hotspots` wrote.",
            path=path,
        )
    return found
