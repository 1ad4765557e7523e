"""The page on which a planner redraws cells: one offline file, and the same page in Jupyter."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely
from markupsafe import Markup

from gridmap._arrays import Ints, positions
from gridmap._checks import label
from gridmap.coverage.prove import metres_per_unit
from gridmap.errors import CRSError, InputError
from gridmap.grid.grid import Grid
from gridmap.html import render, today
from gridmap.language import Lang, Message, tr
from gridmap.maps.offline import asset, module_of, safe_script, with_policy
from gridmap.maps.payload import _varints, _zigzag, payload
from gridmap.maps.scene import as_json, places
from gridmap.maps.themes import area_keys, level_title
from gridmap.partitioning.apply import unit_contacts

if TYPE_CHECKING:
    from gridmap.maps.widget import PlanEditor


VERTICES_FINE = 400_000
FINE, COARSE = 0.02, 0.1  # metres that one step of the payload stands for


def edit_page(
    grid: Grid,
    *,
    of: str | None = None,
    compare: Sequence[tuple[str, Grid]] = (),
    title: str | None = None,
    lang: Lang = "zh",
) -> str:
    """Return the page on which a grid is redrawn, as one HTML text that loads nothing.

    Parameters
    ----------
    grid : Grid
        The grid to redraw.
    of : str, optional
        Code of a jurisdiction, or name of an area of any level: only its cells are on the page.
    compare : sequence of (str, Grid)
        Alternatives whose borders can be shown over the plan, with what to call them.
    title : str, optional
        Headline; by default what is redrawn.
    lang : {"zh", "en"}
        Language of the page.
    """
    return page_of(plan_data(grid, of=of, compare=compare, title=title, lang=lang))


def page_of(data: Mapping[str, object]) -> str:
    """Return the page that shows what `plan_data` made, and `changes` drawn before if any."""
    page = render(
        "edit.html",
        lang=data["lang"],
        title=data["title"],
        style=Markup(asset("edit.css") + asset("search.css")),
        data=Markup(as_json(data)),
        script=Markup(
            safe_script(module_of("varints.js", "edit_engine.js", "search.js", "edit_page.js"))
        ),
    )
    return with_policy(page)


def edit(
    grid: Grid,
    *,
    of: str | None = None,
    compare: Sequence[tuple[str, Grid]] = (),
    title: str | None = None,
    lang: Lang = "zh",
) -> PlanEditor:
    """Redraw a grid in Jupyter, on the page that `gridmap edit` writes.

    Parameters
    ----------
    grid, of, compare, title, lang
        As for `edit_page`.

    Returns
    -------
    PlanEditor
        A widget: ``changes`` is what was drawn so far, as a change file holds it, and ``apply()``
        the grid with the changes, proved.

    Raises
    ------
    InputError
        When anywidget is not there, which the group ``notebook`` brings.
    """
    try:
        from gridmap.maps.widget import PlanEditor
    except ImportError as error:
        raise InputError(
            "Redrawing in Jupyter needs anywidget. Install `gridmap-gis[notebook]`, or write the "
            "page: `gridmap edit GRID -o plan.html`."
        ) from error
    data = plan_data(grid, of=of, compare=compare, title=title, lang=lang)
    return PlanEditor(grid, data, page_of)


def plan_data(
    grid: Grid,
    *,
    of: str | None = None,
    compare: Sequence[tuple[str, Grid]] = (),
    title: str | None = None,
    lang: Lang = "zh",
) -> dict[str, object]:
    """Return what the page reads, ready for JSON; see `edit_page`."""
    if grid.crs.is_geographic:
        raise CRSError(
            "The grid is in degrees, and cells are redrawn in metres. Make it in a projected CRS."
        )
    grid = grid.in_language(lang)
    parents, area = chosen_area(grid, of)
    cells = grid.cells[grid.cells["parent"].isin(parents)]
    units = grid.units
    rows = np.flatnonzero(units["code"].isin(cells.index).to_numpy())
    part = units.iloc[rows]
    shapes = part.geometry.to_numpy()
    fine = shapely.get_num_coordinates(shapes).sum() < VERTICES_FINE
    bands = [list(grid.bands.of(parent)) for parent in sorted(cells["parent"].unique())]
    plain = isinstance(part.index, pd.RangeIndex) and part.index.equals(pd.RangeIndex(len(part)))
    words = {key: message.text(lang) for key, message in WORDS.items()}
    return {
        "grid": grid.content_hash,
        "title": title or " · ".join(filter(None, [tr("Redraw cells", lang=lang), area])),
        "subtitle": tr("from {hash} · {day}", hash=grid.content_hash[:8], day=today(), lang=lang),
        "file": f"changes-{grid.content_hash[:8]}",
        "band": list(grid.band),
        **({"bands": bands} if grid.bands.own else {}),
        "crs": label(grid.crs),
        "metres": metres_per_unit(grid.crs),
        "geometry": payload(shapes, quantum=FINE if fine else COARSE),
        "unit": None if plain else part.index.tolist(),
        "households": _text(part["households"].to_numpy(dtype=np.int64)),
        "cell": _text(positions(cells.index, part["code"])),
        "contacts": _contacts_among(grid, rows),
        "cells": _cell_facts(cells),
        "recorded": _recorded(grid, cells),
        "levels": _levels(grid, cells, lang),
        "places": places(grid, shapes, lang),
        "others": [_other(name, other, grid, parents) for name, other in compare],
        "words": words,
        "lang": lang,
    }


def _levels(grid: Grid, cells: pd.DataFrame, lang: Lang) -> list[dict[str, object]]:
    """Name the areas of each level, and tell which of them each cell is in."""
    found: list[dict[str, object]] = []
    for level in grid.levels:
        of, keys = pd.factorize(area_keys(grid, level).loc[cells.index], sort=True)
        names = [key.rsplit("\x1f", 1)[-1] for key in keys]
        found.append({"title": level_title(level, lang), "names": names, "of": of.tolist()})
    return found


def _cell_facts(cells: pd.DataFrame) -> dict[str, object]:
    number = pd.factorize(cells["parent"], sort=True)[0]
    return {
        "code": cells.index.tolist(),
        "name": cells["name"].astype(str).tolist(),
        "dedicated": (cells["kind"] != "residential").astype(int).tolist(),
        "parent": _text(number.astype(np.int64)),
    }


def _recorded(grid: Grid, cells: pd.DataFrame) -> dict[int, str]:
    """Return why cells are outside the band, as the grid has it on record, by their places."""
    why = grid.exceptions.drop_duplicates("code").set_index("code")["reason"].astype(str)
    at = positions(cells.index, why.index)
    return {int(k): said for k, said in zip(at, why, strict=True) if k >= 0}


def _contacts_among(grid: Grid, rows: Ints) -> dict[str, str]:
    """Return which of some units touch, by their places among them."""
    i, j = unit_contacts(grid)
    place = np.full(len(grid.units), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    both = (place[i] >= 0) & (place[j] >= 0)
    lower, upper = place[i[both]], place[j[both]]
    steps = _zigzag(np.diff(lower, prepend=np.int64(0)))
    return {"lower": _text(steps), "upper": _text(upper - lower)}


def chosen_area(grid: Grid, of: str | None) -> tuple[list[str], str]:
    """Return the codes of the jurisdictions to redraw, and what to call them."""
    table = grid.jurisdictions
    if of is None:
        top = grid.levels[0] if grid.levels else None
        names = sorted(set(table[top].astype(str))) if top else []
        return table.index.tolist(), names[0] if len(names) == 1 else ""
    if of in table.index:
        return [of], str(table.at[of, grid.levels[-1]]) if grid.levels else of
    for depth, level in enumerate(grid.levels, start=1):
        paths = table[[*grid.levels[:depth]]].astype(str).agg("/".join, axis=1)
        mine = paths[(table[level].astype(str) == of) | (paths == of)]
        if mine.nunique() > 1:
            raise InputError(
                "Several areas are called {of!r}: {paths}. Give one of these paths.",
                of=of,
                paths=sorted(set(mine)),
            )
        if len(mine):
            return mine.index.tolist(), of.rpartition("/")[2]
    raise InputError(
        "`of` is {of!r}, which is no jurisdiction of the grid. Give a code such as {code!r}, or "
        "the name of an area.",
        of=of,
        code=table.index[0],
    )


def _other(name: str, other: Grid, grid: Grid, parents: list[str]) -> dict[str, object]:
    if other.crs != grid.crs:
        raise CRSError(
            "`compare` {name} is in {theirs} and the grid in {ours}. Compare grids in one CRS.",
            name=name,
            theirs=label(other.crs),
            ours=label(grid.crs),
        )
    cells = other.cells[other.cells["parent"].isin(parents)]
    return {"label": name, "geometry": payload(cells.geometry.to_numpy(), quantum=COARSE)}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(_varints(values)).decode()


WORDS = {
    "brush": Message("Brush", context="edit"),
    "lasso": Message("Lasso", context="edit"),
    "merge": Message("Merge", context="edit"),
    "split": Message("Split", context="edit"),
    "lock": Message("Lock", context="edit"),
    "undo": Message("Undo", context="edit"),
    "redo": Message("Redo", context="edit"),
    "open": Message("Open", context="edit"),
    "save": Message("Save", context="edit"),
    "brushTip": Message("Brush (B): paint units into the active cell"),
    "lassoTip": Message("Lasso (L): circle units"),
    "mergeTip": Message("Merge (M): click two cells in turn"),
    "splitTip": Message("Split (D): along the units nearest to a line"),
    "lockTip": Message("Lock (K): a locked cell does not change"),
    "undoTip": Message("Undo (Ctrl/⌘+Z)", context="edit"),
    "redoTip": Message("Redo (Ctrl/⌘+Shift+Z)", context="edit"),
    "openTip": Message("Open a change file (Ctrl/⌘+O)"),
    "saveTip": Message("Save the change file (Ctrl/⌘+S)"),
    "brushHelp": Message(
        "Click a cell to make it active, then paint the units that should join it. Ctrl-click "
        "takes another cell, Esc none."
    ),
    "lassoHelp": Message(
        "Circle units to move them into the active cell, or into a new one when none is active."
    ),
    "mergeHelp": Message("Click two cells in turn; the one with more households keeps its code."),
    "splitHelp": Message("Drag a line, or click points and double-click to end."),
    "lockHelp": Message("Click a cell to lock or unlock it."),
    "closer": Message("+", context="edit"),
    "farther": Message("−", context="edit"),
    "whole": Message("All", context="edit"),
    "closerTip": Message("Zoom in (+)"),
    "fartherTip": Message("Zoom out (-)"),
    "wholeTip": Message("Show all (0)"),
    "canvas": Message(
        "Map of the cells. Arrow keys walk from unit to unit, Enter moves one, Space takes a cell."
    ),
    "legendNumbers": Message("Numbers: households · red, underlined: outside {low}–{high}"),
    "legendBands": Message(
        "Numbers: households · red, underlined: outside the band of their jurisdiction"
    ),
    "legendFrames": Message(
        "Amber: active cell · blue: cell that loses · dashed: units that go along"
    ),
    "legendColours": Message("Colours only tell neighbours apart · grey: no residential cell"),
    "cells": Message("Cells", context="edit"),
    "foot": Message(
        "This page works offline and asks nothing of any server. gridmap apply puts the saved "
        "file into force and proves the grid anew."
    ),
    "touched": Message("Cells changed", context="edit"),
    "moved": Message("Households moved", context="edit"),
    "compact": Message("Compactness", context="edit"),
    "homes": Message("Households", context="edit"),
    "gain": Message("Change", context="edit"),
    "shape": Message("Shape", context="edit"),
    "todo": Message("Not yet right: {count}"),
    "nothingToDo": Message("Nothing left to settle"),
    "standing": Message("Outside the band as before: {count} (on record: {known})"),
    "unrecorded": Message("no reason on record"),
    "homesOf": Message("{name}: {homes} {homes:household|households}"),
    "over": Message(", {count} too many"),
    "under": Message(", {count} too few"),
    "apart": Message("{name} is in {count} {count:piece|pieces}; approve it or join them"),
    "goto": Message("Show", context="edit"),
    "tune": Message("Adjust", context="edit"),
    "approve": Message("Approve", context="edit"),
    "rename": Message("Rename", context="edit"),
    "cancel": Message("Cancel", context="edit"),
    "accept": Message("OK", context="edit"),
    "search": Message("Code, name or address"),
    "nothing": Message("Nothing found"),
    "askReason": Message("Why {name} is approved"),
    "askName": Message("Name of {code}"),
    "newCell": Message("New cell {number}"),
    "lockedBadge": Message("locked", context="edit"),
    "approvedBadge": Message("approved", context="edit"),
    "piecesBadge": Message("{count} {count:piece|pieces}", context="edit"),
    "moveTitle": Message("Into {name}: {homes} {homes:household|households}"),
    "pocket": Message("Also cut off from their cell, and so moved along (dashed): {count}."),
    "afterGood": Message("Households then {from} / {to}, both within {low}–{high}."),
    "afterBad": Message("Households then {from} / {to}, not both within {low}–{high}."),
    "after": Message("Households then {from} / {to}."),
    "reserved": Message("No band binds a dedicated cell; households in it need an approval."),
    "reservedHomes": Message("{name} is dedicated, but gains households ({homes} now)"),
    "lockMark": Message("L", context="edit"),
    "empties": Message("{name} would have no unit left; its code is retired."),
    "cellFacts": Message(
        "Households {homes}, units {units}, pieces {pieces}, compactness {compact}"
    ),
    "startHere": Message("Click to make it the active cell."),
    "no_locked": Message("The cell is locked."),
    "no_parent": Message("The unit lies in another jurisdiction than {name}."),
    "no_apart": Message("The unit does not touch {name}."),
    "lassoMissed": Message("No unit there can be moved."),
    "lassoed": Message("Units moved into {name}: {count}."),
    "splitMissed": Message("The line does not part a cell; draw it from one side to the other."),
    "splitDone": Message("Split into {a} and {b} {b:household|households}."),
    "merged": Message("Merged into {name}, {homes} {homes:household|households}."),
    "mergeRefused": Message("Only unlocked cells of one jurisdiction can be merged."),
    "tuneFailed": Message("No small change brings it into the band; move units by hand."),
    "saved": Message("Saved.", context="edit"),
    "savedUnfinished": Message("Saved; before it can be applied, {count} to put right."),
    "opened": Message("Opened; cells changed: {count}."),
    "bad_schema": Message("This is no change file."),
    "bad_grid": Message("This file starts from another grid ({hash})."),
    "bad_cuts": Message("This file cuts units; apply it first."),
    "bad_hand": Message("This file hands units over to another jurisdiction; apply it first."),
    "bad_cell": Message("This file names a cell that is not on this page."),
    "bad_unit": Message("This file names a unit that is not on this page."),
    "bad_twice": Message("This file moves a unit to two cells."),
}
