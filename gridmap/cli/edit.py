"""gridmap edit and apply: the page on which a planner redraws cells, and putting it into force."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from gridmap.cli import _shell
from gridmap.language import tr


@_shell.command(name="edit")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=_shell.PageOutput(), metavar="PLAN.html",
              help="Page to write.")  # fmt: skip
@click.option("--of", metavar="CODE", help="Only this jurisdiction, or area of any level.")
@click.option("--compare", "others", multiple=True, metavar="OTHER.gpkg",
              help="An alternative whose borders can be shown.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Headline of the page.")
@_shell.overwrite_option
@click.pass_obj
def edit_command(
    shell: _shell.Shell,
    grid: str,
    output: Path,
    of: str | None,
    others: tuple[str, ...],
    title: str | None,
    overwrite: bool,
) -> None:
    """Write a page to redraw a grid on: it opens offline and saves a change file for `apply`."""
    from gridmap.io.gridfile import read_grid
    from gridmap.maps.edit import edit_page
    from gridmap.maps.offline import write_page

    plan = read_grid(grid)
    compare = [(Path(other).stem, read_grid(other)) for other in others]
    page = edit_page(plan, of=of, compare=compare, title=title, lang=shell.lang)
    write_page(page, output, overwrite=overwrite)
    size = f"{len(page) / 1e6:.1f} MB"
    shell.answer(tr("Wrote {output} ({size}); it opens offline.", output=output, size=size))


class Pair(click.ParamType):  # type: ignore[type-arg]
    """Two texts with a sign between them; the last such sign parts them."""

    name = "pair"

    def __init__(self, sign: str, form: str) -> None:
        self.sign, self.form = sign, form

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Part a text in two."""
        if isinstance(value, tuple):
            return cast("tuple[str, str]", value)
        first, sign, second = str(value).rpartition(self.sign)
        if self.sign == "=":
            first, sign, second = str(value).partition(self.sign)
        if not (sign and first.strip() and second.strip()):
            self.fail(tr("{value!r} is not {form}.", value=value, form=self.form), param, ctx)
        return first.strip(), second.strip()


@_shell.command(name="apply")
@click.argument("source", metavar="GRID")
@click.argument("file", metavar="[CHANGES.json]", required=False)
@click.option("-o", "--output", type=_shell.GridOutput(), metavar="NEW.gpkg",
              help="Grid file to write.")  # fmt: skip
@click.option("--move", "moves", multiple=True, type=Pair(":", "WHAT:CODE"), metavar="WHAT:CODE",
              help="Move a unit, a building or compound by name, or what lies at x,y.")  # fmt: skip
@click.option("--merge", "merges", multiple=True, metavar="A,B", help="Merge cells into one.")
@click.option("--split", "splits", multiple=True, metavar="CODE", help="Split a cell in two.")
@click.option("--along", "lines", multiple=True, metavar="LINES",
              help="The line of each --split, or one layer for all.")  # fmt: skip
@click.option("--through", is_flag=True, help="Cut the units that the line crosses.")
@click.option("--hand", "hands", multiple=True, type=Pair(":", "WHAT:JURISDICTION"),
              metavar="WHAT:JURISDICTION",
              help="Hand a cell, or what --move can name, over to another jurisdiction."
              )  # fmt: skip
@click.option("--approve", multiple=True, type=Pair("=", "CODE=REASON"), metavar="CODE=REASON",
              help="Accept a cell outside the band, or in pieces.")  # fmt: skip
@click.option("--settle", is_flag=True, help="Bring changed cells back into the band.")
@click.option("--renumber", is_flag=True, help="New codes in the changed jurisdictions.")
@click.option("--on", default="", show_default=False, metavar="DAY",
              help="Day from which the change holds.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@click.option("--map", "page", type=_shell.PageOutput(), metavar="OUT.html",
              help="A map of what changed.")  # fmt: skip
