"""Parts of the briefing page: tables and lists as HTML, every word escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import pandas as pd

from gridmap.briefings import charts
from gridmap.briefings.charts import change_text, counted, fact, percent
from gridmap.language import Lang, Message, joined, tr
from gridmap.maps.themes import level_title
from gridmap.privacy import SMALL

Figures = dict[str, Any]
MOST_NAMED = 5  # words that are not known
esc = html.escape


def spoken(pieces: Iterable[tuple[str, str]]) -> str:
    """Write a sentence of toned pieces."""
    return "".join(_toned(text, tone) for text, tone in pieces)


def _toned(text: str, tone: str) -> str:
    if not tone:
        return esc(text)
    return f"<b>{esc(text)}</b>" if tone == "strong" else f'<b class="{tone}">{esc(text)}</b>'


def card(one: dict[str, str]) -> str:
    """Write a key figure."""
    unit = f"<small>{esc(one['unit'])}</small>" if one["unit"] else ""
    return (
        f"<div><span>{esc(one['label'])}</span><b>{esc(one['value'])}{unit}</b>"
        f'<em class="{one["tone"]}" title="{esc(one["below"])}">{esc(one["below"])}</em></div>'
    )


def trend(found: Figures, lang: Lang) -> str:
    """Draw the trend, or say that there are no times."""
    told = found["trend"]
    if told is None:
        text = tr("No times were recognised; name the column: --time.", lang=lang)
        return f'<p class="empty">{esc(text)}</p>'
    titles = [
        f"{label}: {count:,}" for label, count in zip(told["labels"], told["counts"], strict=True)
    ]
    return charts.trend_chart(
        charts.short_dates(told["labels"]),
        told["counts"],
        told["mean"],
        told["whole"],
        titles,
        told["own"],
    )


def share_table(rows: list[tuple[str, int, float, str]]) -> str:
    """Write names with counts, shares as bars, and a last column."""
    return (
        "<table><tbody>"
        + "".join(
            f'<tr><td class="left">{esc(name)}</td><td>{fact(count)}</td>'
            f'<td class="bar">{charts.share_bar(share)}</td><td>{percent(share, 1)}</td>'
            f"{f'<td>{esc(last)}</td>' if last else ''}</tr>"
            for name, count, share, last in rows
        )
        + "</tbody></table>"
    )


def stages(rows: list[dict[str, Any]]) -> str:
    """Write steps in their order, each with its share of all."""
    return share_table([(row["name"], row["cases"], row["share"], "") for row in rows])


def words(rows: list[dict[str, Any]], lang: Lang, public: bool) -> str:
    """Write the commonest words of a column with their change."""
    others = tr("others", lang=lang)
    shown = [row for row in rows if not (public and row["count"] < SMALL)]
    changes = any(row["change"] is not None for row in shown)
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


def panel(titled: tuple[str, pd.DataFrame]) -> str:
    """Write a table of texts and numbers under its title."""
    title, frame = titled
    plain = [not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    head = "".join(
        f'<th class="{"left" if left else ""}">{esc(str(name))}</th>'
        for name, left in zip(frame.columns, plain, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{"left" if left else ""}">{esc(str(value))}</td>'
            for value, left in zip(row, plain, strict=True)
        )
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return (
        f'<section class="panel"><h2>{esc(title)}</h2><table class="wrap"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></section>"
    )


def fact_list(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Write figures before what they count: value, tone, text, hint."""
    return (
        "<dl>"
        + "".join(
            f'<div><dt class="{tone}">{esc(value)}</dt><dd>{esc(text)}'
            f"{f'<small>{esc(hint)}</small>' if hint else ''}</dd></div>"
            for value, tone, text, hint in rows
        )
        + "</dl>"
    )


def quality(found: Figures, lang: Lang, public: bool = False) -> str:
    """Write the verdict of the proof, the cells off the band and what became of each record."""
    rows = [_proved(found, lang), *_banded(found, lang), *_accounted(found, lang)]
    return fact_list([*rows, *_unknown(found, lang, public)])


def _proved(found: Figures, lang: Lang) -> tuple[str, str, str, str]:
    proof = found["proof"]
    good = proof["verdict"] == "exact"
    return (
        fact(proof["leftover"]),
        "good" if good else "bad",
        tr("edges left over (gaps, overlaps)", lang=lang),
        (Message("proved exact") if good else Message("not proved exact")).text(lang),
    )


