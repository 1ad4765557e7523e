"""gridmap adopt: make a grid of cells that somebody else drew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr


@_shell.command(name="adopt")
@click.argument("cells", metavar="CELLS")
@_options.boundary_option(required=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="GRID.gpkg")
@click.option(
    "--repair", "mend", is_flag=True, help="Mend the defects first, and list the changes."
)
@_options.code_option
@_options.count_option
@click.option("--level", "levels", multiple=True, metavar="COLUMN",
              help="Columns of the hierarchy, coarse to fine.")  # fmt: skip
@_options.exclude_option
@click.option("--min", "low", type=click.IntRange(min=1), default=300)
@click.option("--max", "high", type=click.IntRange(min=1), default=600)
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    cells: str,
    boundary: str,
    output: Path,
    mend: bool,
    code: str | None,
    count: str | None,
    levels: tuple[str, ...],
    exclude: str | None,
    low: int,
    high: int,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a grid of cells that somebody else drew, proved or not at all.

    Exit code 1 when they do not tile the boundary: `gridmap validate` shows every defect.
    """
    from gridmap.coverage.repair import outline_to_fill
    from gridmap.coverage.report import sentence
    from gridmap.coverage.validate import validate
    from gridmap.errors import CoverageError
    from gridmap.grid.adopt import adopt
    from gridmap.io import read_layer, write_grid
    from gridmap.io.inputs import read_cells

    _shell.check_grid_output(output, overwrite=overwrite)
    drawn, known = read_cells(cells, crs=crs, code=code, count=count)
    for line in known.sentences(shell.lang):
        shell.say(line)
    excluded = None if exclude is None else read_layer(exclude, crs=crs)
    given: Any = boundary if boundary == "outline" else read_layer(boundary, crs=crs)
    outline = outline_to_fill(drawn, given, excluded)
    try:
        if mend:
            drawn, outline = _mended(shell, drawn, outline)
        grid = adopt(drawn, outline, levels=levels, households=(low, high))
    except CoverageError as error:
        shell.answer(sentence(error.defects, shell.lang))
        raise click.exceptions.Exit(1) from error
    write_grid(grid, output, overwrite=overwrite)
    if as_json:
        document = {"schema": "gridmap.adopt/1", "cells": len(grid), "proof": grid.proof.as_dict()}
        shell.emit_json(document)
    else:
        checked = validate(grid.cells, grid.boundary, parents=grid.jurisdictions)
        shell.answer(sentence(checked, shell.lang))


def _mended(shell: _shell.Shell, cells: Any, outline: Any) -> tuple[Any, Any]:
    """Return the cells mended, and the boundary with the vertices that this added."""
    from gridmap.coverage.repair import exchange_sentence, repair

    mended, log = repair(cells, outline)
    shell.say(tr("repaired: {log:,} {log:change|changes}", log=len(log)))
    if len(log):
        shell.say(exchange_sentence(log))
    return mended, log.attrs["boundary"]
