"""Apply changes to a grid: units end in other cells, and the whole is proved again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Ints, Objects, components, geometries
from gridmap.codes import DEFAULT_SCHEME, number_polygons
from gridmap.contiguity import SHARE, SHORTEST, contacts
from gridmap.coverage.prove import areas_m2
from gridmap.errors import InputError
from gridmap.grid.changes import with_pieces, with_retired
from gridmap.grid.grid import Grid
from gridmap.language import Lang, Message
from gridmap.partitioning.change_file import FRESH, Changes, Document, read_changes
from gridmap.partitioning.cut_units import cut_units
from gridmap.partitioning.partition import check_day
from gridmap.partitioning.prepare import automatic_names

KINDS = {"dedicated": Message("dedicated"), "vacant": Message("vacant", context="cell")}
ASSESSED = [
    "parent", "like", "kind", "households", "before", "pieces", "pieces_before", "in_band",
    "faults",
]  # fmt: skip


def apply(
    grid: Grid,
    changes: str | os.PathLike[str] | Document | Changes,
    *,
    settle: bool = False,
    renumber: bool = False,
    on: str = "",
    lang: Lang = "zh",
) -> Grid:
    """Apply a planner's changes to a grid, and prove the result.

    Only the end must hold: each changed cell is one piece and within the band, or its exception
    is approved with a reason. Cells that keep a unit keep their code; the codes of others are
    retired for good. Cells that nothing changes keep every coordinate, save that where a line cuts
    a unit on their border they get the vertex in which it ends.

    Parameters
    ----------
    grid : Grid
        The grid to change; it stays as it is.
    changes : path, mapping or Changes
        A change file as `edit` saves it, or what it holds: schema ``gridmap.changes/1``.
    settle : bool
        Bring changed cells that are outside the band back into it, by the search that `partition`
        uses; all other cells stay as they are.
    renumber : bool
        Give all cells of the changed jurisdictions new codes, in reading order.
    on : str
        Day from which the change holds, as 2026-07-01: new cells bear it in the column
        ``valid_from``, retired codes in ``valid_to``.
    lang : {"zh", "en"}
        Language of new names.

    Returns
    -------
    Grid
        ``parameters["change"]`` tells what moved, as after `partition` with ``keep``.

    Raises
    ------
    InputError
        When the changes are for another grid, name a unit or cell that is not there, touch a
        locked cell, cross a jurisdiction without being handed over, take all of one, or leave a
        cell outside the band or in pieces without approval.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 4], 0, [4, 8], 4), crs=4547)
    >>> units = gpd.GeoDataFrame({"code": ["A1", "A1", "A2"], "households": [300, 100, 400]},
    ...     geometry=shapely.box([0, 3, 4], 0, [3, 4, 8], 4), crs=4547)
    >>> cells["geometry"] = [units.geometry[:2].union_all("coverage"), units.geometry[2]]
    >>> grid = Grid(cells, units.union_all("coverage"), units=units.assign(parent=""))
    >>> wish = {"schema": "gridmap.changes/1", "grid": grid.content_hash, "moves": {"A2": [1]}}
    >>> apply(grid, wish).cells["households"].to_dict()
    {'A1': 300, 'A2': 500}
    """
    check_day(on)
    wanted = read_changes(changes)
    if wanted.grid and wanted.grid != grid.content_hash:
        raise InputError(
            "The changes start from the grid {theirs}, and this one is {ours}. Apply them to the "
            "grid they were drawn on.",
            theirs=wanted.grid[:12],
            ours=grid.content_hash[:12],
        )
    base = cut_units(grid, wanted.cuts)
    parent = owners(base, wanted)
    label = labels(base, wanted, parent)
    if settle:
        from gridmap.partitioning.old_grid import settled

        label = settled(base, label, parent, [*wanted.locked, *wanted.finished])
    _check_locked(base, label, wanted.locked)
    table = assess(base, label, parent)
    _refuse(table, wanted.approve, base)
    return _built(base, label, parent, table, wanted, renumber=renumber, on=on, lang=lang)


def owners(grid: Grid, wanted: Changes) -> Objects:
    """Return the jurisdiction in which each unit of a grid ends."""
    units = grid.units
    parent: Objects = grid.cells["parent"].reindex(units["code"]).to_numpy(dtype=object)
    place = {str(unit): at for at, unit in enumerate(units.index)}
    for unit, name in wanted.hand.items():
        if unit not in place:
            raise InputError("The grid has no unit {unit}; see `units` of the grid.", unit=unit)
        if name not in grid.jurisdictions.index:
            raise InputError(
                "The grid has no jurisdiction {name!r}; see `jurisdictions` of the grid.", name=name
            )
        parent[place[unit]] = name
    if gone := sorted(set(grid.cells["parent"]).difference(parent)):
        raise InputError(
            "Nothing would be left of jurisdiction {gone}. Leave it a unit, or merge the two "
            "jurisdictions and partition them anew.",
            gone=gone[0],
        )
    return parent


def labels(grid: Grid, wanted: Changes, parent: Objects) -> Objects:
    """Return the cell in which each unit of a grid ends: a code, or a name for one to be made."""
    units = grid.units
    label: Objects = units["code"].to_numpy(dtype=object).copy()
    place = {str(unit): at for at, unit in enumerate(units.index)}
    owner = grid.cells["parent"].to_dict()
    for unit, code in wanted.moves.items():
        if unit not in place:
            raise InputError("The grid has no unit {unit}; see `units` of the grid.", unit=unit)
        if code not in owner and not code.startswith(FRESH):
            raise InputError("The grid has no cell {code!r}; see `cells` of the grid.", code=code)
        at = place[unit]
        if owner.setdefault(code, parent[at]) != parent[at]:
            raise InputError(
                "Unit {unit} lies in jurisdiction {parent} and cell {code} in {other}, and no cell "
                "may cross one. Hand the unit over first: `hand`.",
                unit=unit,
                parent=parent[at],
                code=code,
                other=owner[code],
            )
        label[at] = code
    for unit in wanted.hand:
        if owner[label[place[unit]]] != parent[place[unit]]:
            raise InputError(
                "Unit {unit} is handed over to {parent} and stays in cell {code}. Say in `moves` "
                "in which cell it ends.",
                unit=unit,
                parent=parent[place[unit]],
                code=label[place[unit]],
            )
    for code in (*wanted.names, *wanted.approve, *wanted.locked, *wanted.finished):
        if code not in owner:
            raise InputError("The grid has no cell {code!r}; see `cells` of the grid.", code=code)
    return label


def unit_contacts(
    grid: Grid, rows: Ints | None = None, parent: Objects | None = None
) -> tuple[Ints, Ints]:
    """Return the pairs of units that are neighbours within a jurisdiction, as `partition` has it.

    Parameters
    ----------
    grid : Grid
    rows : ndarray of int, optional
        Positions of all units of some jurisdictions; by default of all.
    parent : ndarray of object, optional
        Jurisdiction of each unit of the grid; by default that of its cell.

    Returns
    -------
    tuple of ndarray
        Positions of both among `rows`, sorted.
    """
    units = grid.units if rows is None else grid.units.iloc[rows]
    shapes = units.geometry.to_numpy()
    if parent is None:
        name = grid.cells["parent"].reindex(units["code"]).to_numpy(dtype=object)
    else:
        name = parent if rows is None else parent[rows]
    of = pd.factorize(name)[0]
    area = np.bincount(of, shapely.area(shapes))
    border = np.bincount(of, shapely.length(shapes))
    shortest = np.minimum(SHORTEST, SHARE * 2 * area / np.maximum(border, 1e-300))
    found = contacts(shapes)
    long = (of[found.i] == of[found.j]) & (found.length >= shortest[of[found.i]])
    return found.i[long], found.j[long]


def pieces_of(label: Objects, i: Ints, j: Ints) -> pd.Series:
    """Count the connected pieces of each cell."""
    same = label[i] == label[j]
    piece = components(len(label), i[same], j[same])
    return pd.Series(piece).groupby(label).nunique()


def assess(grid: Grid, label: Objects, parent: Objects | None = None) -> pd.DataFrame:
    """Tell what the cells would be that a change touches.

    Parameters
    ----------
    grid : Grid
        The grid before, its units cut already.
    label : ndarray of object
        The cell of each unit afterwards.
    parent : ndarray of object, optional
        The jurisdiction of each unit afterwards; by default that of its cell before.

    Returns
    -------
    DataFrame
        By code or ``new:`` name: ``parent``, ``like`` (the old cell it continues or comes from),
        ``kind``,
        ``households``, ``before`` (-1 for a new cell), ``pieces``, ``pieces_before``, ``in_band``
        and ``faults``: what needs an approval, "band", "pieces", both or nothing.
    """
    units, old = grid.units, grid.cells
    before = units["code"].to_numpy(dtype=object)
    moved = label != before
    touched = sorted({*before[moved], *label[moved]})
    owner = old["parent"].reindex(before).to_numpy(dtype=object)
    parent = owner if parent is None else parent
    if not touched:
        return pd.DataFrame(columns=ASSESSED, index=pd.Index([], dtype=object, name="code"))
    near = sorted({str(name) for name in (*owner[moved], *parent[moved])})
    rows = np.flatnonzero(np.isin(parent.astype(str), near) | np.isin(owner.astype(str), near))
    homes = units["households"].to_numpy(dtype=np.int64)
    total = pd.Series(homes[rows]).groupby(label[rows]).sum()
    living = [code for code in touched if code in total.index]
    pieces = pieces_of(label[rows], *unit_contacts(grid, rows, parent))
    pieces_before = pieces_of(before[rows], *unit_contacts(grid, rows))
    table = pd.DataFrame(index=pd.Index(living, dtype=object, name="code"))
    table["parent"] = [parent[np.argmax(label == code)] for code in living]
    table["like"] = [
        code if code in old.index else _most(before[label == code], homes[label == code])
        for code in living
    ]
    table["kind"] = [_kind(old, before, label, code) for code in living]
    table["households"] = total.reindex(living).to_numpy(dtype=np.int64)
    table["before"] = old["households"].reindex(living).fillna(-1).to_numpy(dtype=np.int64)
    table["pieces"] = pieces.reindex(living).to_numpy(dtype=np.int64)
    table["pieces_before"] = pieces_before.reindex(living).fillna(1).to_numpy(dtype=np.int64)
    within = grid.bands.hold(table["households"], table["parent"])
    reserved = table["kind"] != "residential"
    calm = (table["before"] < 0) | (table["households"] <= table["before"])
    table["in_band"] = (reserved & calm) | (~reserved & within)
    out = ~table["in_band"] & (table["households"] != table["before"])
    apart = table["pieces"] > np.maximum(table["pieces_before"], 1)
    table["faults"] = np.select([out & apart, out, apart], ["band, pieces", "band", "pieces"], "")
    return table


def _most(cells: Objects, homes: Ints) -> str:
    """Return the cell of which most households are among some units, then most units."""
    return str(pd.Series(homes + 1e-3).groupby(cells).sum().idxmax())


def _kind(old: gpd.GeoDataFrame, before: Objects, label: Objects, code: str) -> str:
    """Return the kind of a cell: a new one is residential unless none of its ground was."""
    if code in old.index:
        return str(old.at[code, "kind"])
    kinds = set(old["kind"].reindex(before[label == code]))
    if "residential" in kinds:
        return "residential"
    return "vacant" if kinds == {"vacant"} else "dedicated"


def _check_locked(grid: Grid, label: Objects, locked: Sequence[str]) -> None:
    before = grid.units["code"].to_numpy(dtype=object)
    moved = np.flatnonzero(label != before)
    for at in moved:
        for code in (before[at], label[at]):
            if code in locked:
                raise InputError(
                    "Cell {code} is locked, but unit {unit} would change it. Unlock it, or leave "
                    "the unit.",
                    code=code,
                    unit=grid.units.index[int(at)],
                )


def _refuse(table: pd.DataFrame, approve: Mapping[str, str], grid: Grid) -> None:
    """Refuse the first cell that needs an approval and has none."""
    for code, row in table[table["faults"] != ""].iterrows():
        if code in approve:
            continue
        new = str(code).startswith(FRESH)
        called = Message("The new cell {code}" if new else "Cell {code}", code=code)
        if "pieces" in row["faults"]:
            raise InputError(
                "{called} would be in {pieces} {pieces:piece|pieces}. Choose other units, or "
                'approve it with a reason: `--approve {code}="…"`.',
                called=called,
                pieces=row["pieces"],
                code=code,
            )
        if row["kind"] != "residential":
            raise InputError(
                "Cell {code} is {kind} and would have {households} "
                "{households:household|households}, and no band binds it. Choose other units, or "
                'approve it with a reason: `--approve {code}="…"`.',
                code=code,
                kind=KINDS[row["kind"]],
                households=row["households"],
            )
        low, high = grid.bands.of(str(row["parent"]))
        raise InputError(
            "{called} would have {households} {households:household|households}, outside "
            "{low}-{high}. Choose other units, or approve it with a reason: "
            '`--approve {code}="…"`.',
            called=called,
            households=row["households"],
            low=low,
            high=high,
            code=code,
        )


def _built(
    base: Grid,
    label: Objects,
    parent: Objects,
    table: pd.DataFrame,
    wanted: Changes,
    *,
    renumber: bool,
    on: str,
    lang: Lang,
) -> Grid:
    """Make the grid in which the units lie in their new cells."""
    old = base.cells
    before = base.units["code"].to_numpy(dtype=object)
    gone = sorted({str(code) for code in before[label != before]} - set(label))
    parents = {*table["parent"], *old["parent"].reindex(gone)}
    again = old.index[old["parent"].isin(parents)] if renumber else old.index[:0]
    made = _dissolved(base, label, table, [code for code in again if code not in gone])
    codes = _codes(base, made, renumber=renumber)
    made = _named(made.rename(index=codes), base, set(codes.values()), lang)
    made.loc[(made["kind"] == "vacant") & (made["households"] > 0), "kind"] = "residential"
    rest = old.drop(index=old.index.intersection([*table.index, *again, *gone]))
    if on:
        rest, made = _dated(rest), _dated(made)
        made.loc[list(codes.values()), "valid_from"] = on
    cells = with_pieces(pd.concat([rest, made]).sort_index())
    for code, name in wanted.names.items():
        if codes.get(code, code) not in cells.index:
            raise InputError(
                "Cell {code} is named {name!r}, but the changes leave it no unit. Name the cell "
                "that its units went to, or leave the name out.",
                code=code,
                name=name,
            )
        cells.loc[codes.get(code, code), "name"] = name
    units = base.units.assign(code=[codes.get(code, code) for code in label])
    if "parent" in units:
        units["parent"] = parent
    if wanted.cuts:
        units = units.reset_index(drop=True).rename_axis("unit")
    homes = units["households"].to_numpy(dtype=np.int64)
    heirs = {code: _most(label[before == code], homes[before == code]) for code in gone}
    reasons = {code: f"merged into {codes.get(heir, heir)}" for code, heir in heirs.items()}
    reasons |= {code: "renumbered" for code in codes if code in old.index}
    parameters = {**base.parameters, "change": _ledger(base, cells, units)}
    if wanted.note:
        parameters["note"] = wanted.note
    return Grid(
        cells,
        base.boundary,
        base.levels,
        jurisdictions=_outlines(base, cells, parent),
        units=units,
        exceptions=_exceptions(base, cells, table, codes, wanted.approve),
        retired=with_retired(base, list(reasons), on, list(reasons.values())),
        parameters=parameters,
        buildings=base.buildings,
    )


def _ledger(base: Grid, cells: gpd.GeoDataFrame, units: gpd.GeoDataFrame) -> dict[str, object]:
    """Return the ledger that `partition` with ``keep`` leaves, counted unit by unit."""
    before, after = (frame["code"].to_numpy(dtype=object) for frame in (base.units, units))
    homes = units["households"].to_numpy(dtype=np.int64)
    other = before != after
    old = base.cells.index
    redrawn = (set(before[other]) | set(after[other])) & set(old) & set(cells.index)
    moved = int(homes[other].sum())
    return {
        "unchanged": len(old.intersection(cells.index)) - len(redrawn),
        "redrawn": len(redrawn),
        "new": len(cells.index.difference(old)),
        "retired": len(old.difference(cells.index)),
        "households_moved": moved,
        "share_moved": round(moved / max(int(homes.sum()), 1), 6),
    }


def _dissolved(
    base: Grid, label: Objects, table: pd.DataFrame, others: list[str]
) -> gpd.GeoDataFrame:
    """Return the cells to be made: those that change, united anew, and others as they are."""
    old, shapes = base.cells, base.units.geometry.to_numpy()
    members = pd.Series(np.arange(len(label))).groupby(label).indices
    made = old.loc[table["like"]].set_axis(pd.Index(table.index, name="code"))
    made["parent"] = table["parent"]
    for level in base.levels:
        made[level] = base.jurisdictions[level].reindex(made["parent"]).to_numpy()
    made["households"], made["kind"] = table["households"], table["kind"]
    united = [shapely.coverage_union_all(shapes[members[code]]) for code in table.index]
    made = made.set_geometry(gpd.GeoSeries(united, index=made.index, crs=old.crs))
    made["area_m2"] = areas_m2(geometries(made.geometry), old.crs)
    return pd.concat([made, old.loc[[code for code in others if code not in made.index]]])


def _outlines(base: Grid, cells: gpd.GeoDataFrame, parent: Objects) -> gpd.GeoDataFrame:
    """Return the jurisdictions, those that gave or got units drawn anew round their cells."""
    outlines = base.jurisdictions
    shapes = outlines.geometry.copy()
    before = base.cells["parent"].reindex(base.units["code"]).to_numpy(dtype=object)
    given = before != parent
    for name in sorted({*before[given], *parent[given]}):
        own = geometries(cells.geometry[cells["parent"] == name])
        shapes[name] = shapely.coverage_union_all(own)
    return outlines.set_geometry(shapes)


def _codes(base: Grid, made: gpd.GeoDataFrame, *, renumber: bool) -> dict[str, str]:
    """Give new cells codes that were never given, in reading order."""
    kept = {
        at: code
        for at, code in enumerate(made.index)
        if not code.startswith(FRESH) and not renumber
    }
    codes = number_polygons(
        made["parent"].tolist(),
        geometries(made.geometry),
        scheme=str(base.parameters.get("scheme", DEFAULT_SCHEME)),
        kept=kept,
        used=[*base.cells.index, *base.retired["code"]],
    )
    return {old: new for old, new in zip(made.index, codes, strict=True) if old != new}


def _named(made: gpd.GeoDataFrame, base: Grid, fresh: set[str], lang: Lang) -> gpd.GeoDataFrame:
    """Name new cells after their jurisdiction and number."""
    new = made[made.index.isin(fresh)].rename_axis("code").reset_index()
    names = pd.Series(automatic_names(new, base.levels, lang), new["code"], dtype=object)
    return made.assign(name=names.reindex(made.index).fillna(made["name"]))


def _dated(cells: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return cells with a column ``valid_from``."""
    return cells if "valid_from" in cells else cells.assign(valid_from="")


