"""What a briefing says in words: each sentence is made from the figures."""

from __future__ import annotations

import re
from typing import Any

from gridmap.briefings.charts import change_span, change_text, fact, percent
from gridmap.language import Lang, Message, measure, tr
from gridmap.maps.themes import level_title
from gridmap.privacy import SMALL, tells_few

Figures = dict[str, Any]


_TONES = re.compile(r"<(strong|good|bad)>(.*?)</\1>")


def conclusion(found: Figures, lang: Lang) -> list[tuple[str, str]]:
    """Say the main findings, as pieces of text with a tone: "", "strong", "good" or "bad"."""
    said = [*_tiled(found), *_band(found["cells"]), *_counted(found, lang), *_spots(found)]
    text = "".join(one.text(lang) for one in (*said, *_place(found), *_staff(found)))
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
        some = found["incidents"]["count"]
        none = Message("; no cell is above chance, neither alone nor with its neighbours. ")
        return [none if some else Message(". ")]
    return [
        Message(
            "; <strong>{alone:,}</strong> {alone:cell stands|cells stand} out alone, "
            "<strong>{n:,}</strong> with {n:its|their} neighbours, together {share} of all cells "
            "with <strong>{part}</strong> of the incidents. ",
            alone=spots["cells_above"],
            n=spots["hot"],
            share=percent(spots["either"] / found["cells"]["cells"]),
            part=percent(spots["share"]),
        )
    ]


def _place(found: Figures) -> list[Message]:
    first = _leading(found)
    if first is None:
        return []
    return [
        Message(
            "<strong>{place}</strong> has the highest rate: {rate:.2f} per 100 households (95% "
            "interval {low:.2f}–{high:.2f}; all {whole:.2f}). ",
            place=first["name"],
            rate=first["rate"],
            low=first["low"],
            high=first["high"],
            whole=found["incidents"]["rate"],
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


def cards(found: Figures, lang: Lang, public: bool) -> list[dict[str, str]]:
    """Return the key figures: label, value, unit, line below, tone of that line."""
    cells, all_of = found["cells"], found["incidents"]
    leftover = found["proof"]["leftover"]
    made = [
        _card(
            tr("Number of cells", lang=lang),
            fact(cells["cells"]),
            measure(Message("cell", context="measure word"), lang),
            tr(
                "{residential} residential, {dedicated} dedicated",
                lang=lang,
                residential=fact(cells["residential"]),
                dedicated=fact(cells["dedicated"]),
            ),
        ),
        _card(
            tr("Coverage proof", lang=lang),
            tr("exact", lang=lang) if found["proof"]["verdict"] == "exact" else "—",
            "",
            tr(
                "{leftover} of {edges:,} {edges:edge|edges} left",
                lang=lang,
                leftover=leftover,
                edges=found["proof"]["edges"],
            ),
            "good" if found["proof"]["verdict"] == "exact" else "bad",
        ),
        _band_card(found, lang),
        _card(
            tr("Incidents of the period", lang=lang),
            fact(all_of["count"]),
            measure(Message("piece", context="measure word"), lang),
            _change_line(found, lang),
        ),
        _hot_card(found, lang),
    ]
    return made + _closure_card(found, lang, public) + _staff_card(found, lang)


def _hot_card(found: Figures, lang: Lang) -> dict[str, str]:
    spots, label = found["hotspots"], tr("Hotspot cells", lang=lang)
    if not found["cells"]["households"]:
        return _card(label, "–", "", tr("not tested, no households", lang=lang))
    below = tr(
        "{alone} alone, {hot} with neighbours",
        lang=lang,
        alone=spots["cells_above"],
        hot=spots["hot"],
    )
    if not spots["either"]:
        below = tr("nothing above chance", lang=lang)
    return _card(
        label, fact(spots["either"]), measure(Message("cell", context="measure word"), lang), below
    )


def _band_card(found: Figures, lang: Lang) -> dict[str, str]:
    cells, label = found["cells"], tr("In the band", lang=lang)
    if not cells["households"]:
        return _card(label, "–", "", tr("households unknown", lang=lang))
    missed, recorded = fact(cells["residential"] - cells["in_band"]), fact(cells["certified"])
    kept = cells["in_band"] / cells["residential"] if cells["residential"] else None
    below = tr("{missed} outside, {recorded} recorded", lang=lang, missed=missed, recorded=recorded)
    return _card(label, percent(kept), "", below)


def _card(label: str, value: str, unit: str, below: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "unit": unit, "below": below, "tone": tone}


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
    return tr("{rate:.2f} per 100 households", lang=lang, rate=all_of["rate"])


def _closure_card(found: Figures, lang: Lang, public: bool) -> list[dict[str, str]]:
    for one in found["indicators"] or ():
        if public and tells_few(one["numerator"] or 0, one["denominator"] or 0):
            continue
        if one["key"] == "closure" and one["rate"] is not None:
            below = tr("95% interval ", lang=lang)
            below += f"{percent(one['low'])[:-1]}–{percent(one['high'])}"
            return [_card(_title(one["name"], lang), percent(one["rate"]), "", below)]
    return []


def _title(name: str, lang: Lang) -> str:
    return name if lang == "zh" else name[:1].upper() + name[1:]


def _staff_card(found: Figures, lang: Lang) -> list[dict[str, str]]:
    staffing = found["staffing"]
    if not staffing:
        return []
    below = tr(
        "{workers:,} {workers:worker|workers}, {per_cell:.2f} a cell",
        lang=lang,
        workers=staffing["workers"],
        per_cell=staffing["per_cell"],
    )
    missing = staffing["without_leader"]
    label = tr("No leader", lang=lang)
    if not staffing["covered"]:
        return [_card(label, "–", "", tr("roster names no cells", lang=lang))]
    return [_card(label, fact(missing), tr("cells", lang=lang, context="without a leader"), below)]


def brief(lang: Lang) -> str:
    """Say in one line what the first screen cannot be read without."""
    return tr(
        "Rate: incidents / households x 100, ranked with 95% Poisson intervals. "
        "Hotspot: a cell by its own count, or with its neighbours (Gi*), false discovery rate "
        "q ≤ 0.10. Density is for orientation.",
        lang=lang,
    )


OVERLAPS = Message(
    "Public: counts under {least}, and those that would give them away, are kept back on this page "
    "and on those of other levels and other weeks. Pages of days that overlap without being the "
    "same are not protected from each other: the difference of both may tell a small count. "
    "Publish only one of them."
)


def definitions(found: Figures, lang: Lang, public: bool) -> list[str]:
    """Say how each figure is computed, and what it does not mean."""
    level = level_title(found["ranking"]["level"], lang)
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
            "Rate: incidents of the period in cells / households x 100; the ranking "
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
