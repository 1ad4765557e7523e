"""The sheet of one cell: where it lies, its four bounds, who answers for it, what happens there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
from markupsafe import Markup

from gridmap._arrays import row_of
from gridmap._version import __version__
from gridmap.briefings import charts
from gridmap.briefings.charts import (
    SIDES,
    Bound,
    as_dict,
    change_text,
    fact,
    four_bounds,
    percent,
    portrait,
    q_text,
)
from gridmap.briefings.figures import change, period_of, posted_of, shares, spots_of, trend
from gridmap.briefings.html import PARTS, Briefing
from gridmap.coverage.prove import metres_per_unit
from gridmap.errors import InputError
from gridmap.html import part, render
from gridmap.intervals import poisson_interval
from gridmap.language import Lang, Message, tr
from gridmap.maps import offline as vendored
from gridmap.maps.offline import with_policy
from gridmap.maps.themes import KINDS, level_title

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

TO = {
    "east": Message("East to"),
    "south": Message("South to"),
    "west": Message("West to"),
    "north": Message("North to"),
}
BINS = {1: "q ≤ 0.10", 2: "q ≤ 0.05", 3: "q ≤ 0.01"}
Rows = list[tuple[str, str, str]]  # title, value, hint


def cell_sheet(
    grid: Grid,
    found: dict[str, Any],
    barriers: gpd.GeoDataFrame | None,
    title: str | None,
    source: str,
    lang: Lang,
) -> Briefing:
    """Make the sheet of one cell from its figures; `briefing(cell=...)` calls this."""
    code = found["code"]
    bounds = four_bounds(grid, code, barriers)
    head = title or found["name"]
    drawn, told = portrait(grid, code, bounds, barriers, lang), found["trend"]
    values = {
        "html_lang": tr("en", lang=lang),
        "title": head,
        "subtitle": " › ".join([*found["levels"].values(), *([code] if code != head else [])]),
        "facts": _source_line(found, source, lang),
        "sheet_css": Markup(vendored.asset("sheet.css")),
        "map": drawn,
        "lines": charts.lines_said(drawn, lang),
        "bounds_title": tr("Bounds", lang=lang),
        "bounds": part(PARTS, "titled_list", _bound_rows(bounds, lang)),
        "cell_title": tr("Cell", lang=lang),
        "cell": part(PARTS, "titled_list", _cell_rows(found, lang)),
        "incidents_title": tr("Incidents", lang=lang),
        "incidents": part(PARTS, "titled_list", _incident_rows(found, lang)),
        "people_title": tr("People and neighbours", lang=lang),
        "people": _people(found, lang),
        "trend_title": tr("Incidents by month", lang=lang),
        "trend_hint": charts.trend_hint(told, lang) if told else "",
        "trend": _trend(found, lang),
        "note": _note(found, lang),
    }
    html = with_policy(render("cell_sheet.html", **values))
    return Briefing(html, found, _sentence(found, lang))


def sheet_figures(
    grid: Grid,
    incidents: pd.DataFrame,
    code: str,
    *,
    staff: pd.DataFrame | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    buildings: gpd.GeoDataFrame | None = None,
    since: Any = None,
    until: Any = None,
) -> dict[str, Any]:
    """Compute all that the sheet of a cell says, as a plain dict."""
    if code not in grid.cells.index:
        raise InputError("No cell has the code {code!r}.", code=code)
    placed, shown, now, before = period_of(incidents, grid, since, until)
    here = now[now["code"] == code]
    spot = row_of(spots_of(now, grid), code)
    cell = row_of(grid.cells, code)
    count, homes = len(here), int(cell["households"])
    low, high = map(float, poisson_interval(count))
    earlier = None if before is None else int((before["code"] == code).sum())
    posted = posted_of(staff, grid)
    return {
        "code": code,
        "name": str(cell["name"]),
        "kind": str(cell["kind"]),
        "levels": {level: str(cell[level]) for level in grid.levels},
        "households": homes,
        "band": list(grid.bands.of(cell["parent"])),
        "area_m2": float(cell["area_m2"]),
        **_shaped_by(grid, code),
        "buildings": None if buildings is None else _buildings(buildings, grid, code),
        "bounds": {b.side: as_dict(b) for b in four_bounds(grid, code, barriers)},
        "period": None
        if shown is None
        else {"since": str(shown.since.date()), "until": str(shown.until.date())},
        "incidents": count,
        "before": earlier,
        **change(count, earlier),
        "rate": 100 * count / homes if homes else None,
        "rate_low": 100 * low / homes if homes else None,
        "rate_high": 100 * high / homes if homes else None,
        **{name: float(spot[name]) for name in ("expected", "z", "q", "cell_q")},
        **{name: int(spot[name]) for name in ("bin", "cell_bin")},
        "gate": str(spot["gate"]),
        "categories": shares(here, None, "category"),
        "trend": trend(placed[placed["code"] == code], shown, "month"),
        "posts": None if posted is None else _posts(row_of(posted.cells, code)),
        "fingerprint": grid.content_hash[:12],
    }


def _shaped_by(grid: Grid, code: str) -> dict[str, Any]:
    """Tell what shaped a cell: its units, its exception, and its neighbours, the nearest first."""
    why = grid.why(code)
    metres = None if grid.crs.is_geographic else metres_per_unit(grid.crs)
    names = grid.cells["name"].astype(str)
    return {
        "in_band": why["in_band"],
        "exception": None if why["exception"] is None else str(why["exception"]["reason"]),
        "units": why["units"],
        "neighbours": [
            {"code": other, "name": names.at[other], "length": metres and metres * length}
            for other, length in sorted(why["neighbours"].items(), key=lambda item: -item[1])
        ],
    }


def _buildings(buildings: gpd.GeoDataFrame, grid: Grid, code: str) -> int:
    from gridmap.incidents.assign import assign

    points = buildings.set_geometry(buildings.geometry.representative_point())
    return int((assign(points, grid)["code"] == code).sum())


def _posts(cell: pd.Series) -> dict[str, Any]:
    return {
        **{post: int(cell[post]) for post in ("leaders", "x", "y")},
        "load": None if pd.isna(cell["load"]) else float(cell["load"]),
        "status": str(cell["status"]),
    }


def _bound_rows(bounds: list[Bound], lang: Lang) -> Rows:
    outside = tr("beyond the grid", lang=lang)
    by_side = {bound.side: bound for bound in bounds}
    return [
        (TO[side].text(lang), by_side[side].name or outside, percent(by_side[side].share, 0))
        for side in SIDES
    ]


def _cell_rows(found: dict[str, Any], lang: Lang) -> Rows:
    low, high = found["band"]
    dedicated = found["kind"] != "residential"
    status = tr("in the band", lang=lang) if found["in_band"] else found["exception"]
    missed = tr("not in {low}–{high}", lang=lang, low=low, high=high)
    rows = [
        (tr("Kind", lang=lang), KINDS[found["kind"]].text(lang), ""),
        *((level_title(level, lang), name, "") for level, name in found["levels"].items()),
        (
            tr("Households", lang=lang),
            fact(found["households"]),
            "" if dedicated else status or missed,
        ),
        (tr("Area", lang=lang), f"{found['area_m2'] / 1e4:,.2f}", tr("ha", lang=lang)),
        (tr("Units", lang=lang), fact(found["units"]), ""),
    ]
    if found["buildings"] is not None:
        rows.append((tr("Buildings", lang=lang), fact(found["buildings"]), ""))
    return rows


def _incident_rows(found: dict[str, Any], lang: Lang) -> Rows:
    changed = "" if found["change"] is None else change_text(found, lang)
    if changed:
        changed = tr("change {change}", lang=lang, change=changed)
    rows = [(tr("This period", lang=lang), fact(found["incidents"]), changed)]
    if found["rate"] is not None:
        interval = f"95%: {found['rate_low']:.2f} – {found['rate_high']:.2f}"
        rows.append((tr("Per 100 hh", lang=lang), f"{found['rate']:.2f}", interval))
        own = tr(
            "expected {n:,.1f}, q {q}", lang=lang, n=found["expected"], q=q_text(found["cell_q"])
        )
        rows.append((tr("By its own count", lang=lang), _spot_text(found, "cell_bin", lang), own))
    spot = "" if found["gate"] else f"z {found['z']:.1f}, q {q_text(found['q'])}"
    rows.append((tr("With its neighbours", lang=lang), _spot_text(found, "bin", lang), spot))
    for one in found["categories"] or ():
        name = one["name"] or tr("others", lang=lang)
        rows.append((name, fact(one["count"]), percent(one["share"])))
    return rows


def _spot_text(found: dict[str, Any], name: str, lang: Lang) -> str:
    if name == "bin" and found["gate"]:
        return tr("not tested", lang=lang)
    if not found[name]:
        return tr("not significant", lang=lang)
    side = tr("hot", lang=lang) if found[name] > 0 else tr("cold", lang=lang)
    return f"{side} {BINS[abs(found[name])]}"


def _people(found: dict[str, Any], lang: Lang) -> Markup:
    rows: Rows = []
    posts = found["posts"]
    if posts is not None:
        load = "" if posts["load"] is None else f"{posts['load']:.0f}"
        each = (
            tr("{load} {load:household|households} a worker", lang=lang, load=load) if load else ""
        )
        rows += [
            (tr("Leaders", lang=lang), fact(posts["leaders"]), each),
            (tr("Staff", lang=lang, context="role"), fact(posts["x"]), ""),
            (tr("Volunteers", lang=lang), fact(posts["y"]), ""),
        ]
    shared = Message("{length:,.0f} m shared")
    for k, one in enumerate(found["neighbours"][:8]):
        hint = "" if one["length"] is None else shared(length=one["length"]).text(lang)
        rows.append(("" if k else tr("Next to", lang=lang), one["name"], hint))
    if not rows:
        return part(PARTS, "empty", tr("No cell touches this one.", lang=lang))
    return part(PARTS, "titled_list", rows)


def _trend(found: dict[str, Any], lang: Lang) -> Markup:
    told = found["trend"]
    if told is None:
        text = Message(
            "The data have no times." if found["incidents"] else "No incident on record."
        )
        return part(PARTS, "empty", text.text(lang))
    return charts.trend_chart(told)


def _source_line(found: dict[str, Any], source: str, lang: Lang) -> str:
    period = found["period"]
    days = f"{period['since']} – {period['until']}" if period else ""
    mark = tr("Internal", lang=lang)
    return " ｜ ".join(filter(None, [days, source, mark]))


def _note(found: dict[str, Any], lang: Lang) -> str:
    return tr(
        "A bound is the street, river or railway that the side runs along longest, or the cell "
        "beyond where that is less than three tenths; per cent of the side's length. Rates of one "
        "cell depend much on chance: read them with their interval. Fingerprint {fingerprint} · "
        "gridmap {version}",
        lang=lang,
        fingerprint=found["fingerprint"],
        version=__version__,
    )


def _sentence(found: dict[str, Any], lang: Lang) -> str:
    sides = [found["bounds"][side]["name"] for side in SIDES]
    outside = tr("beyond the grid", lang=lang)
    words = [f"{TO[s].text(lang)} {n or outside}" for s, n in zip(SIDES, sides, strict=True)]
    return tr(
        "{name}: {bounds}; {homes:,} {homes:household|households}, {n:,} {n:incident|incidents}.",
        lang=lang,
        name=found["name"],
        bounds=tr(", ", context="clauses", lang=lang).join(words),
        homes=found["households"],
        n=found["incidents"],
    )