@click.option("--save", type=_shell.FileOutput(), metavar="CHANGES.json",
              help="Keep what was asked for as a change file.")  # fmt: skip
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def apply_command(
    shell: _shell.Shell, /, source: str, file: str | None, as_json: bool, **options: Any
) -> None:
    """Apply a change file of `gridmap edit`, or what the options ask for, and prove the result."""
    from gridmap.io.atomic import together
    from gridmap.io.gridfile import read_grid, write_grid
    from gridmap.partitioning.apply import apply
    from gridmap.partitioning.change_file import write_changes

    output, dry, page, save = (options[name] for name in ("output", "dry_run", "page", "save"))
    if (output is None) != dry:
        raise click.UsageError(
            tr("Name the new grid with -o NEW.gpkg, or add --dry-run; not both.")
        )
    old = read_grid(source)
    wanted = wanted_of(old, file, options)
    new = apply(
        old,
        wanted,
        settle=options["settle"],
        renumber=options["renumber"],
        on=options["on"],
        lang=shell.lang,
    )
    with together():
        if output is not None:
            write_grid(new, output, overwrite=options["overwrite"])
        if save is not None:
            write_changes(wanted, save, overwrite=options["overwrite"])
        if page is not None:
            from gridmap.maps.defect_map import compare_map

            drawn = compare_map(old, new, lang=shell.lang)
            drawn.save(page, overwrite=options["overwrite"])
    change, cells = new.parameters["change"], changed_cells(old, new)
    if as_json:
        document = {"schema": "gridmap.apply/1", "change": change, "cells": cells, "dry_run": dry}
        shell.emit_json(document | {"proof": new.proof.as_dict()})
        return
    say(shell, change, cells)


def wanted_of(grid: Any, file: str | None, options: dict[str, Any]) -> Any:
    """Return the changes of the file and of the options together."""
    from gridmap.io.vector import read_layer
    from gridmap.partitioning.change_file import Changes, read_changes
    from gridmap.partitioning.requests import requested

    splits, lines = options["splits"], options["lines"]
    if len(lines) not in (0, 1, len(splits)) or bool(splits) != bool(lines):
        raise click.UsageError(tr("Give each --split its line: --split CODE --along LINES.gpkg."))
    asked = [options[name] for name in ("moves", "merges", "splits", "hands", "approve")]
    if file is None and not any(asked):
        raise click.UsageError(
            tr(
                "Nothing is to be changed. Name a change file, or --move, --merge, --split, "
                "--hand, --approve."
            )
        )
    layers = [read_layer(spec) for spec in lines] * (len(splits) if len(lines) == 1 else 1)
    return requested(
        grid,
        Changes(grid.content_hash) if file is None else read_changes(file),
        moves=options["moves"],
        merges=[[code.strip() for code in codes.split(",")] for codes in options["merges"]],
        splits=list(zip(splits, layers, strict=True)),
        through=options["through"],
        hand=options["hands"],
        approve=dict(options["approve"]),
    )


def changed_cells(old: Any, new: Any) -> list[dict[str, Any]]:
    """List the cells that are others than before, with their households."""
    before, after = old.cells, new.cells
    codes = sorted({*before.index, *after.index})
    rows = []
    for code in codes:
        known = code in before.index, code in after.index
        if all(known) and before.geometry[code].equals_exact(after.geometry[code], 0.0):
            continue
        was, now = (
            int(frame.at[code, "households"]) if there else None
            for frame, there in zip((before, after), known, strict=True)
        )
        rows.append({"code": code, "households_before": was, "households_after": now})
    return rows


def say(shell: _shell.Shell, change: Any, cells: list[dict[str, Any]]) -> None:
    """Tell what changed."""
    shell.answer(
        tr(
            "Cells: {unchanged:,} unchanged, {redrawn:,} redrawn, {new:,} new, {retired:,} "
            "retired; {moved:,} {moved:household|households} moved ({share:.2%}); proved again.",
            moved=change["households_moved"],
            share=change["share_moved"],
            **{name: change[name] for name in ("unchanged", "redrawn", "new", "retired")},
        )
    )
    none = "—"
    for row in cells:
        was, now = (row[f"households_{at}"] for at in ("before", "after"))
        shell.answer(
            f"  {row['code']}  {none if was is None else was} → {none if now is None else now}"
        )
