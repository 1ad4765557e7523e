"""What came out of a partition: cells, communities, reasons and changes, as tables and a page."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap.contiguity import contacts
from gridmap.grid.grid import Grid
from gridmap.language import Lang, Message, tr
from gridmap.partitioning.certificates import UNKNOWN

STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b262c}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #cfd8dc;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.8rem;background:#607d8b;vertical-align:middle}
"""
WORDS = {
    "title": Message("Partition report"),
    "facts": Message("Overview"),
    "cells": Message("Cells"),
    "residential": Message("Residential cells"),
    "in_band": Message("In the band"),
    "communities": Message("Communities"),
    "households_in": Message("Households in"),
    "households_out": Message("Households out"),
    "polsby_popper_mean": Message("Mean compactness (Polsby-Popper)"),
    "internal_boundary_m": Message("Internal border (m)"),
    "on_barriers_m": Message("of which on barriers (m)"),
    "cv": Message("Spread of households (coefficient of variation)"),
    "within_12_percent": Message("Share of cells within 12 % of the target"),
    "histogram": Message("Households a cell"),
    "spread": Message("The least even communities"),
    "least": Message("Least"),
    "most": Message("Most"),
    "exceptions": Message("Exceptions"),
    "none": Message("There are none."),
    "community": Message("Community"),
    "households": Message("Households"),
    "reason": Message("Reason"),
    "options": Message("Options"),
    "change": Message("Compared with the old grid"),
}
FACTS = (
    "cells",
    "residential",
    "in_band",
    "communities",
    "households_in",
    "households_out",
    "polsby_popper_mean",
    "internal_boundary_m",
    "on_barriers_m",
)


def page(document: dict[str, Any], sentence: str, lang: Lang = "zh") -> str:
    """Return the document of a report as one HTML page, under its sentence."""

    def word(key: str) -> str:
        return html.escape(WORDS[key].text(lang))

    facts = "".join(_row(word(key), _figure(document[key])) for key in FACTS)
    even = document["loads"]
    facts += "".join(
        _row(word(key), _figure("–" if even[key] is None else float(even[key])))
        for key in ("cv", "within_12_percent")
    )
    change = document["parameters"].get("change")
    parts = [
        f"<h1>{word('title')}</h1><p>{html.escape(sentence)}</p>",
        f"<h2>{word('facts')}</h2><table>{facts}</table>",
        f"<h2>{word('histogram')}</h2>{_bars(document['histogram'])}",
        f"<h2>{word('spread')}</h2>{_spread(document['spread'], word)}",
        f"<h2>{word('exceptions')}</h2>{_exceptions(document['infeasible'], word)}",
    ]
    if change:
        rows = "".join(_row(html.escape(str(k)), _figure(v)) for k, v in change.items())
        parts.append(f"<h2>{word('change')}</h2><table>{rows}</table>")
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}">'
        '<head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{word('title')}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _figure(value: object) -> str:
    """Write a figure as it is read."""
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else html.escape(str(value))


def _row(head: str, figure: str) -> str:
    """Return a table row of one fact."""
    return f"<tr><th>{head}</th><td class='n'>{figure}</td></tr>"


def _bars(counts: dict[str, int]) -> str:
    """Draw a histogram with one bar a class."""
    most = max(counts.values(), default=0) or 1
    rows = "".join(
        f"<tr><th>{html.escape(str(label))}</th><td class='n'>{count:,}</td>"
        f"<td style='width:70%'><span class='bar' style='width:{100 * count / most:.1f}%'></span>"
        "</td></tr>"
        for label, count in counts.items()
    )
    return f"<table>{rows}</table>"


