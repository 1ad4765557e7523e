"""Parts of the briefing page, its tables and lists, and the document that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from gridmap.briefings import charts
from gridmap.briefings.charts import change_span, change_text, counted, fact, percent
from gridmap.html import frame, part
from gridmap.language import Lang, Message, joined, speaking, tr
from gridmap.maps.offline import write_page
from gridmap.maps.themes import level_title
from gridmap.privacy import SMALL, tells_few, withheld

Figures = dict[str, Any]
MOST_NAMED = 5  # words that are not known
PARTS = "parts.html"
WORDY = 48  # signs of a text that asks for a panel of two columns
UNKNOWN = {
    "status": Message("of unknown status: not known whether closed"),
    "handling_level": Message("handled at an unknown level"),
    "source": Message("of an unknown source"),
}
_NUMBER = re.compile(r"[<−-]?\d{1,4}(,\d{3})*(\.\d+)?|–")  # shorter than codes


def spoken(pieces: Iterable[tuple[str, str]]) -> Markup:
    """Write a sentence of toned pieces."""
    return part(PARTS, "spoken", pieces)


def row(*cells: tuple[object, str, str], **attributes: object) -> Figures:
    """Return a row of a table: text, class and title of each cell, attributes of the row."""
    return {"cells": cells, "attributes": attributes}


def trend(found: Figures, lang: Lang) -> Markup:
    """Draw the trend, or say that there are no times."""
    told = found["trend"]
    if told is None:
        text = tr("No times were recognised; name the column: --time.", lang=lang)
        if not found["account"]["read"]:
            text = tr("No incident on record.", lang=lang)
        return part(PARTS, "empty", text)
    return charts.trend_chart(told)


def share_table(rows: list[tuple[str, int, float | None, str]]) -> Markup:
    """Write names with counts, shares as bars, and a last column."""
    body = [
        row(
            (name, "left", ""),
            (fact(count), "", ""),
            ("" if share is None else charts.share_bar(share), "bar", ""),
            (percent(share, 1), "", ""),
            *([(last, "", "")] if last else []),
        )
        for name, count, share, last in rows
    ]
    return part(PARTS, "table", [], body)


def stages(rows: list[dict[str, Any]], lang: Lang, public: bool) -> Markup:
    """Write steps in their order, each with its share of all that is known."""
    unknown = tr("unknown", lang=lang)
    back = withheld([row["cases"] for row in rows]) if public else np.zeros(len(rows), bool)
    shown = [row for row, hidden in zip(rows, back, strict=True) if not hidden]
    return share_table([(row["name"] or unknown, row["cases"], row["share"], "") for row in shown])


def steps_tell_few(rows: list[dict[str, Any]]) -> bool:
    """Tell whether steps that cases take in turn give away how few are between two of them."""
    counts = [row["cases"] for row in rows]
    return any(0 < abs(a - b) < SMALL for a, b in pairwise([*counts, 0]))


def words(rows: list[dict[str, Any]], lang: Lang, public: bool) -> Markup:
    """Write the commonest words of a column with their change."""
    others = tr("others", lang=lang)
    back = withheld([row["count"] for row in rows]) if public else np.zeros(len(rows), bool)
    shown = [row for row, hidden in zip(rows, back, strict=True) if not hidden]
    changes = not public and any(row["change"] is not None for row in shown)
    return share_table(
        [
            (
                row["name"] or others,
                row["count"],
                row["share"],
                change_text(row, lang, short=True) if changes else "",
            )
            for row in shown
        ]
    )


def panel(titled: tuple[str, pd.DataFrame]) -> tuple[str, str, Markup]:
    """Return the class, the title and the table of a panel, from texts and numbers."""
    title, frame = titled
    sides = [_side(frame.iloc[:, k]) for k in range(frame.shape[1])]
    body = [
        row(*((value, side, "") for value, side in zip(one, sides, strict=True)))
        for one in frame.itertuples(index=False, name=None)
    ]
    head = list(zip(frame.columns, sides, strict=True))
    wordy = any(len(str(value)) > WORDY for value in frame.to_numpy().ravel())
    return "wide" if wordy else "", title, part(PARTS, "table", head, body, "wrap narrow")


def _side(column: pd.Series) -> str:
    """Return the class of a column: numbers stand right, texts left, and days are not broken."""
    if _numeric(column) and not (column.astype(str) == "–").all():
        return ""
    return "left day" if column.astype(str).str.fullmatch(r"\d{4}-\d\d-\d\d").all() else "left"


def _numeric(column: pd.Series) -> bool:
    """Tell whether a column holds numbers, be it as text, and dashes."""
    return all(isinstance(value, int) or _NUMBER.fullmatch(str(value)) for value in column)


# a count (or what stands for one), its tone, what it counts by the name n, and a hint
Told = tuple[int | str, str, Message, Message | str]


def fact_list(rows: Iterable[Told], lang: Lang) -> Markup:
    """Write figures before what they count."""
    with speaking(lang):
        shown = [
            (n if isinstance(n, str) else fact(n), tone, str(said(n=n)), str(hint))
            for n, tone, said, hint in rows
        ]
    return part(PARTS, "fact_list", shown)


def quality(found: Figures, lang: Lang, public: bool = False) -> Markup:
    """Write the verdict of the proof, the cells off the band and what became of each record."""
    rows = [_proved(found["proof"]), *_banded(found["cells"]), *_accounted(found["account"])]
    return fact_list([*rows, *_unknown(found["unknown_words"], lang, public)], lang)


def _proved(proof: Figures) -> Told:
    good = proof["verdict"] == "exact"
    hint = Message("proved exact") if good else Message("not proved exact")
    left = Message("{n:edge|edges} left over (gaps, overlaps)")
    return proof["leftover"], "good" if good else "bad", left, hint


def _banded(cells: Figures) -> list[Told]:
    if not cells["households"]:
        return [("–", "", Message("households unknown"), "")]
    above = Message("{n:cell|cells} above {high} {high:household|households}", high=cells["high"])
    below = Message("{n:cell|cells} below {low} {low:household|households}", low=cells["low"])
    if cells["bands"] > 1:
        above = Message("{n:cell|cells} above {n:its|their} band")
        below = Message("{n:cell|cells} below {n:its|their} band")
    largest = _homes(cells["largest"], Message("largest {n:,}"))
    smallest = _homes(cells["smallest"], Message("smallest {n:,}"))
    return [
        (cells["above"], _tone(cells["above"]), above, largest),
        (cells["below"], _tone(cells["below"]), below, smallest),
        (cells["certified"], "", Message("of these with a recorded reason"), ""),
    ]


def _homes(extreme: Figures | None, said: Message) -> Message | str:
    return "" if extreme is None else said(n=extreme["households"])


def _accounted(told: Figures) -> list[Told]:
    unusable = told["invalid"] + told["outside"]
    inside = Message("{assigned:,} in cells", assigned=told["assigned"])
    lost = Message("{outside:,} outside, {invalid:,} unusable")
    return [
        (told["read"], "", Message("{n:incident|incidents} read"), inside),
        (
            unusable,
            _tone(unusable),
            Message("not in a cell"),
            lost(outside=told["outside"], invalid=told["invalid"]),
        ),
    ]


def _unknown(told: Figures, lang: Lang, public: bool) -> list[Told]:
    """Tell words that are not known; in public only how many cases have one."""
    rows: list[Told] = []
    for column, words in told.items():
        hint = "" if public else joined(list(words)[:MOST_NAMED], lang)
        rows.append((sum(words.values()), "bad", UNKNOWN[column], hint))
    return rows


def indicators(found: Figures, lang: Lang, public: bool) -> Markup:
    """Write the indicators with counts and intervals; in public none that tells of few cases."""
    head = [
        (tr("Indicator", lang=lang), "left"),
        (tr("Counts", lang=lang, context="indicators"), "roomy"),
        (tr("Rate", lang=lang, context="indicators"), ""),
        (tr("95% interval", lang=lang), ""),
    ]
    unknown = tr("unknown", lang=lang)
    body = [
        row(
            (one["name"], "left", ""),
            (f"{fact(one['numerator'])} / {fact(one['denominator'])}", "roomy", ""),
            (part(PARTS, "strong", percent(one["rate"], none=unknown)), "", ""),
            (_span(one, lang), "", ""),
            title=one["formula"],
        )
        for one in found["indicators"] or ()
        if not (public and tells_few(one["numerator"] or 0, one["denominator"] or 0))
    ]
    return part(PARTS, "table", head, body, "wrap")


def _span(one: dict[str, Any], lang: Lang) -> str:
    """Write an interval, and how many cases are unknown."""
    span = "" if one["rate"] is None else f"{percent(one['low'])[:-1]} – {percent(one['high'])}"
    unknown = tr("+ {unknown:,} unknown", lang=lang, unknown=one["unknown"])
    return f"{span} {unknown}".strip() if one["unknown"] else span


def staffing(found: Figures, lang: Lang) -> Markup:
    """Write posts by role, and the cells that lack a leader or have too many homes a worker."""
    told = found["staffing"]
    total = max(told["posts"], 1)
    rows = [(one[lang], one["posts"], one["posts"] / total, "") for one in told["roles"]]
    workers = Message("{workers:,} in all, volunteers apart", workers=told["workers"])
    over = Message(
        "{n:cell|cells} over {limit} {limit:household|households} a worker", limit=told["limit"]
    )
    lacking = Message("{n:cell|cells} without a leader")
    facts: list[Told] = [
        (f"{told['per_cell']:.2f}", "", Message("workers per cell"), workers),
        (told["without_leader"], _tone(told["without_leader"]), lacking, ""),
        (told["overcharged"], _tone(told["overcharged"]), over, ""),
    ]
    if not told["covered"]:  # the roster names no cells, so none is called vacant
        facts = facts[:1]
    return share_table(rows) + fact_list(facts, lang)


def _tone(count: int) -> str:
    return "bad" if count else "good"


SCREEN = "screen"  # rows that paper has no room for
PAPER_PLACES, PAPER_ROWS = 12, 17  # rows of the ranking, and of both tables, that a sheet holds


def ranking(found: Figures, lang: Lang, level: int | None, public: bool) -> Markup:
    """Write the ranking of places: rate with interval, count, change, hotspots, closure, trend."""
    rows = found["ranking"]["rows"]
    most = max((row["high"] for row in rows if row["incidents"] and row["high"]), default=0.0)
    # a change tells the count of the period before, which another page may have kept back
    changes = not public and any(row["change"] is not None for row in rows)
    closed = [row for row in rows if row.get("closure") is not None]
    few = any(tells_few(row["closed"], row["closable"]) for row in closed)
    closures = bool(closed) and not (public and few)  # one of them is the total less the others
    posts = any("leaderless" in row for row in rows)
    sparks = not public and any(len(row["spark"]) > 1 for row in rows)
    optional = {"change": changes, "closed": closures, "leader": posts, "trend": sparks}
    shown = {name for name, wanted in optional.items() if wanted}
    heads = [
        ("#", ""),
        (level_title(found["ranking"]["level"], lang), "left"),
        (tr("per 100 hh", lang=lang), ""),
        (tr("Incidents", lang=lang), ""),
        *([(tr("Change", lang=lang), "")] if changes else []),
        (tr("Hot, Gi*", lang=lang), ""),
        (tr("Off band", lang=lang), "roomy"),
        *([(tr("Closed", lang=lang), "")] if closures else []),
        *([(tr("No leader", lang=lang), "optional")] if posts else []),
        *([(tr("Trend", lang=lang), "optional")] if sparks else []),
    ]
    body = []
    for rank, one in enumerate(rows, start=1):
        where: Figures = {"class": SCREEN} if rank > PAPER_PLACES else {}
        if level is not None:
            where |= {"data-level": level, "data-place": one["place"]}
        small = public and one["withheld"]
        body.append(
            row((str(rank), "quiet", ""), *_place(one, found, lang, most, small, shown), **where)
        )
    kind = "crowded" if changes and closures else ""
    return part(PARTS, "table", heads, body, kind, body_kind="places", count=len(rows))


def _place(
    place: Figures, found: Figures, lang: Lang, most: float, small: bool, shown: set[str]
) -> list[tuple[object, str, str]]:
    """Return the cells of a place in the ranking; `small` keeps back what tells of few cases."""
    name = place["name"] or tr("Whole area", lang=lang)
    rate, hint = ("–", "") if small else _known_interval(place, most, found)
    spark = "" if small else charts.spark(place["spark"])
    return [
        (name, "left name", name),
        (rate, "rate", hint),
        (_count(place, small, lang), "", ""),
        *([(_change(place, lang), "", change_text(place, lang))] if "change" in shown else []),
        (fact(place["hot"]), "", ""),
        (fact(place["out_of_band"]), "roomy", ""),
        *([("–", "", "") if small else _closure(place)] if "closed" in shown else []),
        *([(fact(place["leaderless"]), "optional", "")] if "leader" in shown else []),
        *([(spark, "optional", "")] if "trend" in shown else []),
    ]


def _count(place: Figures, small: bool, lang: Lang) -> str:
    """Write a count; one that is kept back for another's sake as a dash."""
    kept_back = small and place["incidents"] >= SMALL
    return "–" if kept_back else counted(place["incidents"], small, lang)


