"""What came out of a partition: cells, communities, reasons and changes, as tables and a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._arrays import positions
from gridmap.codes import called
from gridmap.contiguity import pair_up, shared_edges
from gridmap.coverage.prove import lengths_m
from gridmap.crs.project import metric_crs, reproject
from gridmap.grid.grid import Grid
from gridmap.html import credit_line, render, thumbnail
from gridmap.language import Lang, Message, tr
from gridmap.partitioning.certificates import UNKNOWN

WORDS = {
    "title": Message("Partition report"),
    "facts": Message("Overview"),
    "cells": Message("Cells"),
    "residential": Message("Residential cells"),
    "in_band": Message("In the band"),
    "communities": Message("Jurisdictions"),
    "households_in": Message("Households in"),
    "households_out": Message("Households out"),
    "polsby_popper_mean": Message("Mean compactness (Polsby-Popper)"),
    "internal_boundary_m": Message("Internal border (m)"),
    "on_barriers_m": Message("of which on barriers (m)"),
    "cv": Message("Spread of households (CV)"),
    "within_12_percent": Message("Share of cells within 12% of the target"),
    "histogram": Message("Households a cell"),
    "spread": Message("The least even jurisdictions"),
    "least": Message("Least"),
    "most": Message("Most"),
    "exceptions": Message("Exceptions"),
    "linked": Message("A name leads to its cell on the page to redraw it:"),
    "redraw": Message("Open the page to redraw cells"),
    "notes": Message("Notes"),
    "cell": Message("Cell"),
    "none": Message("None on record."),
    "community": Message("Jurisdiction"),
    "households": Message("Households"),
    "reason": Message("Reason"),
    "options": Message("Options"),
    "wishes": Message("What the wishes cost"),
    "made": Message("as it is"),
    "without_balance": Message("without balance"),
    "without_road_preference": Message("without road preference"),
    "on_barriers": Message("Share of the border on barriers"),
    "change": Message("Compared with the old grid"),
    "unchanged": Message("Cells unchanged"),
    "redrawn": Message("Cells redrawn"),
    "new": Message("New cells"),
    "retired": Message("Codes retired"),
    "households_moved": Message("Households moved"),
    "share_moved": Message("Share of households moved"),
}
FACTS = (
    "cells", "residential", "in_band", "communities", "households_in", "households_out",
    "polsby_popper_mean", "internal_boundary_m", "on_barriers_m",
)  # fmt: skip

SPREAD = ("community", "cells", "least", "most", "cv")
SHOWN = 5  # rows of a list that a reader takes in
MARKED = 40  # exceptions; more would hide the map under their numbers, so none has one
SIDE = 900  # pixels of the map
MOST_BARS = 13  # of the histogram: a long thin tail is told by its last bar
CLASSES = {
    "short": (Message("under the band"), "#1f4e79"),
    "near": (Message("within 12% of the target"), "#e3eee0"),
    "band": (Message("in the band, further off"), "#ecd58a"),
    "over": (Message("over the band"), "#d9694f"),
    "dedicated": (Message("dedicated"), "#b5ab98"),
    "vacant": (Message("nobody lives here"), "#ffffff"),
}  # fmt: skip
"""How a cell is loaded, in words and colours that differ in grey."""


def page(said: Report, lang: Lang = "zh", edit: str = "") -> str:
    """Return a report as one HTML page: map, figures, exceptions by place, unevenness, change."""
    document, grid = said.as_dict(), said.grid
    even, change = document["loads"], document["parameters"].get("change") or {}
    figures = {key: document[key] for key in FACTS}
    near = even["within_12_percent"]
    figures["cv"] = "–" if even["cv"] is None else float(even["cv"])
    figures["within_12_percent"] = "–" if near is None else f"{near:.1%}"
    if not _knows_blocks(grid.units):
        figures["on_barriers_m"] = "–"
    numbered = len(document["infeasible"]) <= MARKED
    exceptions = [
        {**row, "number": number if numbered else "", "name": grid.cells.at[code, "name"]}
        for number, row in enumerate(document["infeasible"], 1)
        for code in [row["code"]]
    ]
    classes = _classes(said)
    bars = _bars(said)
    return render(
        "partition_report.html",
        html_lang=tr("en", lang=lang),
        title=WORDS["title"].text(lang),
        words={key: message.text(lang) for key, message in WORDS.items()},
        sentence=said.sentence(lang),
        credit=credit_line(grid.crs, grid.content_hash, lang),
        map=thumbnail(
            grid.cells,
            [CLASSES[one][1] for one in classes],
            SIDE,
            {row["code"]: str(row["number"]) for row in exceptions if numbered},
        ),
        legend=[(m.text(lang), fill) for key, (m, fill) in CLASSES.items() if key in set(classes)],
        facts=[(WORDS[key].text(lang), _figure(value)) for key, value in figures.items()],
        histogram=bars,
        most=max((bar["count"] for bar in bars), default=0) or 1,
        spread=[
            [_called(grid, row["community"], lang), *(_figure(row[key]) for key in SPREAD[1:])]
            for row in document["spread"][:SHOWN]
        ],
        spread_columns=SPREAD,
        exceptions=exceptions,
        edit=quote(edit),
        redraw=tr("To redraw one by hand:", lang=lang),
        notes=[note.text(lang) for note in remarks(grid)],
        wishes=[
            [WORDS[key].text(lang), *(_figure(row[key]) for row in said.wishes)] for key in WISHED
        ],
        wish_columns=[WORDS[row["cut"]].text(lang) for row in said.wishes],
        change=[(WORDS[key].text(lang), _figure(value)) for key, value in change.items()],
    )


def _called(grid: Grid, code: str, lang: Lang) -> tuple[str, str]:
    """Return the name of a jurisdiction, if it has one, and its code."""
    name = _name(grid, code)
    return name if code else tr("Whole area", lang=lang), code


def _name(grid: Grid, code: str) -> str:
    """Return the name of a jurisdiction, nothing where it has none."""
    if not grid.levels or code not in grid.jurisdictions.index:
        return ""
    name = str(grid.jurisdictions[grid.levels[-1]].loc[code])
    return "" if name in ("nan", code) else name


def _classes(said: Report) -> list[str]:
    """Return the class of each cell on the map."""
    households, target = said.cells["households"], targets(said.grid)
    low, high = said.grid.bands.ends(said.cells["parent"])
    near = (households - target).abs() <= NEAR * target
    lived = np.select(
        [households < low, households > high, near], ["short", "over", "near"], "band"
    )
    kind = said.cells["kind"].to_numpy()
    return [one if k == "residential" else str(k) for k, one in zip(kind, lived, strict=True)]


def _bars(said: Report) -> list[dict[str, Any]]:
    """Return the classes of the histogram without a gap, and which of them the band leaves out.

    There are about six in the band, and its ends part two of them where they are round.
    """
    low, high = said.grid.band
    round_ones = [k * 10**power for power in range(6) for k in (1, 2, 5)]
    width = max(one for one in round_ones if one <= max((high - low) / 6, 1))
    homes = said.residential["households"]
    homes = homes.where(homes != high, high - 1)  # the upper end belongs to the band
    floors = (homes // width * width).to_numpy(np.int64)
    counts = dict(
        zip(*(one.tolist() for one in np.unique(floors, return_counts=True)), strict=True)
    )
    if not counts:
        return []
    first = min(counts)
    last = min(max(counts), first + (MOST_BARS - 1) * width)
    bars: list[dict[str, Any]] = [
        {"low": f"{at:,}", "count": counts.get(at, 0), "off": at + width <= low or at >= high}
        for at in range(first, last + width, width)
    ]
    if beyond := sum(count for at, count in counts.items() if at > last):
        bars[-1]["count"] += beyond
        bars[-1]["low"] += "+"
    return bars


def _figure(value: object) -> str:
    """Write a figure as it is read."""
    if isinstance(value, float):
        if value == 0:
            return "0"
        return f"{value:,.3f}" if value < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def remarks(grid: Grid) -> list[Message]:
    """Return a sentence on each wish that was not met and each promise that gave way."""
    return [
        *_former(grid.former_parents),
        *_missed(grid, grid.parameters.get("cells_missed", {})),
        *_untried(grid.parameters.get("options_untried", 0)),
        *_attached(grid.parameters.get("attached", [])),
        *_vacant(grid.cells),
    ]


def _untried(jurisdictions: Any) -> list[Message]:
    """Say for how many jurisdictions it was not tried what would help."""
    said = Message(
        "What would help was not tried for the last {n:,} {n:jurisdiction|jurisdictions} with "
        "exceptions."
    )
    return [said(n=jurisdictions)] if jurisdictions else []


def _attached(rows: Any) -> list[Message]:
    """Say which fragments joined a cell that they do not touch."""
    if not rows:
        return []
    said = Message(
        "{n:,} {n:fragment|fragments} of a jurisdiction, each with fewer households than a cell "
        "needs, joined the nearest cell of that jurisdiction with room ({cells:,} "
        "{cells:cell is|cells are} in several pieces): {each}."
    )
    each = Message(
        "{cell}: {households:,} {households:household|households}, {area_m2:,.0f} m² at "
        "{x:.0f}, {y:.0f}"
    )
    inside = Message("{each} in {around}")
    cells = len({row["cell"] for row in rows})
    rows = sorted(rows, key=lambda row: (-row["households"], row["cell"]))
    told = [
        inside(each=each(**row), around=row["around"]) if row["around"] else each(**row)
        for row in rows
    ]
    return [said(n=len(rows), cells=cells, each=_first(told))]


def _vacant(cells: gpd.GeoDataFrame) -> list[Message]:
    """Say which land has nobody living on it."""
    vacant = cells[cells["kind"] == "vacant"]
    places = vacant["parent"].nunique()
    said = Message(
        "Nobody lives in {n:,} {n:cell|cells} of {places:,} {places:jurisdiction|jurisdictions}, "
        "which no band binds: {codes}."
    )
    return [said(n=len(vacant), places=places, codes=_first(vacant.index))] if places else []


def _former(codes: dict[str, str]) -> list[Message]:
    """Say which cells keep codes that begin with another jurisdiction's."""
    said = Message(
        "{n:,} {n:cell keeps its code|cells keep codes} of a former jurisdiction, as cells that "
        "survive do: {codes}."
    )
    return [said(n=len(codes), codes=_first(codes))] if codes else []