def _exceptions(
    base: Grid,
    cells: gpd.GeoDataFrame,
    table: pd.DataFrame,
    codes: Mapping[str, str],
    approve: Mapping[str, str],
) -> pd.DataFrame:
    """Keep what was said of cells that are as they were, and record what was approved."""
    listed = base.exceptions
    same = table.index[(table["households"] == table["before"]) & (table["faults"] == "")]
    redrawn = set(table.index) - set(same)
    said = {codes.get(code, code): reason for code, reason in approve.items()}
    within = base.bands.hold(cells["households"], cells["parent"])
    outside = (cells["kind"] == "residential") & ~within
    apart = {codes.get(code, code) for code in table.index[table["pieces"] > 1]}
    listed = listed.assign(code=[codes.get(code, code) for code in listed["code"]])
    stays = listed["code"].isin(cells.index) & ~listed["code"].isin(
        [codes.get(code, code) for code in redrawn]
    )
    known = set(listed["code"])
    faulty = {codes.get(code, code) for code in table.index[table["faults"] != ""]}
    fresh = [
        code
        for code in sorted(said)
        if code in cells.index and (outside[code] or code in apart | known | faulty)
    ]
    kept = listed[stays & ~listed["code"].isin(fresh)]
    if not fresh:
        return kept
    rows = _approved(cells.loc[fresh], [said[code] for code in fresh])
    return rows if kept.empty else pd.concat([kept, rows], ignore_index=True)


def _approved(cells: gpd.GeoDataFrame, reasons: list[str]) -> pd.DataFrame:
    """Return a row of the exceptions for each cell that a planner approved."""
    return pd.DataFrame(
        {
            "parent": cells["parent"].astype(str).to_numpy(),
            "code": cells.index.tolist(),
            "households": cells["households"].to_numpy(),
            "reason": reasons,
            "certificate": "",
            "options": "",
            "approved": True,
        }
    )