def _known_interval(place: Figures, most: float, found: Figures) -> tuple[str, str]:
    """Draw the rate of a place with its interval; a dash where it is unknown."""
    if place["rate"] is None:
        return "–", ""
    whole = found["incidents"]["rate"] or 0.0
    bar = charts.interval_bar(place["rate"], place["low"], place["high"], most, whole)
    rate, low, high = (charts.rate_text(place[key], whole) for key in ("rate", "low", "high"))
    return part(PARTS, "rate", bar, rate), f"95%: {low} – {high}"


def _change(row: dict[str, Any], lang: Lang) -> Markup | str:
    """Write a change with its interval below, or that it may be chance."""
    said = change_text(row, lang, short=True)
    if row["change"] is None or row["chance"]:
        return said
    low, high = change_span(row)
    return part(PARTS, "spanned", said, f"{low} – {high}")


def _closure(row: dict[str, Any]) -> tuple[Markup | str, str, str]:
    if row.get("closure") is None:
        return "–", "", ""
    span = f"{percent(row['closure_low'])[:-1]}–{percent(row['closure_high'])}"
    return part(PARTS, "spanned", percent(row["closure"]), span), "", f"95%: {span}"


NONE_ABOVE = Message(
    "No cell is above chance, neither alone nor with its neighbours (tested: {counted:,} "
    "{counted:cell|cells} alone, {tested:,} with their neighbours)."
)
NONE_ALONE = Message(
    "No cell is above chance alone (tested: {counted:,} {counted:cell|cells}); with its "
    "neighbours none could be tested."
)


