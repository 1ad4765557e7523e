"""The briefing: one page for a leader, every figure computed, nothing loaded."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from gridmap._checks import check_choice
from gridmap._version import __version__
from gridmap.briefings import html as parts
from gridmap.briefings import html as tables
from gridmap.briefings import text as sentences
from gridmap.briefings.document import Briefing
from gridmap.briefings.figures import computed
from gridmap.briefings.period import FREQUENCY, By
from gridmap.errors import InputError
from gridmap.grid.grid import check_grid
from gridmap.language import Lang, level_title, pick
from gridmap.maps import offline as vendored
from gridmap.maps import themes
from gridmap.maps import themes as hot
from gridmap.maps import themes as rates
from gridmap.maps.basemap import Bounds, Datum, laid
from gridmap.maps.heat import heat_image
from gridmap.maps.offline import with_policy
from gridmap.maps.scene import Scene, as_json, grid_scene
from gridmap.privacy import refuse_personal

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

Audience = Literal["internal", "public"]
_SHOWN = ("category", "subcategory", "source", "status", "handling_level", "department")
HOTSPOT_THEME = 1  # place of the hotspots among the tabs
STEPS = {"day": ("每日", "Daily"), "week": ("每周", "Weekly"), "month": ("每月", "Monthly")}


def briefing(
    grid: Grid,
    incidents: pd.DataFrame,
    *,
    staff: pd.DataFrame | None = None,
    title: str | None = None,
    since: Any = None,
    until: Any = None,
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
        "public" hides counts under 5 and what the cells of the map count.
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
    words = [column for column in _SHOWN if column in incidents]
    refuse_personal(incidents[words], name="incidents", to="a briefing")
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
    scene, tiles = laid(
        _scene(grid, spots, now, posted, lang, public), basemap, basemap_bounds, basemap_datum
    )
    if tiles:
        raise InputError(
            f"A briefing loads nothing, so not {tiles.origin} either. Hand in an image as "
            "`basemap`, with `basemap_bounds`."
        )
    page = _page(found, scene, title, source, lang, public)
    said = "".join(text for text, _ in sentences.conclusion(found, lang))
    return Briefing(page, found, said)


def _scene(
    grid: Grid,
    spots: pd.DataFrame,
    now: pd.DataFrame,
    posted: Staffing | None,
    lang: Lang,
    public: bool,
) -> Scene:
    counts = spots["incidents"].reindex(grid.cells.index, fill_value=0)
    plain = not public and not grid.cells["households"].any()
    shown = [
        rates.count_theme(counts, grid, lang) if plain else rates.rate_theme(counts, grid, lang),
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
    found: dict[str, Any], scene: Scene, title: str | None, source: str, lang: Lang, public: bool
) -> str:
    ranked = found["ranking"]["level"]
    level = next((k for k, one in enumerate(scene.levels) if one["key"] == ranked), None)
    place = level_title(ranked, lang)
    values = {
        "html_lang": pick(lang, "zh-CN", "en"),
        "page_class": "page handled" if found["handling"] else "page",
        "title": _esc(title or pick(lang, "城市网格化管理简报", "Urban grid briefing")),
        "subtitle": _esc(_period_text(found, lang)),
        "facts": "<br>".join(_esc(line) for line in _facts(found, source, lang, public)),
        "conclusion": parts.spoken(sentences.conclusion(found, lang)),
        "cards_label": pick(lang, "关键数字", "Key figures"),
        "cards": "".join(map(parts.card, sentences.cards(found, lang))),
        "map_label": pick(lang, "地图", "Map"),
        "ranking_title": _esc(pick(lang, f"{place}排名", f"{place} ranking")),
        "ranking_hint": _ranking_hint(found, lang),
        "ranking": tables.ranking(found, lang, level, public),
        "hot_title": pick(lang, "重点热点网格", "Strongest hotspots"),
        "hot_hint": pick(lang, "按 Gi* 由强到弱", "by Gi*"),
        "hot_click": pick(lang, "，点击定位", "; click to see"),
        "hot": tables.hotspots(found, lang, HOTSPOT_THEME, public),
        **_lower(found, lang, public),
        "definitions_title": pick(lang, "口径", "Definitions"),
        "definitions_link": pick(lang, "全部口径 ↓", "All of them ↓"),
        "brief": _esc(sentences.brief(lang)),
        "definitions": "".join(f"<li>{_esc(t)}</li>" for t in sentences.definitions(found, lang)),
        "data": as_json(scene.sent()),
        **_assets(),
    }
    return with_policy(Template(vendored.asset("briefing.html")).substitute(values))


def _ranking_hint(found: dict[str, Any], lang: Lang) -> str:
    if not found["cells"]["households"]:
        return pick(lang, "按事件数；没有户数，不能算率", "by count, as households are unknown")
    return pick(
        lang,
        "按事件率；须线为 95% 区间，虚线为全域",
        "by rate; whiskers 95% interval, dashes all",
    )


def _lower(found: dict[str, Any], lang: Lang, public: bool) -> dict[str, str]:
    """Fill the row under the map."""
    by = found["trend"]["by"] if found["trend"] else "week"
    span = found["trend"]["span"] if found["trend"] else 0
    steps = {"day": ("日", "day"), "week": ("周", "week"), "month": ("月", "month")}[by]
    return {
        "trend_title": pick(lang, f"{STEPS[by][0]}事件量", f"{STEPS[by][1]} incidents"),
        "trend_hint": pick(
            lang,
            f"线：{span} {steps[0]}均值；浅色为不足一{steps[0]}",
            f"line: {span}-{steps[1]} mean; pale: part of a {steps[1]}",
        )
        if span
        else "",
        "trend": parts.trend(found, lang),
        "quality_title": pick(lang, "数据质量", "Data quality"),
        "quality_hint": pick(lang, "覆盖证明与入格核对", "coverage proved, records accounted for"),
        "quality": parts.quality(found, lang, public),
        "more": "".join(_more(found, lang, public)),
    }


def _more(found: dict[str, Any], lang: Lang, public: bool) -> Sequence[str]:
    """Return the panels that only some data fill: handling, words, indicators, staffing."""
    made = []
    if found["handling"]:
        made.append(
            ("handling", pick(lang, "处置层级", "Handled at"), parts.stages(found["handling"]))
        )
    for key, zh, en in (
        ("categories", "事件类别", "Categories"),
        ("sources", "问题来源", "Sources"),
    ):
        if found[key]:
            made.append(("", pick(lang, zh, en), parts.words(found[key], lang, public)))
    if found["progress"]:
        made.append(("", pick(lang, "办理进度", "Progress"), parts.stages(found["progress"])))
    if found["indicators"]:
        made.append(("", pick(lang, "指标", "Indicators"), parts.indicators(found, lang)))
    if found["staffing"]:
        made.append(("", pick(lang, "人员配置", "Staffing"), parts.staffing(found, lang)))
    return [
        f'<section class="panel {name}"><h2>{title}</h2>{body}</section>'
        for name, title, body in made
    ]


def _facts(found: dict[str, Any], source: str, lang: Lang, public: bool) -> list[str]:
    mark = pick(lang, "公开资料", "Public") if public else pick(lang, "内部资料", "Internal")
    first = [
        _until(found, lang),
        pick(lang, f"坐标系 {found['crs']}", f"CRS {found['crs']}"),
        pick(lang, f"来源 {source}", f"Source {source}") if source else "",
    ]
    second = [
        pick(lang, f"数据指纹 {found['fingerprint']}", f"Fingerprint {found['fingerprint']}"),
        f"gridmap {__version__}",
        mark,
    ]
    return [" ｜ ".join(filter(None, line)) for line in (first, second)]


def _until(found: dict[str, Any], lang: Lang) -> str:
    """Say until when there are records, which may be short of the days asked for."""
    period = found["period"]
    if period is None:
        return pick(lang, "没有识别到时间列（--time）", "No times were recognised (--time)")
    day = period["data_until"]
    if period["covered"]:
        return pick(lang, f"数据截至 {day}", f"Data until {day}")
    return pick(
        lang,
        f"数据只到 {day}，未覆盖至 {period['until']}，不作比较",
        f"Data end on {day}, short of {period['until']}: nothing is compared",
    )


def _period_text(found: dict[str, Any], lang: Lang) -> str:
    period = found["period"]
    if period is None:
        return pick(lang, "全部数据（无时间）", "All data (no times)")
    days = pick(lang, f"{period['days']} 天", f"{period['days']} days")
    whole = f"{period['since']} – {period['until']}"
    return pick(lang, f"{whole}（{days}）", f"{whole} ({days})")


def _assets() -> dict[str, str]:
    return {
        "leaflet_css": vendored.style("leaflet/leaflet.css"),
        "leaflet_js": vendored.script("leaflet/leaflet.js"),
        "gridmap_css": vendored.asset("gridmap.css"),
        "briefing_css": vendored.asset("briefing.css"),
        "gridmap_js": vendored.asset("gridmap.js"),
        "room_js": vendored.asset("room.js"),
        "briefing_js": vendored.asset("briefing.js"),
    }


def _esc(text: str) -> str:
    return markup.escape(text, quote=True)