def _first(items: Iterable[object]) -> list[object]:
    """Return the first of some items, and that there are more."""
    every = list(items)
    return [*every[:SHOWN], "…"] if len(every) > SHOWN else every


def _missed(grid: Grid, missed: Any) -> list[Message]:
    """Say where the number of cells is another than was wanted, and whether it must be."""
    if not missed:
        return []
    proved = sum(bool(row["proved"]) for row in missed.values())
    each = Message("{place}: {made:,} for {wanted:,}")
    said = Message(
        "Jurisdictions without the number of cells wanted: {n:,}, of which proved impossible "
        "{proved:,}, not found {open:,} ({each})."
    )
    rows = [each(place=called(_name(grid, k), k), **missed[k]) for k in missed]
    return [said(n=len(missed), proved=proved, open=len(missed) - proved, each=_first(rows))]


SCHEMA = "gridmap.partition/1"


def _shortfall(row: dict[Any, Any]) -> dict[str, Any]:
    """Return an exception of the grid as the report tells it."""
    return {
        "community": row["parent"],
        "code": row["code"],
        "households": int(row["households"]),
        "reason": row["reason"],
        "certificate": row["certificate"],
        "options": str(row["options"]).split("\n"),
        "approved": bool(row["approved"]),
    }


@dataclass(frozen=True)
class Report:
    """What came out of a partition.

    Attributes
    ----------
    grid : Grid
        The grid it is about.
    cells : DataFrame
        By code: ``parent``, ``kind``, ``households``, ``in_band``, ``polsby_popper``, ``border_m``
        to other cells of the jurisdiction, and ``road_m``, how much of it lies on barriers.
    communities : DataFrame
        By parent: ``cells``, ``households``, ``verdict`` (solved, certified, approved,
        unexplained) and ``reason``.
    timings : dict
        Seconds a stage; never part of the grid.
    wishes : list of dict
        What the wishes cost, as `wish_costs` tells it.
    """

    grid: Grid
    cells: pd.DataFrame
    communities: pd.DataFrame
    timings: dict[str, float] = field(default_factory=dict)
    wishes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def residential(self) -> pd.DataFrame:
        """The cells that the band applies to."""
        return self.cells[self.cells["kind"] == "residential"]

    @property
    def unexplained(self) -> pd.DataFrame:
        """Exceptions that no certificate explains."""
        rows = self.grid.exceptions
        return rows[rows["certificate"] == UNKNOWN]

    def histogram(self, width: int = 50) -> pd.Series:
        """Count the residential cells by households, in classes of equal width."""
        households = self.residential["households"]
        floor = (households // width * width).to_numpy(np.int64)
        table = pd.Series(floor).value_counts().sort_index()
        table.index = pd.Index([f"{low}-{low + width - 1}" for low in table.index], name="class")
        return table.rename("cells")

    def spread(self) -> list[dict[str, Any]]:
        """Tell of each jurisdiction of two cells or more how even they are, the least even first.

        ``cv`` is the coefficient of variation of their households.
        """
        groups = self.residential.groupby("parent")["households"]
        table = groups.agg(cells="size", least="min", most="max")
        table["cv"] = (groups.std(ddof=0) / groups.mean()).round(4)
        table = (
            table[(table["cells"] > 1) & (table["most"] > 0)].rename_axis("community").reset_index()
        )
        table = table.sort_values(["cv", "community"], ascending=[False, True])
        rows: list[dict[str, Any]] = table.to_dict("records")
        return rows

    def sentence(self, lang: Lang = "zh") -> str:
        """Say in one sentence what was made."""
        return tr(
            "no gaps, no overlaps: {cells:,} {cells:cell tiles|cells tile} {where} exactly",
            lang=lang,
            cells=len(self.grid),
            where=Message("{n:,} {n:jurisdiction|jurisdictions}", n=len(self.grid.jurisdictions)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON document, schema ``gridmap.partition/1``."""
        exceptions = self.grid.exceptions
        residential, compact = self.residential, self.residential["polsby_popper"]
        counted = self.grid.units.attrs.get("households_in")
        out = int(self.grid.cells["households"].sum())
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "cells": len(self.grid),
            "residential": len(residential),
            "in_band": int(residential["in_band"].sum()),
            "communities": len(self.communities),
            "infeasible": [_shortfall(row) for row in exceptions.to_dict("records")],
            "unexplained": len(self.unexplained),
            "households_in": out if counted is None else int(counted),
            "households_out": out,
            "households_outside": int(self.grid.units.attrs.get("households_outside", 0)),
            "polsby_popper_mean": round(float(compact.mean()), 6) if len(compact) else None,
            "internal_boundary_m": round(float(self.cells["border_m"].sum()) / 2, 3),
            "on_barriers_m": round(float(self.cells["road_m"].sum()) / 2, 3),
            "loads": loads(
                residential["households"],
                self.grid.target,
                targets(self.grid)[residential.index] if self.grid.bands.own else None,
            ),
            "spread": self.spread(),
            "histogram": {str(k): int(v) for k, v in self.histogram().items()},
            "parameters": self.grid.parameters,
            "notes": [
                n.both() for n in (*self.grid.units.attrs.get("notes", []), *remarks(self.grid))
            ],
            **{name: self.grid.units.attrs.get(name, []) for name in ("repaired", "outside")},
        }
        if self.wishes:
            document["wishes"] = self.wishes
        if self.timings:
            document["timings"] = self.timings
        return document

    def html(self, lang: Lang = "zh", *, edit: str = "") -> str:
        """Return the report as one page that needs no network.

        Parameters
        ----------
        lang : {"zh", "en"}
            Language of the page.
        edit : str, optional
            Where the page for redrawing lies, as seen from the report: each exception then links
            to its cell there.
        """
        return page(replace(self, grid=self.grid.in_language(lang)), lang, edit)


def report(
    grid: Grid,
    *,
    timings: dict[str, float] | None = None,
    wishes: list[dict[str, Any]] | None = None,
) -> Report:
    """Measure a grid that was partitioned.

    Parameters
    ----------
    grid : Grid
        As `partition` returns it.
    timings : dict, optional
        Seconds a stage, to be passed on.
    wishes : list of dict, optional
        What the wishes cost, to be passed on.

    Returns
    -------
    Report

    Examples
    --------
    >>> import shapely
    >>> from gridmap.partitioning.partition import partition
    >>> blocks = gpd.GeoDataFrame({"parent": "A", "households": [200, 250, 150, 350]},
    ...     geometry=shapely.box([0, 1, 2, 3], 0, [1, 2, 3, 4], 1), crs=4547)
    >>> report(partition(blocks)).sentence("en")
    'no gaps, no overlaps: 2 cells tile 1 jurisdiction exactly'
    """
    cells = grid.cells
    table = pd.DataFrame(cells[["parent", "kind", "households"]])
    table["in_band"] = grid.in_band
    shapes = reproject(cells, metric_crs(cells)) if grid.crs.is_geographic else cells
    table["polsby_popper"] = 4 * np.pi * shapes.area / shapes.length**2
    border, road = _borders(grid)
    table["border_m"], table["road_m"] = border, road
    return Report(grid, table, _communities(grid, table), timings or {}, wishes or [])


WISHED = ("cv", "within_12_percent", "polsby_popper_mean", "internal_boundary_m", "on_barriers")


def wish_costs(grid: Grid, units: gpd.GeoDataFrame, **options: Any) -> list[dict[str, Any]]:
    """Tell what balance and road preference cost: cut the same units without each.

    Parameters
    ----------
    grid : Grid
        As `partition` made it of the units and options.
    units, **options
        What it was made of.

    Returns
    -------
    list of dict
        The grid (``cut`` is "made"), then those without one wish that was made: the spread of
        households, the share of cells near the target, compactness, border (m) and the share of
        it on barriers.
    """
    from gridmap.partitioning.partition import partition

    rows = [_wished("made", grid)]
    for wish in ("balance", "road_preference"):
        barred = wish == "road_preference" and not rows[0]["on_barriers"]
        if grid.parameters[wish] and not barred:
            without = partition(units, **{**options, wish: 0.0})
            rows.append(_wished(f"without_{wish}", without))
    return rows


def _wished(cut: str, grid: Grid) -> dict[str, Any]:
    """Return the figures of a grid that wishes speak of."""
    found = report(grid).as_dict()
    border = found["internal_boundary_m"]
    share = round(found["on_barriers_m"] / border, 4) if border else 0.0
    known = {**found, **found["loads"], "on_barriers": share}
    return {"cut": cut, **{key: known[key] for key in WISHED}}


NEAR = 0.12  # share of the target within which a load counts as even, as for UK Output Areas


def targets(grid: Grid) -> pd.Series:
    """Return the households wanted in each cell, by code."""
    low, high = grid.bands.ends(grid.cells["parent"])
    return (low + high) / 2 if not grid.target else pd.Series(grid.target, low.index)


def loads(
    households: pd.Series, target: float | None, own: pd.Series | None = None
) -> dict[str, Any]:
    """Tell how even the cells are: coefficient of variation, and the share near the target.

    Where bands differ by area, `own` is the target of each cell, and what varies is the load as a
    share of it.

    Examples
    --------
    >>> loads(pd.Series([400, 500, 600]), 450)
    {'mean': 500.0, 'cv': 0.1633, 'target': 450, 'within_12_percent': 0.6667}
    """
    if households.empty or households.mean() == 0:
        return {"mean": None, "cv": None, "target": target, "within_12_percent": None}
    mean = float(households.mean())
    wanted = own if own is not None else mean if target is None else target
    near = ((households - wanted).abs() <= NEAR * wanted).mean()
    load = households if own is None else households / own
    return {
        "mean": round(mean, 1),
        "cv": round(float(load.std(ddof=0) / load.mean()), 4),
        "target": target,
        "within_12_percent": round(float(near), 4),
    }


def _borders(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return by cell the metres of border within its jurisdiction, and those on barriers."""
    units = grid.units
    edges = shared_edges(units.geometry.to_numpy())
    found = pair_up(edges.i, edges.j, lengths_m(edges.ends, grid.crs), len(units))
    code = positions(grid.cells.index, units["code"])
    parent = pd.factorize(units["parent"])[0]
    cut = (code[found.i] != code[found.j]) & (parent[found.i] == parent[found.j])
    a, b = code[found.i[cut]], code[found.j[cut]]
    length = found.length[cut]
    on = _on_barriers(units, found.i[cut], found.j[cut])
    n = len(grid)
    border = np.bincount(a, length, n) + np.bincount(b, length, n)
    return border, np.bincount(a, length * on, n) + np.bincount(b, length * on, n)


def _on_barriers(units: gpd.GeoDataFrame, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Tell which contacts lie on a barrier: those between different blocks."""
    if not _knows_blocks(units):
        return np.zeros(len(i), bool)
    block = units["block"].to_numpy()
    return np.asarray(block[i] != block[j])


def _knows_blocks(units: gpd.GeoDataFrame) -> bool:
    return "block" in units and bool(units["block"].duplicated().any())


def _communities(grid: Grid, cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row a jurisdiction with its verdict."""
    groups = cells.groupby("parent", sort=True)
    table = groups.agg(cells=("households", "size"), households=("households", "sum"))
    table["verdict"], table["reason"] = "solved", ""
    for parent, rows in grid.exceptions.groupby("parent"):
        verdict = "certified"
        if (rows["certificate"] == UNKNOWN).any():
            verdict = "unexplained"
        elif rows["approved"].astype(bool).all():
            verdict = "approved"
        table.loc[parent, ["verdict", "reason"]] = verdict, " ".join(dict.fromkeys(rows["reason"]))
    return table