def _spread(rows: list[dict[str, object]], word: Callable[[str], str]) -> str:
    """Return the table of the communities whose cells differ most."""
    columns = ("community", "cells", "least", "most", "cv")
    head = "".join(f"<th>{word(key)}</th>" for key in columns)
    body = "".join(
        "<tr>" + "".join(f"<td class='n'>{_figure(row[key])}</td>" for key in columns) + "</tr>"
        for row in rows[:SHOWN]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _exceptions(rows: list[dict[str, object]], word: Callable[[str], str]) -> str:
    """Return the table of exceptions."""
    if not rows:
        return f"<p>{word('none')}</p>"
    head = "".join(
        f"<th>{word(key)}</th>" for key in ("community", "households", "reason", "options")
    )
    body = "".join(
        f"<tr><td>{html.escape(str(row['community']))}</td>"
        f"<td class='n'>{_figure(row['households'])}</td>"
        f"<td>{html.escape(str(row['reason']))}</td>"
        f"<td>{_listed(row['options'])}</td></tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _listed(options: object) -> str:
    """Return options, one a line."""
    lines = options if isinstance(options, list) else [options]
    return "<br>".join(html.escape(str(line)) for line in lines)


SHOWN = 5


def remarks(grid: Grid) -> list[Message]:
    """Return a sentence on each wish that was not met and each promise that gave way."""
    return [
        *_former(grid.former_parents),
        *_missed(grid.parameters.get("cells_missed", {})),
        *_attached(grid.parameters.get("attached", [])),
        *_vacant(grid.cells),
    ]


def _attached(rows: list[dict[str, Any]]) -> list[Message]:
    """Say which fragments joined a cell that they do not touch."""
    if not rows:
        return []
    said = Message(
        "{n:,} {n:fragment|fragments} of a community, each with fewer households than a cell "
        "needs, joined the nearest cell of that community with room ({cells:,} "
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
    if vacant.empty:
        return []
    said = Message(
        "Nobody lives in {n:,} {n:cell|cells} of {places:,} {places:community|communities}, which "
        "no band binds: {codes}."
    )
    places = vacant["parent"].nunique()
    return [said(n=len(vacant), places=places, codes=_first(vacant.index))]


def _former(codes: dict[str, str]) -> list[Message]:
    """Say which cells keep codes that begin with another jurisdiction's."""
    if not codes:
        return []
    said = Message(
        "{n:,} {n:cell keeps its code|cells keep codes} of a former jurisdiction, as cells that "
        "survive do: {codes}."
    )
    return [said(n=len(codes), codes=_first(codes))]


def _first(items: Iterable[object]) -> list[object]:
    """Return the first of some items, and that there are more."""
    every = list(items)
    return [*every[:SHOWN], "…"] if len(every) > SHOWN else every


def _missed(missed: dict[str, dict[str, int]]) -> list[Message]:
    """Say where the number of cells is another than was wanted, and whether it must be."""
    if not missed:
        return []
    proved = sum(bool(row["proved"]) for row in missed.values())
    each = Message("{place}: {made:,} for {wanted:,}")
    said = Message(
        "Communities without the number of cells wanted: {n:,}, of which proved impossible "
        "{proved:,}, not found {open:,} ({each})."
    )
    rows = [each(place=k, made=row["made"], wanted=row["wanted"]) for k, row in missed.items()]
    return [said(n=len(missed), proved=proved, open=len(missed) - proved, each=_first(rows))]


SCHEMA = "gridmap.partition/1"


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
    """

    grid: Grid
    cells: pd.DataFrame
    communities: pd.DataFrame
    timings: dict[str, float] = field(default_factory=dict)

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
        table = table[table["cells"] > 1].rename_axis("community").reset_index()
        table = table.sort_values(["cv", "community"], ascending=[False, True])
        rows: list[dict[str, Any]] = table.to_dict("records")
        return rows

    def sentence(self, lang: Lang = "zh") -> str:
        """Say in one sentence what was made."""
        return tr(
            "no gaps, no overlaps: {cells:,} {cells:cell tiles|cells tile} {where} exactly",
            lang=lang,
            cells=len(self.grid),
            where=Message("{n:,} {n:community|communities}", n=len(self.grid.jurisdictions)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON document, schema ``gridmap.partition/1``."""
        exceptions = self.grid.exceptions
        residential = self.residential
        counted = self.grid.units.attrs.get("households_in")
        out = int(self.grid.cells["households"].sum())
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "cells": len(self.grid),
            "residential": len(residential),
            "in_band": int(residential["in_band"].sum()),
            "communities": len(self.communities),
            "infeasible": [
                {
                    "community": row["parent"],
                    "code": row["code"],
                    "households": int(row["households"]),
                    "reason": row["reason"],
                    "certificate": row["certificate"],
                    "options": str(row["options"]).split("\n"),
                    "approved": bool(row["approved"]),
                }
                for row in exceptions.to_dict("records")
            ],
            "unexplained": len(self.unexplained),
            "households_in": out if counted is None else int(counted),
            "households_out": out,
            "households_outside": int(self.grid.units.attrs.get("households_outside", 0)),
            "polsby_popper_mean": _mean(residential["polsby_popper"]),
            "internal_boundary_m": round(float(self.cells["border_m"].sum()) / 2, 3),
            "on_barriers_m": round(float(self.cells["road_m"].sum()) / 2, 3),
            "loads": loads(residential["households"], self.grid.parameters.get("target")),
            "spread": self.spread(),
            "histogram": {str(k): int(v) for k, v in self.histogram().items()},
            "parameters": self.grid.parameters,
            "notes": [
                n.both() for n in (*self.grid.units.attrs.get("notes", []), *remarks(self.grid))
            ],
            **{name: self.grid.units.attrs.get(name, []) for name in ("repaired", "outside")},
        }
        if self.timings:
            document["timings"] = self.timings
        return document

    def html(self, lang: Lang = "zh") -> str:
        """Return the report as one page that needs no network."""

        said = replace(self, grid=self.grid.in_language(lang))
        return page(said.as_dict(), self.sentence(lang), lang)


def report(grid: Grid, *, timings: dict[str, float] | None = None) -> Report:
    """Measure a grid that was partitioned.

    Parameters
    ----------
    grid : Grid
        As `partition` returns it.
    timings : dict, optional
        Seconds a stage, to be passed on.

    Returns
    -------
    Report

    Examples
    --------
    >>> import shapely
    >>> from gridmap.partition import partition
    >>> blocks = gpd.GeoDataFrame({"parent": "A", "households": [200, 250, 150, 350]},
    ...     geometry=shapely.box([0, 1, 2, 3], 0, [1, 2, 3, 4], 1), crs=4547)
    >>> report(partition(blocks)).sentence("en")
    'no gaps, no overlaps: 2 cells tile 1 community exactly'
    """
    low, high = grid.band
    cells = grid.cells
    table = pd.DataFrame(cells[["parent", "kind", "households"]])
    table["in_band"] = cells["households"].between(low, high)
    length = cells.geometry.length.to_numpy()
    table["polsby_popper"] = 4 * np.pi * cells.geometry.area.to_numpy() / length**2
    border, road = _borders(grid)
    table["border_m"], table["road_m"] = border, road
    return Report(grid, table, _communities(grid, table), timings or {})


NEAR = 0.12  # share of the target within which a load counts as even, as for UK Output Areas


def loads(households: pd.Series, target: float | None) -> dict[str, Any]:
    """Tell how even the cells are: coefficient of variation, and the share near the target.

    Examples
    --------
    >>> loads(pd.Series([400, 500, 600]), 450)
    {'mean': 500.0, 'cv': 0.1633, 'target': 450, 'within_12_percent': 0.6667}
    """
    if households.empty or households.mean() == 0:
        return {"mean": None, "cv": None, "target": target, "within_12_percent": None}
    mean = float(households.mean())
    wanted = mean if target is None else target
    near = ((households - wanted).abs() <= NEAR * wanted).mean()
    return {
        "mean": round(mean, 1),
        "cv": round(float(households.std(ddof=0)) / mean, 4),
        "target": target,
        "within_12_percent": round(float(near), 4),
    }


def _borders(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return by cell the border to cells of the same jurisdiction, and how much is on barriers."""
    units = grid.units
    found = contacts(units.geometry.to_numpy())
    code = grid.cells.index.get_indexer(units["code"])
    parent = pd.factorize(units["parent"])[0]
    cut = (code[found.i] != code[found.j]) & (parent[found.i] == parent[found.j])
    a, b, length = code[found.i[cut]], code[found.j[cut]], found.length[cut]
    on = _on_barriers(units, found.i[cut], found.j[cut])
    n = len(grid)
    border = np.bincount(a, length, n) + np.bincount(b, length, n)
    return border, np.bincount(a, length * on, n) + np.bincount(b, length * on, n)


def _on_barriers(units: gpd.GeoDataFrame, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Tell which contacts lie on a barrier: those between different blocks."""
    if "block" not in units or not units["block"].duplicated().any():
        return np.zeros(len(i), bool)
    block = units["block"].to_numpy()
    return np.asarray(block[i] != block[j])


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


def _mean(values: pd.Series) -> float | None:
    """Return a rounded mean, None of nothing."""
    return round(float(values.mean()), 6) if len(values) else None