def _banded(found: Figures, lang: Lang) -> list[tuple[str, str, str, str]]:
    cells = found["cells"]
    if not cells["households"]:
        return [("–", "", tr("households unknown", lang=lang), "")]

    def homes(extreme: dict[str, Any] | None, said: Message) -> str:
        return "" if extreme is None else said(n=extreme["households"]).text(lang)

    return [
        (
            fact(cells["above"]),
            _tone(cells["above"]),
            tr("cells above {high} {high:household|households}", lang=lang, high=cells["high"]),
            homes(cells["largest"], Message("largest {n:,}")),
        ),
        (
            fact(cells["below"]),
            _tone(cells["below"]),
            tr("cells below {low} {low:household|households}", lang=lang, low=cells["low"]),
            homes(cells["smallest"], Message("smallest {n:,}")),
        ),
        (
            fact(cells["certified"]),
            "",
            tr("of these with a recorded reason", lang=lang),
            "",
        ),
    ]


def _accounted(found: Figures, lang: Lang) -> list[tuple[str, str, str, str]]:
    told = found["account"]
    outside, invalid = fact(told["outside"]), fact(told["invalid"])
    unusable = told["invalid"] + told["outside"]
    return [
        (
            fact(told["read"]),
            "",
            tr("incidents read", lang=lang),
            tr("{assigned} in cells", lang=lang, assigned=fact(told["assigned"])),
        ),
        (
            fact(unusable),
            _tone(unusable),
            tr("not in a cell", lang=lang),
            tr(
                "{outside} outside, {invalid} unusable", lang=lang, outside=outside, invalid=invalid
            ),
        ),
    ]


def _unknown(found: Figures, lang: Lang, public: bool) -> list[tuple[str, str, str, str]]:
    """Tell words that are not known; in public only how many cases have one."""
    texts = {
        "status": Message("of unknown status: not known whether closed"),
        "handling_level": Message("handled at an unknown level"),
        "source": Message("of an unknown source"),
    }
    rows = []
    for column, words in found["unknown_words"].items():
        hint = "" if public else joined(list(words)[:MOST_NAMED], lang)
        rows.append((fact(sum(words.values())), "bad", texts[column].text(lang), hint))
    return rows


def indicators(found: Figures, lang: Lang) -> str:
    """Write the indicators with counts and intervals."""
    head = "".join(
        f'<th class="{name}">{esc(text)}</th>'
        for text, name in [
            (tr("Indicator", lang=lang), "left"),
            (tr("Counts", lang=lang, context="indicators"), "roomy"),
            (tr("Rate", lang=lang, context="indicators"), ""),
            (tr("95% interval", lang=lang), ""),
        ]
    )
    body = "".join(
        f'<tr title="{esc(one["formula"])}"><td class="left">{esc(one["name"])}</td>'
        f'<td class="roomy">{fact(one["numerator"])} / {fact(one["denominator"])}</td>'
        f"<td><b>{_known_rate(one, lang)}</b></td><td>{_span(one, lang)}</td></tr>"
        for one in found["indicators"] or ()
    )
    return f'<table class="wrap"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _known_rate(one: dict[str, Any], lang: Lang) -> str:
    return tr("unknown", lang=lang) if one["rate"] is None else percent(one["rate"])


def _span(one: dict[str, Any], lang: Lang) -> str:
    """Write an interval, and how many cases are unknown."""
    span = "" if one["rate"] is None else f"{percent(one['low'])[:-1]} – {percent(one['high'])}"
    unknown = tr("+ {unknown:,} unknown", lang=lang, unknown=one["unknown"])
    return f"{span} {unknown}".strip() if one["unknown"] else span


def staffing(found: Figures, lang: Lang) -> str:
    """Write posts by role, and the cells that lack a leader or have too many homes a worker."""
    told = found["staffing"]
    total = max(told["posts"], 1)
    rows = [(one[lang], one["posts"], one["posts"] / total, "") for one in told["roles"]]
    limit = f"{told['limit']:g}"
    facts = [
        (
            f"{told['per_cell']:.2f}",
            "",
            tr("workers per cell", lang=lang),
            tr("{workers} in all", lang=lang, workers=fact(told["workers"])),
        ),
        (
            fact(told["without_leader"]),
            _tone(told["without_leader"]),
            tr("cells without a leader", lang=lang),
            "",
        ),
        (
            fact(told["overcharged"]),
            _tone(told["overcharged"]),
            tr("cells over {limit} {limit:household|households} a worker", lang=lang, limit=limit),
            "",
        ),
    ]
    if not told["covered"]:  # the roster names no cells, so none is called vacant
        facts = facts[:1]
    return share_table(rows) + fact_list(facts)


def _tone(count: int) -> str:
    return "bad" if count else "good"


SCREEN = ' class="screen"'
PAPER_PLACES, PAPER_ROWS = 12, 17  # rows of the ranking, and of both tables, that a sheet holds