def none_above(spots: Figures) -> Message:
    """Say that no cell is above chance, as far as it was tested."""
    return (NONE_ABOVE if spots["tested"] else NONE_ALONE)(**spots)


def hotspots(found: Figures, lang: Lang, theme: int, public: bool) -> Markup:
    """List the strongest hotspots with what was expected; a click leads to the map."""
    top = found["hotspots"]["top"]
    if not top:
        text = none_above(found["hotspots"]).text(lang)
        if not found["cells"]["households"]:
            text = tr("Not tested, as households are unknown.", lang=lang)
        if not found["account"]["read"]:
            text = tr("No incident on record.", lang=lang)
        return part(PARTS, "empty", text)
    asked = {
        "cell": tr("alone", lang=lang),
        "neighbourhood": tr("neighbours", lang=lang, context="asked"),
    }
    go = tr("Show", lang=lang)
    printed = PAPER_ROWS - min(len(found["ranking"]["rows"]), PAPER_PLACES)
    body = [
        row(
            (asked[one["asked"]], "left", ""),
            (one["name"], "left name", one["code"]),
            (counted(one["incidents"], public, lang), "", ""),
            (f"{one['expected']:.1f}", "", ""),
            (fact(one["households"]), "optional", ""),
            (charts.q_text(one["q"]), "", ""),
            (go, "go", ""),
            **({} if k < printed else {"class": SCREEN}),
            **{"data-cell": one["index"], "data-theme": theme},
        )
        for k, one in enumerate(top)
    ]
    return part(PARTS, "table", _hotspot_heads(lang), body, body_kind="cells")


def _hotspot_heads(lang: Lang) -> list[tuple[str, str]]:
    return [
        (tr("Scope", lang=lang), "left"),
        (tr("Cell", lang=lang), "left"),
        (tr("Incidents", lang=lang), ""),
        (tr("Expected", lang=lang), ""),
        (tr("Households", lang=lang), "optional"),
        ("q", ""),
        ("", "go"),
    ]


@dataclass(frozen=True)
class Briefing:
    """A finished page.

    Attributes
    ----------
    html : str
        The whole page.
    figures : dict
        Every number on it.
    conclusion : str
        Its first sentences.
    """

    html: str
    figures: dict[str, Any]
    conclusion: str

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page as one file that loads nothing.

        Raises
        ------
        InputError
            When the file exists and may not be replaced, or cannot be written.
        """
        return write_page(self.html, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return frame(self.html, 860)
