"""The briefing: one page for a leader, every figure computed, nothing loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from markupsafe import Markup

from gridmap._checks import check_choice
from gridmap._version import __version__
from gridmap.briefings import html as parts
from gridmap.briefings.charts import change_span, change_text, fact, percent, rate_text, trend_hint
from gridmap.briefings.figures import computed
from gridmap.briefings.html import Briefing, Figures
from gridmap.briefings.period import By
from gridmap.dates import FREQUENCY
from gridmap.errors import InputError
from gridmap.html import part, render
from gridmap.language import Lang, Message, measure, speaking, tr
from gridmap.maps import offline as vendored
from gridmap.maps import themes
from gridmap.maps.basemap import Bounds, Datum, laid
from gridmap.maps.heat import heat_image, steps
from gridmap.maps.offline import with_policy
from gridmap.maps.scene import Scene, as_json, grid_scene
from gridmap.privacy import SMALL, refuse_personal, tells_few

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from gridmap._arrays import Day
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

Audience = Literal["internal", "public"]
_SHOWN = ("category", "subcategory", "source", "status", "handling_level", "department")
_TONES = re.compile(r"<(strong|good|bad)>(.*?)</\1>")
HOTSPOT_THEME = 1  # place of the hotspots among the tabs
STEPS = {
    "day": Message("Daily incidents"),
    "week": Message("Weekly incidents"),
    "month": Message("Monthly incidents"),
}
OVERLAPS = Message(
    "Public: counts under {least}, and those that would give them away, are kept back on this page "
    "and on those of other levels and other weeks. Pages of days that overlap without being the "
    "same are not protected from each other: the difference of both may tell a small count. "
    "Publish only one of them."
)


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
    grid = grid.in_language(lang)
    words = [column for column in _SHOWN if column in incidents]
    refuse_personal(incidents[words], name="incidents", to=Message("a briefing"))
    if cell is not None:
        if audience == "public" or basemap is not None:
            raise InputError(
                "The sheet of a cell is internal and has a map of its own. Leave out "
                "audience='public' and `basemap`."
            )
        from gridmap.briefings.cell_sheet import cell_sheet, sheet_figures

        told = sheet_figures(
            grid, incidents, cell, staff=staff, barriers=barriers, buildings=buildings,
            since=since, until=until,
        )  # fmt: skip
        return cell_sheet(grid, told, barriers, title, source, lang)
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
    said = "".join(text for text, _ in conclusion(found, lang))
    return Briefing(page, found, said)


def _steps(
    found: Figures, now: pd.DataFrame, grid: Grid, by: By, lang: Lang
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
        themes.count_theme(counts, grid, lang, steps=taken)
        if plain
        else themes.rate_theme(counts, grid, lang, exact=not public, steps=taken),
        themes.hotspot(spots, grid, lang),
        themes.households(grid, lang),
    ]
    columns = [] if public else [themes.count_column(counts, lang)]
    if posted is not None:
        shown.append(themes.staffing(grid, posted.cells, posted.limit, lang))
        columns += themes.staff_columns(posted.cells, grid, lang)
    heat = heat_image(now, grid, lang)
    extras = {"show": {"heat": False}} | ({} if heat is None else {"heat": heat})
    return grid_scene(grid, shown, lang, columns=columns, extras=extras)


def _page(
    found: Figures,
    scene: Scene,
    title: str | None,
    source: str,
    lang: Lang,
    public: bool,
    tables_below: Mapping[str, pd.DataFrame],
) -> str:
    ranked = found["ranking"]["level"]
    level = next((k for k, one in enumerate(scene.levels) if one["key"] == ranked), None)
    place = themes.level_title(ranked, lang)
    values = {
        "html_lang": tr("en", lang=lang),
        "page_class": "page handled" if found["handling"] else "page",
        "title": title or tr("Urban grid briefing", lang=lang),
        "subtitle": _period_text(found, lang),
        "facts": _facts(found, source, lang, public),
        "conclusion": parts.spoken(conclusion(found, lang)),
        "cards_label": tr("Key figures", lang=lang),
        "cards": part(parts.PARTS, "cards", cards(found, lang, public)),
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
        "brief": brief(lang),
        "definitions": definitions(found, lang, public),
        "data": Markup(as_json(scene.sent())),
        **_assets(),
    }
    return with_policy(render("briefing.html", **values))


def _ranking_hint(found: Figures, lang: Lang) -> str:
    if not found["cells"]["households"]:
        return tr("by count, as households are unknown", lang=lang)
    return tr("by rate; whiskers 95% interval, dashes all", lang=lang)


def _lower(
    found: Figures, lang: Lang, public: bool, below: Mapping[str, pd.DataFrame]
) -> dict[str, object]:
    """Fill the row under the map."""
    by = found["trend"]["by"] if found["trend"] else "week"
    return {
        "trend_title": STEPS[by].text(lang),
        "trend_hint": trend_hint(found["trend"], lang) if found["trend"] else "",
        "trend": parts.trend(found, lang),
        "quality_title": tr("Data quality", lang=lang),
        "quality_hint": tr("coverage proved, records accounted for", lang=lang),
        "quality": parts.quality(found, lang, public),
        "more": part(
            parts.PARTS, "panels", [*_more(found, lang, public), *map(parts.panel, below.items())]
        ),
    }


def _more(found: Figures, lang: Lang, public: bool) -> Sequence[tuple[str, str, Markup]]:
    """Return the panels that only some data fill: handling, words, indicators, staffing."""
    made = []
    for key, title, draw in (
        ("handling", Message("Handled at"), parts.stages),
        ("categories", Message("Categories"), parts.words),
        ("sources", Message("Sources"), parts.words),
    ):
        if found[key]:
            name = key if key == "handling" else ""
            made.append((name, title.text(lang), draw(found[key], lang, public)))
    if found["progress"] and not (public and parts.steps_tell_few(found["progress"])):
        made.append(("", tr("Progress", lang=lang), parts.stages(found["progress"], lang, public)))
    if found["indicators"]:
        made.append(("", tr("Indicators", lang=lang), parts.indicators(found, lang, public)))
    if found["staffing"]:
        made.append(("", tr("Staffing", lang=lang), parts.staffing(found, lang)))
    return made


def _facts(found: Figures, source: str, lang: Lang, public: bool) -> list[str]:
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


def _until(found: Figures, lang: Lang) -> str:
    """Say until when there are records, which may be short of the days asked for."""
    period = found["period"]
    if period is None and not found["account"]["read"]:
        return tr("No incident on record", lang=lang)
    if period is None:
        return tr("No times were recognised (--time)", lang=lang)
    said = Message("Data end on {data_until}, short of {until}: nothing is compared")
    if period["covered"]:
        said = Message("Data until {data_until}")
    if not period["begun"]:
        said = Message("Data begin on {data_since}, after {since}: what was before is not known")
    return said(**period).text(lang)


def _period_text(found: Figures, lang: Lang) -> str:
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


def conclusion(found: Figures, lang: Lang) -> list[tuple[str, str]]:
    """Say the main findings, as pieces of text with a tone: "", "strong", "good" or "bad"."""
    said = [*_tiled(found), *_band(found["cells"]), *_counted(found, lang), *_spots(found)]
    text = "".join(one.text(lang) for one in (*said, *_place(found), *_staff(found))).rstrip()
    plain, *toned = _TONES.split(text)
    pieces = [(plain, "")]
    for tone, words, rest in zip(toned[::3], toned[1::3], toned[2::3], strict=True):
        pieces += [(words, tone), (rest, "")]
    return [piece for piece in pieces if piece[0]]


def _tiled(found: Figures) -> list[Message]:
    tiled = Message(
        "<strong>{cells:,}</strong> {cells:cell tiles|cells tile} {places:,} "
        "{places:jurisdiction|jurisdictions} exactly: <good>no gaps, no overlaps</good>"
    )
    cells = found["cells"]
    return [tiled(cells=cells["cells"], places=cells["jurisdictions"])]


def _band(cells: Figures) -> list[Message]:
    if not cells["households"]:
        return []
    kept, every = cells["in_band"], cells["residential"]
    said = [
        Message(
            "; <strong>{kept:,} of {all:,}</strong> residential {all:cell|cells} "
            "{kept:keeps|keep} the band",
            kept=kept,
            all=every,
        )
    ]
    if every > kept:
        missed = Message(", {n:,} {n:does|do} not ({recorded:,} with a recorded reason)")
        said.append(missed(n=every - kept, recorded=cells["certified"]))
    return said


def _counted(found: Figures, lang: Lang) -> list[Message]:
    all_of = found["incidents"]
    said = [Message(". <strong>{n:,}</strong> {n:incident|incidents}", n=all_of["count"])]
    if all_of["change"] is not None:
        change = change_text(all_of, lang)
        said.append(Message(", {change} on the period before", change=change))
    return said


def _spots(found: Figures) -> list[Message]:
    spots = found["hotspots"]
    if not found["cells"]["households"]:
        return [Message("; hotspots not tested, as households are unknown. ")]
    if not spots["either"]:
        none = Message(". {said} ", said=parts.none_above(spots))
        return [none if found["incidents"]["count"] else Message(". ")]
    alone, hot = spots["cells_above"], spots["hot"]
    share = percent(spots["either"] / found["cells"]["cells"])
    with_share = Message(", {share} of all cells with <strong>{part}</strong> of the incidents. ")
    if alone and hot:
        with_share = Message(
            ", together {share} of all cells with <strong>{part}</strong> of the incidents. "
        )
    return [_standing_out(alone, hot), with_share(share=share, part=percent(spots["share"]))]


def _standing_out(alone: int, hot: int) -> Message:
    if not hot:
        said = Message("; <strong>{alone:,}</strong> {alone:cell stands|cells stand} out alone")
    elif not alone:
        said = Message(
            "; no cell stands out alone, <strong>{n:,}</strong> {n:does|do} with {n:its|their} "
            "neighbours"
        )
    else:
        said = Message(
            "; <strong>{alone:,}</strong> {alone:cell stands|cells stand} out alone, "
            "<strong>{n:,}</strong> with {n:its|their} neighbours"
        )
    return said(alone=alone, n=hot)


def _place(found: Figures) -> list[Message]:
    first = _leading(found)
    if first is None:
        return []
    whole = found["incidents"]["rate"]
    return [
        Message(
            "<strong>{place}</strong> has the highest rate: {rate} per 100 households (95% "
            "interval {low}–{high}; all {whole}). ",
            place=first["name"],
            **{key: rate_text(first[key], whole) for key in ("rate", "low", "high")},
            whole=rate_text(whole, whole),
        )
    ]


def _staff(found: Figures) -> list[Message]:
    staffing = found["staffing"]
    if not staffing or not staffing["without_leader"]:
        return []
    lacks = Message("<bad>{n:,}</bad> {n:cell lacks|cells lack} a leader.")
    return [lacks(n=staffing["without_leader"])]


def _leading(found: Figures) -> dict[str, Any] | None:
    """Return the place with the highest rate, if its interval lies above the common rate."""
    rows = found["ranking"]["rows"]
    rated = [row for row in rows if row["rate"] is not None and row["incidents"]]
    if len(rated) < 2 or found["incidents"]["rate"] is None:
        return None
    return rated[0] if rated[0]["low"] > found["incidents"]["rate"] else None


CELL = Message("cell", context="measure word")


def cards(found: Figures, lang: Lang, public: bool) -> list[dict[str, str]]:
    """Return the key figures: label, value, unit, line below, tone of that line."""
    cells, proof = found["cells"], found["proof"]
    kinds = Message("{residential:,} residential, {dedicated:,} dedicated", **cells)
    left = Message("{leftover:,} of {edges:,} {edges:edge|edges} left", **proof)
    exact = proof["verdict"] == "exact"
    proved = tr("exact", lang=lang) if exact else "—"
    tone = "good" if exact else "bad"
    count, piece = fact(found["incidents"]["count"]), Message("piece", context="measure word")
    change = _change_line(found, lang)
    return [
        _card(lang, Message("Number of cells"), fact(cells["cells"]), kinds, CELL),
        _card(lang, Message("Coverage proof"), proved, left, tone=tone),
        _band_card(cells, lang),
        _card(lang, Message("Incidents of the period"), count, change, piece),
        _hot_card(found, lang),
        *_closure_card(found, lang, public),
        *_staff_card(found, lang),
    ]


def _card(
    lang: Lang,
    label: Message | str,
    value: str,
    below: Message | str,
    unit: Message | None = None,
    tone: str = "",
) -> dict[str, str]:
    with speaking(lang):
        said = {"label": str(label), "value": value, "below": str(below), "tone": tone}
    return {**said, "unit": "" if unit is None else measure(unit, lang)}


def _hot_card(found: Figures, lang: Lang) -> dict[str, str]:
    spots, label = found["hotspots"], Message("Hotspot cells")
    if not found["cells"]["households"]:
        return _card(lang, label, "–", Message("not tested, no households"))
    below = Message("none where tested")
    if spots["either"]:
        below = Message("{cells_above:,} alone, {hot:,} with others", **spots)
    return _card(lang, label, fact(spots["either"]), below, CELL)


def _band_card(cells: Figures, lang: Lang) -> dict[str, str]:
    label, every = Message("In the band"), cells["residential"]
    if not cells["households"]:
        return _card(lang, label, "–", Message("households unknown"))
    below = Message("{missed:,} outside, {certified:,} recorded", **cells)
    kept = cells["in_band"] / every if every else None
    return _card(lang, label, percent(kept), below(missed=every - cells["in_band"]))


def _change_line(found: Figures, lang: Lang) -> str:
    all_of, trend = found["incidents"], found["trend"]
    if all_of["change"] is not None:
        before = fact(all_of["before"])
        if all_of["chance"]:
            return tr("{before} before, within chance", lang=lang, before=before)
        low, high = change_span(all_of)
        return tr("{before} before, {low} to {high}", lang=lang, before=before, low=low, high=high)
    if trend and trend["last_change"]["change"] is not None:
        share = change_text(trend["last_change"], lang, short=True)
        share = tr("within chance", lang=lang) if trend["last_change"]["chance"] else share
        step = {"day": Message("last day"), "week": Message("last week")}
        return tr(
            "{step} {n:,}, {share}",
            lang=lang,
            step=step.get(trend["by"], Message("last month")),
            n=trend["last"],
            share=share,
        )
    if all_of["rate"] is None:
        return ""
    rate = rate_text(all_of["rate"], all_of["rate"])
    return tr("{rate} per 100 households", lang=lang, rate=rate)


def _closure_card(found: Figures, lang: Lang, public: bool) -> list[dict[str, str]]:
    for one in found["indicators"] or ():
        if public and tells_few(one["numerator"] or 0, one["denominator"] or 0):
            continue
        if one["key"] == "closure" and one["rate"] is not None:
            span = f"{percent(one['low'])[:-1]}–{percent(one['high'])}"
            below = Message("95% interval {span}", span=span)
            return [_card(lang, _title(one["name"], lang), percent(one["rate"]), below)]
    return []


def _title(name: str, lang: Lang) -> str:
    return name if lang == "zh" else name[:1].upper() + name[1:]


def _staff_card(found: Figures, lang: Lang) -> list[dict[str, str]]:
    staffing = found["staffing"]
    if not staffing:
        return []
    label, missing = Message("No leader"), fact(staffing["without_leader"])
    if not staffing["covered"]:
        return [_card(lang, label, "–", Message("roster names no cells"))]
    below = Message("{workers:,} {workers:worker|workers}, {per_cell:.2f} a cell", **staffing)
    return [_card(lang, label, missing, below, CELL)]


def brief(lang: Lang) -> str:
    """Say in one line what the first screen cannot be read without."""
    return tr(
        "Rate: incidents / households × 100, ranked with 95% Poisson intervals. "
        "Hotspot: a cell by its own count, or with its neighbours (Gi*), false discovery rate "
        "q ≤ 0.10. Density is for orientation.",
        lang=lang,
    )


def definitions(found: Figures, lang: Lang, public: bool) -> list[str]:
    """Say how each figure is computed, and what it does not mean."""
    level = themes.level_title(found["ranking"]["level"], lang)
    formulas = [one["formula"] for one in found["indicators"] or ()]
    kept = [OVERLAPS(least=SMALL).text(lang)] if public else []
    return [
        *kept,
        tr(
            "Band of households of residential cells: {band}; dedicated cells are exempt.",
            lang=lang,
            band=found["cells"]["band"],
        ),
        tr(
            "Coverage proof: the directed edges of all cells cancel against the boundary, "
            "by equality of coordinates, without a tolerance.",
            lang=lang,
        ),
        tr(
            "Rate: incidents of the period in cells / households × 100; the ranking "
            "({level}) bears 95% Poisson intervals; order within overlapping ones means "
            "nothing.",
            lang=lang,
            level=level,
        ),
        tr(
            "Hotspots: cells by an exact test of their own count, neighbourhoods by Getis-Ord Gi* "
            "on standardised rates (contiguity and self, corrected for skew); each at a false "
            "discovery rate of q ≤ 0.10. They tell more than chance, not why.",
            lang=lang,
        ),
        *([tr("Indicators: {formulas}.", lang=lang, formulas=formulas)] if formulas else []),
        tr(
            "Density is a kernel image for orientation; the page holds no incident "
            "points. Shown coordinates are rounded; the proof was made on the original "
            "ones.",
            lang=lang,
        ),
        tr("This file is self-contained and sends no network request.", lang=lang),
    ]