def ranking(found: Figures, lang: Lang, level: int | None, public: bool) -> str:
    """Write the ranking of places: rate with interval, count, change, hotspots, closure, trend."""
    rows = found["ranking"]["rows"]
    most = max((row["high"] for row in rows if row["incidents"] and row["high"]), default=0.0)
    changes = any(row["change"] is not None for row in rows)
    closures = any(row.get("closure") is not None for row in rows)
    posts = any("leaderless" in row for row in rows)
    heads = [
        ("#", ""),
        (level_title(found["ranking"]["level"], lang), "left"),
        (tr("per 100 hh", lang=lang), ""),
        (tr("Incidents", lang=lang), ""),
        *([(tr("Change", lang=lang), "")] if changes else []),
        (tr("Hot", lang=lang), ""),
        (tr("Off band", lang=lang), "roomy"),
        *([(tr("Closed", lang=lang), "")] if closures else []),
        *([(tr("No leader", lang=lang), "optional")] if posts else []),
        (tr("Trend", lang=lang), "optional"),
    ]
    head = "".join(f'<th class="{name}">{esc(text)}</th>' for text, name in heads)
    body = "".join(
        _place(row, k + 1, found, lang, most, level, public, changes, closures, posts)
        for k, row in enumerate(rows)
    )
    return (
        f'<table style="--rows:{len(rows)}"><thead><tr>{head}</tr></thead>'
        f'<tbody class="places">{body}</tbody></table>'
    )


def _place(
    row: dict[str, Any],
    rank: int,
    found: Figures,
    lang: Lang,
    most: float,
    level: int | None,
    public: bool,
    changes: bool,
    closures: bool,
    posts: bool,
) -> str:
    link = "" if level is None else f' data-level="{level}" data-place="{row["place"]}"'
    small = public and 0 < row["incidents"] < SMALL
    name = row["name"] or tr("Whole area", lang=lang)
    rate = "–"
    hint = ""
    if row["rate"] is not None and not small:
        bar = charts.interval_bar(
            row["rate"], row["low"], row["high"], most, found["incidents"]["rate"] or 0.0
        )
        rate = f"{bar}<span>{row['rate']:.2f}</span>"
        hint = f"95%: {row['low']:.2f} – {row['high']:.2f}"
    cells = [
        (str(rank), "quiet", ""),
        (esc(name), "left name", name),
        (rate, "rate", hint),
        (counted(row["incidents"], public, lang), "", ""),
        *([(change_text(row, lang, short=True), "", change_text(row, lang))] if changes else []),
        (fact(row["hot"]), "", ""),
        (fact(row["out_of_band"]), "roomy", ""),
        *([_closure(row)] if closures else []),
        *([(fact(row["leaderless"]), "optional", "")] if posts else []),
        ("" if small else charts.spark(row["spark"]), "optional", ""),
    ]
    inner = "".join(
        f'<td class="{name}"' + (f' title="{esc(title)}"' if title else "") + f">{text}</td>"
        for text, name, title in cells
    )
    where = "" if rank <= PAPER_PLACES else SCREEN
    return f"<tr{where}{link}>{inner}</tr>"


def _closure(row: dict[str, Any]) -> tuple[str, str, str]:
    if row.get("closure") is None:
        return "–", "", ""
    interval = f"95%: {percent(row['closure_low'])} – {percent(row['closure_high'])}"
    return percent(row["closure"]), "", interval


def hotspots(found: Figures, lang: Lang, theme: int, public: bool) -> str:
    """List the strongest hotspots with what was expected; a click leads to the map."""
    top = found["hotspots"]["top"]
    if not top:
        text = tr("No cell stands out above chance in this period.", lang=lang)
        if not found["cells"]["households"]:
            text = tr("Not tested, as households are unknown.", lang=lang)
        return f'<p class="empty">{esc(text)}</p>'
    head = "".join(
        f'<th class="{name}">{esc(text)}</th>'
        for text, name in [
            ("z", ""),
            (tr("Cell", lang=lang), "left"),
            (tr("Incidents", lang=lang), ""),
            (tr("Expected", lang=lang), ""),
            (tr("Households", lang=lang), "optional"),
            ("q", ""),
            ("", "go"),
        ]
    )
    go = tr("Show", lang=lang)
    printed = PAPER_ROWS - min(len(found["ranking"]["rows"]), PAPER_PLACES)
    body = "".join(
        f'<tr{"" if k < printed else SCREEN} data-cell="{one["index"]}" data-theme="{theme}">'
        f"<td><b>{one['z']:.1f}</b></td>"
        f'<td class="left name" title="{esc(one["code"])}">{esc(one["name"])}</td>'
        f"<td>{counted(one['incidents'], public, lang)}</td><td>{one['expected']:.1f}</td>"
        f'<td class="optional">{fact(one["households"])}</td><td>{_small(one["q"])}</td>'
        f'<td class="go">{esc(go)}</td></tr>'
        for k, one in enumerate(top)
    )
    return f'<table><thead><tr>{head}</tr></thead><tbody class="cells">{body}</tbody></table>'


def _small(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
