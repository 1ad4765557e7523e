"""The briefing: one page for a leader, every figure computed, nothing loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from markupsafe import Markup

from gridmap._checks import check_choice
from gridmap._version import __version__
from gridmap.briefings import html as parts
from gridmap.briefings import text as sentences
from gridmap.briefings.figures import computed
from gridmap.briefings.html import Briefing
from gridmap.briefings.period import By
from gridmap.dates import FREQUENCY
from gridmap.errors import InputError
from gridmap.grid.grid import check_grid
from gridmap.html import part, render
from gridmap.language import Lang, Message, tr
from gridmap.maps import offline as vendored
from gridmap.maps import themes
from gridmap.maps import themes as hot
from gridmap.maps import themes as rates
from gridmap.maps.basemap import Bounds, Datum, laid
from gridmap.maps.heat import heat_image, steps
from gridmap.maps.offline import with_policy
from gridmap.maps.scene import Scene, as_json, grid_scene
from gridmap.maps.themes import level_title
from gridmap.privacy import refuse_personal

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from gridmap._arrays import Day
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

Audience = Literal["internal", "public"]
_SHOWN = ("category", "subcategory", "source", "status", "handling_level", "department")
HOTSPOT_THEME = 1  # place of the hotspots among the tabs
STEPS = {
    "day": Message("Daily incidents"),
    "week": Message("Weekly incidents"),
    "month": Message("Monthly incidents"),
}
MEANS = {
    "day": Message("line: {span}-day mean; pale: part of a day"),
    "week": Message("line: {span}-week mean; pale: part of a week"),
    "month": Message("line: {span}-month mean; pale: part of a month"),
}


def briefing(
    grid: Grid,
    incidents: pd.DataFrame,
    *,
    staff: pd.DataFrame | None = None,
    title: str | None = None,
    since: Day | None = None,
    until: Day | None = None,
    by: By = "week",
    audience: Audience = "internal",
    cell: str | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    buildings: gpd.GeoDataFrame | None = None,
    level: str | None = None,
    source: str = "",
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
    tables: Mapping[str, pd.DataFrame] | None = None,
    lang: Lang = "zh",
) -> Briefing:
    """Make the briefing of a grid and its incidents, or the sheet of one cell.

    Parameters
    ----------
    grid
        A proved grid.
    incidents
        Points, or what `assign` gave. Only counts and a density image reach the page.
    staff
        A roster with columns ``code`` and ``role``; names and telephones are never read.
    title
        What stands at the head.
    since, until
        First and last day; all the time there is when not given.
    by
        Steps of the trend.
    audience
        "public" hides counts under 5 and what the cells of the map count, so it has no slider.
    cell
        Code of a cell: makes its sheet instead.
    barriers
        Lines with a column ``name``, for the bounds of that sheet.
    buildings
        Points or footprints in the CRS of the grid, to be counted on that sheet.
    level
        Level that is ranked; by default the streets.
    source
        Where the data come from.
    basemap, basemap_bounds, basemap_datum
        An image under the cells, as for `coverage_map`.
    tables
        More panels below: title → a table of texts and whole numbers.
    lang
        "zh" or "en".

    Returns
    -------
    Briefing
        With ``save(path)``, ``html`` and ``figures``.

    Raises
    ------
    InputError
        When a column, a day or an option cannot be understood.
    """
    check_choice("lang", lang, ("zh", "en"))
    check_choice("by", by, FREQUENCY)
    check_choice("audience", audience, ("internal", "public"))
    check_grid("grid", grid)
    grid = grid.in_language(lang)
    words = [column for column in _SHOWN if column in incidents]
    refuse_personal(incidents[words], name="incidents", to=Message("a briefing"))
    if cell is not None:
        if audience == "public" or basemap is not None:
            raise InputError(
                "The sheet of a cell is internal and has a map of its own. Leave out "
                "audience='public' and `basemap`."
            )
        from gridmap.briefings.cell_sheet import cell_sheet

        return cell_sheet(
            grid, incidents, cell, staff=staff, barriers=barriers, buildings=buildings,
            since=since, until=until, title=title, source=source, lang=lang,
        )  # fmt: skip
    found, spots, now, posted = computed(grid, incidents, staff, since, until, by, level, lang)
    public = audience == "public"
    taken = None if public else _steps(found, now, grid, by, lang)
    scene, tiles = laid(
        _scene(grid, spots, now, posted, lang, public, taken),
        basemap, basemap_bounds, basemap_datum,
    )  # fmt: skip
    if tiles:
        raise InputError(
            "A briefing loads nothing, so not {origin} either. Hand in an image as "
            "`basemap`, with `basemap_bounds`.",
            origin=tiles.origin,
        )
    if found["period"] is None and since is not None and until is not None:
        found["asked"] = {"since": str(since)[:10], "until": str(until)[:10]}
    page = _page(found, scene, title, source, lang, public, tables or {})
    said = "".join(text for text, _ in sentences.conclusion(found, lang))
    return Briefing(page, found, said)


def _steps(
    found: dict[str, Any], now: pd.DataFrame, grid: Grid, by: By, lang: Lang
) -> dict[str, Any] | None:
    """Pack the time of the briefing for the slider of its map."""
    told = found["period"]
    if told is None:
        return None
    since, until = pd.Timestamp(told["since"]), pd.Timestamp(told["until"])
    last = until if told["covered"] else pd.Timestamp(told["data_until"])
    return steps(now, grid, lang, since=since, until=until, known_until=last, by=by)


def _scene(
    grid: Grid,
    spots: pd.DataFrame,
    now: pd.DataFrame,
    posted: Staffing | None,
    lang: Lang,
    public: bool,
    taken: dict[str, Any] | None,
) -> Scene:
    counts = spots["incidents"].reindex(grid.cells.index, fill_value=0)
    plain = not public and not grid.cells["households"].any()
    shown = [
        rates.count_theme(counts, grid, lang, steps=taken)
        if plain
        else rates.rate_theme(counts, grid, lang, exact=not public, steps=taken),
        hot.hotspot(spots, grid, lang),
        themes.households(grid, lang),
    ]
    columns = [] if public else [rates.count_column(counts, lang)]
    if posted is not None:
        shown.append(themes.staffing(grid, posted.cells, posted.limit, lang))
        columns += rates.staff_columns(posted.cells, grid, lang)
    heat = heat_image(now, grid, lang)
    extras: dict[str, Any] = {"show": {"heat": False}}
    if heat is not None:
        extras["heat"] = heat
    return grid_scene(grid, shown, lang, columns=columns, extras=extras)


def _page(
    found: dict[str, Any],
    scene: Scene,
    title: str | None,
    source: str,
    lang: Lang,
    public: bool,
    tables_below: Mapping[str, pd.DataFrame],
) -> str:
    ranked = found["ranking"]["level"]
    level = next((k for k, one in enumerate(scene.levels) if one["key"] == ranked), None)
    place = level_title(ranked, lang)
    values = {
        "html_lang": tr("en", lang=lang),
        "page_class": "page handled" if found["handling"] else "page",
        "title": title or tr("Urban grid briefing", lang=lang),
        "subtitle": _period_text(found, lang),
        "facts": _facts(found, source, lang, public),
        "conclusion": parts.spoken(sentences.conclusion(found, lang)),
        "cards_label": tr("Key figures", lang=lang),
        "cards": part(parts.PARTS, "cards", sentences.cards(found, lang, public)),
        "ranking_title": tr("{place} ranking", lang=lang, place=place),
        "ranking_hint": _ranking_hint(found, lang),
        "ranking": parts.ranking(found, lang, level, public),
        "hot_title": tr("Strongest hotspots", lang=lang),
        "hot_hint": tr("most unlikely first", lang=lang),
        "hot_click": tr("; click to see", lang=lang),
        "hot": parts.hotspots(found, lang, HOTSPOT_THEME, public),
        **_lower(found, lang, public, tables_below),
        "definitions_title": tr("Definitions", lang=lang),
        "definitions_link": tr("All of them ↓", lang=lang),
        "brief": sentences.brief(lang),
        "definitions": sentences.definitions(found, lang, public),
        "data": Markup(as_json(scene.sent())),
        **_assets(),
    }
    return with_policy(render("briefing.html", **values))


def _ranking_hint(found: dict[str, Any], lang: Lang) -> str:
    if not found["cells"]["households"]:
        return tr("by count, as households are unknown", lang=lang)
    return tr("by rate; whiskers 95% interval, dashes all", lang=lang)


def _lower(
    found: dict[str, Any], lang: Lang, public: bool, below: Mapping[str, pd.DataFrame]
) -> dict[str, object]:
    """Fill the row under the map."""
    by = found["trend"]["by"] if found["trend"] else "week"
    span = found["trend"]["span"] if found["trend"] else 0

    return {
        "trend_title": STEPS[by].text(lang),
        "trend_hint": MEANS[by](span=span).text(lang) if span else "",
        "trend": parts.trend(found, lang),
        "quality_title": tr("Data quality", lang=lang),
        "quality_hint": tr("coverage proved, records accounted for", lang=lang),
        "quality": parts.quality(found, lang, public),
        "more": part(
            parts.PARTS, "panels", [*_more(found, lang, public), *map(parts.panel, below.items())]
        ),
    }


def _more(found: dict[str, Any], lang: Lang, public: bool) -> Sequence[tuple[str, str, Markup]]:
    """Return the panels that only some data fill: handling, words, indicators, staffing."""
    made = []
    if found["handling"]:
        made.append(
            ("handling", tr("Handled at", lang=lang), parts.stages(found["handling"], lang, public))
        )
    for key, title in (("categories", Message("Categories")), ("sources", Message("Sources"))):
        if found[key]:
            made.append(("", title.text(lang), parts.words(found[key], lang, public)))
    if found["progress"] and not (public and parts.steps_tell_few(found["progress"])):
        made.append(("", tr("Progress", lang=lang), parts.stages(found["progress"], lang, public)))
    if found["indicators"]:
        made.append(("", tr("Indicators", lang=lang), parts.indicators(found, lang, public)))
    if found["staffing"]:
        made.append(("", tr("Staffing", lang=lang), parts.staffing(found, lang)))
    return made


def _facts(found: dict[str, Any], source: str, lang: Lang, public: bool) -> list[str]:
    mark = tr("Public", lang=lang) if public else tr("Internal", lang=lang)
    first = [
        _until(found, lang),
        tr("CRS {crs}", lang=lang, crs=found["crs"]),
        tr("Source {source}", lang=lang, source=source) if source else "",
    ]
    second = [
        tr("Fingerprint {fingerprint}", lang=lang, fingerprint=found["fingerprint"]),
        f"gridmap {__version__}",
        mark,
    ]
    return [" ｜ ".join(filter(None, line)) for line in (first, second)]


def _until(found: dict[str, Any], lang: Lang) -> str:
    """Say until when there are records, which may be short of the days asked for."""
    period = found["period"]
    if period is None and not found["account"]["read"]:
        return tr("No incident on record", lang=lang)
    if period is None:
        return tr("No times were recognised (--time)", lang=lang)
    day = period["data_until"]
    if not period["begun"]:
        return tr(
            "Data begin on {day}, after {since}: what was before is not known",
            lang=lang,
            day=period["data_since"],
            since=period["since"],
        )
    if period["covered"]:
        return tr("Data until {day}", lang=lang, day=day)
    return tr(
        "Data end on {day}, short of {until}: nothing is compared",
        lang=lang,
        day=day,
        until=period["until"],
    )


def _period_text(found: dict[str, Any], lang: Lang) -> str:
    period = found["period"]
    if period is None and "asked" in found:
        return "{since} – {until}".format(**found["asked"])
    if period is None:
        return tr("All data (no times)", lang=lang)
    days = tr("{days} {days:day|days}", lang=lang, days=period["days"])
    whole = f"{period['since']} – {period['until']}"
    return tr("{whole} ({days})", lang=lang, whole=whole, days=days)


def _assets() -> dict[str, Markup]:
    own = ("briefing.css", "briefing.js")
    return {
        "gridmap_css": Markup(vendored.asset("gridmap.css") + vendored.asset("search.css")),
        "gridmap_js": Markup(vendored.module_of("varints.js", "gridmap.js")),
        "room_js": Markup(vendored.module_of("search.js", "room.js")),
        "leaflet_css": Markup(vendored.style("leaflet/leaflet.css")),
        "leaflet_js": Markup(vendored.script("leaflet/leaflet.js")),
        **{name.replace(".", "_"): Markup(vendored.asset(name)) for name in own},
    }
