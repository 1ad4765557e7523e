"""The week of a grid office: what happened, what changed, what is overdue and what came back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap.briefings.briefing import briefing
from gridmap.briefings.charts import change_text
from gridmap.briefings.figures import change
from gridmap.briefings.period import Window, window
from gridmap.dates import FREQUENCY, NO_TIMES, UNREAD_TIMES
from gridmap.errors import InputError
from gridmap.hotspot_analysis.clusters import clusters
from gridmap.hotspot_analysis.hotspots import hotspots
from gridmap.incidents.assign import inside
from gridmap.incidents.cases import moments_of, own_columns
from gridmap.incidents.indicators import indicators
from gridmap.incidents.recurrence import duplicates, recheck, recurrence
from gridmap.incidents.tally import tally
from gridmap.incidents.workflow import department_calls, overdue, step_times
from gridmap.io.atomic import scratch, uninterrupted
from gridmap.io.excel_write import write_workbook
from gridmap.io.export import chinese_headings
from gridmap.io.tables import sheet_of
from gridmap.language import Lang, Message, joined, tr
from gridmap.maps.maps import hotspot_map
from gridmap.operations.patrol import patrol_days
from gridmap.operations.staffing import staffing
from gridmap.vocabulary import strange_words, vocabulary

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

Span = Literal["week", "month"]

BEFORE = 12
_LISTED = 20
LEAST_PERIODS = 5  # from which the past tells what to expect


@dataclass(frozen=True)
class Week:
    """The figures of one week or month.

    Attributes
    ----------
    figures : dict
        Every figure, JSON-able.
    sheets : dict of str to DataFrame
        The tables of the workbook.
    period : pandas.Period
        The week (Monday to Sunday) or month.
    incidents : DataFrame
        All cases at hand, for the page and the map.
    gaps : tuple of str
        What the data leave open: "days", "words", "roster".
    """

    figures: dict[str, Any]
    sheets: dict[str, pd.DataFrame]
    period: pd.Period
    incidents: pd.DataFrame = field(repr=False)
    gaps: tuple[str, ...] = ()

    def sentence(self, lang: Lang = "zh") -> str:
        """Tell the week in a sentence."""
        told, days = self.figures["incidents"], self.figures["period"]
        spots = self.figures["hotspots"]
        values = {
            "since": days["since"],
            "until": days["until"],
            "count": told["count"],
            "late": sum(row["overdue"] for row in self.figures.get("overdue", ())),
            "again": len(self.figures.get("recheck", ())),
            "new": len(spots["new"] or ()),
            "stays": len(spots["stays"] or ()),
            "alarms": len(self.figures["alarm"]),
        }
        if told["change"] is None:
            return tr(
                "{since} to {until}: {count:,} {count:case|cases}; {late:,} overdue, {again:,} to "
                "recheck, {new:,} new and {stays:,} lasting hot "
                "{stays:neighbourhood|neighbourhoods}, {alarms:,} {alarms:alarm|alarms} of the "
                "scan.",
                lang=lang,
                **values,
            )
        return tr(
            "{since} to {until}: {count:,} {count:case|cases}, {change} on the period before; "
            "{late:,} overdue, {again:,} to recheck, {new:,} new and {stays:,} lasting hot "
            "{stays:neighbourhood|neighbourhoods}, {alarms:,} {alarms:alarm|alarms} of the scan.",
            lang=lang,
            change=change_text(told, lang),
            **values,
        )


def one_table(tables: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Put the exports of several weeks together; a case that stands in several counts once.

    The row of the last table wins, as it knows best how far the case has come.

    Returns
    -------
    tuple of DataFrame and int
        The cases, and how many rows a later one replaced.

    Examples
    --------
    >>> first = pd.DataFrame({"incident_id": ["a", "b"], "status": ["处置", "处置"]})
    >>> second = pd.DataFrame({"incident_id": ["b", "c"], "status": ["结案", "处置"]})
    >>> cases, replaced = one_table([first, second])
    >>> cases["status"].tolist(), replaced
    (['处置', '结案', '处置'], 1)
    """
    attrs = tables[0].attrs
    whole = pd.concat(tables, ignore_index=True)
    kept = whole
    if "incident_id" in whole:
        number = whole["incident_id"].astype("string").str.strip()
        again = number.notna() & (number != "") & number.duplicated(keep="last")
        kept = whole[~again].reset_index(drop=True)
    kept.attrs = attrs
    return kept, len(whole) - len(kept)


def period_of(cases: pd.DataFrame, day: str | None, by: Span) -> pd.Period:
    """Return the week or month that holds a day; by default the last that the data cover whole."""
    frequency = FREQUENCY[by]
    if day is not None:
        try:
            return pd.Period(pd.Timestamp(day), freq=frequency)
        except ValueError as error:
            raise InputError(
                "`{by}` is {day!r}; give a day in it, as 2026-03-02.", by=by, day=day
            ) from error
    last = cases["time"].max() if "time" in cases else pd.NaT
    if cases.empty and "time" in cases:
        raise InputError("There is no record, so no {by} can be told: `--day` names one.", by=by)
    if pd.isna(last):
        raise InputError(UNREAD_TIMES if "time" in cases else NO_TIMES)
    period = pd.Period(last, freq=frequency)
    return period if last.normalize() == period.end_time.normalize() else period - 1


def week(
    grid: Grid,
    incidents: pd.DataFrame,
    *,
    day: str | None = None,
    by: Span = "week",
    staff: pd.DataFrame | None = None,
    level: str | None = None,
    lang: Lang = "zh",
) -> Week:
    """Compute the figures of a week or month, against those before it.

    Every count and rate is of the cases reported in the period inside the grid. What is overdue
    and what came back is told as of its last day, of all cases reported until then.

    Parameters
    ----------
    grid : Grid
        The cells.
    incidents : DataFrame
        All cases at hand, with ``time`` and positions, in known words.
    day : str, optional
        A day of the period; by default the last period that the data cover whole.
    by : {"week", "month"}
        What a period is.
    staff : DataFrame, optional
        The roster.
    level : str, optional
        Level of the areas; the first of the grid that has more than one.
    lang : {"zh", "en"}
        Language of names.

    Returns
    -------
    Week

    Raises
    ------
    InputError
        When nothing tells where or when a case was.
    """
    incidents = _with_places(incidents)
    placed, account = inside(incidents, grid)
    if "time" not in placed:
        raise InputError(NO_TIMES)
    if placed.empty and len(incidents):
        raise InputError(
            "None of the {n:,} {n:incident|incidents} lies in the grid. Declare what the "
            "coordinates are in (`--datum`), or use the grid they are of.",
            n=len(incidents),
        )
    placed = placed.assign(time=moments_of(placed, "time"))
    period = period_of(placed, day, by)
    plain = own_columns(placed)
    shown_window = _window(plain["time"], period)
    untimed = int(plain["time"].isna().sum())
    known = plain["time"].dropna().dt.to_period(FREQUENCY[by])
    plain = plain[plain["time"] <= period.end_time]
    steps = plain["time"].dt.to_period(FREQUENCY[by])
    now, earlier = plain[steps == period], plain[shown_window.held_before(plain["time"])]
    shown = plain[steps > period - BEFORE - 1]
    until = str(period.end_time.date())
    covers_before = shown_window.before is not None
    several = [name for name in grid.levels if grid.cells[name].nunique() > 1]
    level = level or next(iter(several or grid.levels), "parent")
    kinds = [name for name in ("category", "subcategory") if name in plain]
    tables = _tables(grid, plain, shown, now, earlier, until, level, kinds, covers_before, lang)
    series = steps.value_counts().reindex(pd.period_range(period - BEFORE, period), fill_value=0)
    doubles = _doubles(now, kinds)
    figures: dict[str, Any] = {
        "schema": "gridmap.weekly/1",
        "by": by,
        "period": {"since": str(period.start_time.date()), "until": until},
        "compared_with": _before(shown_window),
        "first_record": _day_of(shown_window.first),
        "last_record": _day_of(shown_window.last),
        "covered": shown_window.covered and shown_window.begun,
        "account": account | {"untimed": untimed, "replaced": 0},
        "incidents": _changed(len(now), len(earlier) if covers_before else None),
        "series": [
            {
                "since": str(p.start_time.date()),
                "count": int(n) if len(known) and known.min() <= p <= known.max() else None,
            }
            for p, n in series.items()
        ],
        "year_before": _year_before(steps, period, len(now), shown_window),
        "duplicates": doubles,
        "unknown_words": strange_words(now),
        "level": level,
    }
    if staff is not None:
        posted = staffing(staff, grid)
        tables["vacancies"], tables["roster"] = posted.vacancies, posted.problems
        row = posted.ratios().iloc[0]
        figures["staffing"] = {
            "workers": int(row["workers"]),
            "workers_per_cell": float(row["workers_per_cell"]),
            "vacancies": len(posted.vacancies),
            "problems": len(posted.problems),
        }
    figures["patrol"] = _patrol(plain, now, grid, period)
    figures["hotspots"] = _clusters(now, earlier if covers_before else None, grid)
    tables["alarm"] = _alarm(shown, now, grid, by)
    for name, table in tables.items():  # as JSON takes them: no NaN, no NumPy
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        figures[name] = [{str(key): _plain(value) for key, value in row.items()} for row in rows]
    open_ = {
        "days": not figures["covered"],
        "words": bool(figures["unknown_words"]),
        "roster": bool(figures.get("staffing", {}).get("problems")),
    }
    gaps = tuple(name for name, missing in open_.items() if missing)
    return Week(figures, tables, period, incidents, gaps)


def _with_places(incidents: pd.DataFrame) -> pd.DataFrame:
    """Return incidents with columns of places, blank where cases are known by their cells alone.

    Raises
    ------
    InputError
        When nothing tells where a case was.
    """
    if isinstance(incidents, gpd.GeoDataFrame) or {"x", "y"} <= set(incidents):
        return incidents
    if "code" not in incidents:
        raise InputError(
            "No column of `incidents` tells where a case was. Name those of its coordinates "
            "(`--x`, `--y`), or rename the one that holds its cell to `code`."
        )
    return incidents.assign(x=np.nan, y=np.nan)


def _tables(
    grid: Grid,
    plain: pd.DataFrame,
    shown: pd.DataFrame,
    now: pd.DataFrame,
    earlier: pd.DataFrame,
    until: str,
    level: str,
    kinds: list[str],
    covers_before: bool,
    lang: Lang,
) -> dict[str, pd.DataFrame]:
    """Return the tables of the workbook, those that the columns at hand allow."""
    areas = grid.cells[level].astype(str)
    tables = {"areas": _areas(now, earlier if covers_before else None, areas, until)}
    if "category" in plain:
        tables["categories"] = _by_word(now, earlier if covers_before else None, "category")
    if "status" in plain:
        tables["indicators"] = indicators(now, until=until, lang=lang).reset_index()
        by = "department" if "department" in plain else ()
        tables["overdue"] = overdue(plain, until, by=by).reset_index()
    moments = [name for name in ("accepted_at", "dispatched_at", "handled_at", "checked_at",
                                 "closed") if name in plain]  # fmt: skip
    if moments:
        tables["steps"] = step_times(shown, until=until, lang=lang).reset_index()
    for column in ("whistled", "joint"):
        if column in now:
            tables[column] = department_calls(now, column, until=until).reset_index()
    if "closed" in plain and len(plain):
        again = recurrence(plain, same=kinds, until=until)
        tables["recheck"] = recheck(plain, again, same=kinds).reset_index().head(_LISTED)
    return tables


def _areas(
    now: pd.DataFrame, earlier: pd.DataFrame | None, areas: pd.Series, until: str
) -> pd.DataFrame:
    """Count the cases of each area, with the change and the closure rate."""
    names = list(dict.fromkeys(areas))
    count = now["code"].map(areas).value_counts().reindex(names, fill_value=0)
    past = None
    if earlier is not None:
        past = earlier["code"].map(areas).value_counts().reindex(names, fill_value=0)
    rows = [
        {"area": name, **_changed(int(count[name]), None if past is None else int(past[name]))}
        for name in names
    ]
    table = pd.DataFrame(rows).set_index("area")
    if "status" in now and len(now):
        cases = now.assign(area=now["code"].map(areas))
        rates = indicators(cases, by="area", until=until).xs("closure", level="indicator")
        chosen = rates[["numerator", "denominator", "rate", "low", "high", "unknown"]]
        table = table.join(chosen.add_prefix("closure_"))
    return table.reset_index().sort_values("count", ascending=False, kind="stable")


def _by_word(now: pd.DataFrame, earlier: pd.DataFrame | None, column: str) -> pd.DataFrame:
    """Count the cases of each word, with the change."""
    count = now[column].dropna().astype(str).value_counts()
    past = None if earlier is None else earlier[column].dropna().astype(str).value_counts()
    names = list(dict.fromkeys([*count.index, *(past.index if past is not None else ())]))
    rows = [
        {
            column: name,
            **_changed(int(count.get(name, 0)), None if past is None else int(past.get(name, 0))),
        }
        for name in names
    ]
    return pd.DataFrame(rows, columns=[column, *_changed(0, None)])


def _changed(now: int, before: int | None) -> dict[str, Any]:
    """Return a count beside the one before, with the change and its interval."""
    return {"count": now, "before": before, **change(now, before)}


def _window(time: pd.Series, period: pd.Period) -> Window:
    """Return the window of a period; nothing covers it where there is no record at all."""
    if time.notna().any():
        return window(time, period.start_time, period.end_time)
    since, until = period.start_time, period.end_time.normalize()
    never: Any = pd.NaT
    return Window(since, until, None, never, False, never, False, until)


def _before(shown: Window) -> dict[str, str] | None:
    """Return the days that a period is compared with: as many, just before it."""
    if shown.before is None:
        return None
    since, until = (str(day.date()) for day in shown.before)
    return {"since": since, "until": until}


def _day_of(moment: pd.Timestamp) -> str | None:
    return None if pd.isna(moment) else str(moment.date())


def _year_before(
    steps: pd.Series, period: pd.Period, count: int, shown: Window
) -> dict[str, Any] | None:
    """Compare with the same period a year before, where the data cover both."""
    back = period - (52 if period.freqstr.startswith("W") else 12)
    if not shown.covered or back.start_time < shown.first:
        return None
    return _changed(count, int((steps == back).sum()))


def _doubles(now: pd.DataFrame, kinds: list[str]) -> dict[str, int] | None:
    """Count the reports of the period that repeat another."""
    if now.empty or not np.isfinite(now["x"].to_numpy(float)).any():
        return None
    method = duplicates(now, same=kinds[:1]).attrs["method"]
    return {name: int(method[name]) for name in ("reports", "duplicates", "problems")}


def _clusters(
    now: pd.DataFrame, earlier: pd.DataFrame | None, grid: Grid
) -> dict[str, list[str] | None]:
    """Name the hot cells that are new against the period before, that stay, and that are gone."""
    hot, past = _hot(now, grid), None if earlier is None else _hot(earlier, grid)
    if past is None:
        return {"hot": sorted(hot), "new": None, "stays": None, "gone": None}
    return {
        "hot": sorted(hot),
        "new": sorted(hot - past),
        "stays": sorted(hot & past),
        "gone": sorted(past - hot),
    }


def _alarm(shown: pd.DataFrame, now: pd.DataFrame, grid: Grid, by: Span) -> pd.DataFrame:
    """Scan for places that have more in the last periods than their own past lets expect."""
    columns = ["since", "cells", "members", "incidents", "expected", "risk", "p"]
    timed = shown[["code", "time"]]
    if now.empty or timed["time"].dt.to_period(FREQUENCY[by]).nunique() < LEAST_PERIODS:
        return pd.DataFrame(columns=columns)
    found = clusters(tally(timed, grid, by=by), grid, exposure=None, baseline="history")
    since = [str(period.start_time.date()) for period in found["since"]]
    members = found["members"].map(" ".join)
    return found.assign(since=since, members=members)[columns].reset_index(drop=True)


def _hot(cases: pd.DataFrame, grid: Grid) -> set[str]:
    if cases.empty or not grid.cells["households"].any():
        return set()
    spots = hotspots(tally(cases, grid), grid)
    return set(spots.index[spots["bin"] > 0])


def _patrol(
    plain: pd.DataFrame, now: pd.DataFrame, grid: Grid, period: pd.Period
) -> dict[str, Any] | None:
    """Count the days on which the patrol reported nothing from a cell, where it ever reported."""
    read = vocabulary("sources").read
    if "source" not in plain or not (read(plain["source"]) == "patrol").any():
        return None
    own = now[read(now["source"]) == "patrol"]
    days = patrol_days(own, grid, since=period.start_time, until=period.end_time)
    missed = days.attrs["missed"]
    return {
        "reports": len(own),
        "cell_days": int(days.size),
        "cell_days_missed": sum(missed.values()),
        "cells_never": len(days.attrs["never"]),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else value


def write_week(
    made: Week,
    grid: Grid,
    output: str | Path,
    *,
    staff: pd.DataFrame | None = None,
    title: str | None = None,
    source: str = "",
    lang: Lang = "zh",
) -> tuple[Path, bool]:
    """Write page, workbook, map and figures of a week into a folder of its own, all or nothing.

    Returns
    -------
    tuple of Path and bool
        The folder, named after the week or month, and whether anything in it is new. A folder of
        the same week is replaced as a whole, once the new one is complete.
    """
    home = Path(output)
    folder = home / _label(made.period)
    home.mkdir(parents=True, exist_ok=True)
    with scratch(home) as name:
        fresh = Path(name) / folder.name
        fresh.mkdir()
        _write_files(made, grid, fresh, staff, title, source, lang)
        if folder.is_dir() and _same(folder, fresh):
            return folder, False
        with uninterrupted():
            if folder.exists():
                os.replace(folder, Path(name) / "old")
            os.replace(fresh, folder)
    return folder, True


def _write_files(
    made: Week,
    grid: Grid,
    folder: Path,
    staff: pd.DataFrame | None,
    title: str | None,
    source: str,
    lang: Lang,
) -> None:
    figures = json.dumps(made.figures, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "figures.json").write_text(figures + "\n", "utf-8")
    write_workbook(
        {_title(name, lang): sheet_of(_headed(table, lang)) for name, table in made.sheets.items()},
        folder / "workbook.xlsx",
    )
    since, until = made.period.start_time, made.period.end_time.normalize()
    shown, by = made.incidents, made.figures["by"]
    page = briefing(
        grid, shown, staff=staff, title=title, since=since, until=until, by=by, source=source,
        tables=_panels(made, grid, lang), lang=lang,
    )  # fmt: skip
    page.save(folder / "briefing.html")
    now = inside(shown[shown["time"].between(since, made.period.end_time)], grid)[0]
    if grid.cells["households"].any():
        spots = hotspots(tally(now, grid), grid)
        drawn = hotspot_map(grid, spots, title=title, source=source, lang=lang)
        drawn.save(folder / "map.html")


_TITLES = {
    "areas": Message("areas"),
    "categories": Message("categories"),
    "indicators": Message("indicators"),
    "overdue": Message("overdue"),
    "steps": Message("time of each step"),
    "whistled": Message("calls to departments"),
    "joint": Message("joint handling"),
    "recheck": Message("to recheck"),
    "alarm": Message("alarm of the scan"),
    "vacancies": Message("without leader"),
    "roster": Message("rows of the roster"),
}
_HEADINGS = {"name": "名称", "code": "编码", "closed": "结案已满观察期", "expected": "按以往应有",
             "median_hours": "中位用时（小时）", "p90_hours": "90% 分位用时（小时）"}  # fmt: skip
_PANELS = {
    "overdue": ["department", "open", "overdue", "median_days", "longest_days"],
    "steps": ["name", "cases", "median_hours", "p90_hours"],
    "whistled": ["department", "cases", "answered", "waiting", "median_hours"],
    "joint": ["department", "cases"],
    "recheck": ["code", "category", "reports", "closed", "recurred", "asked", "unsatisfied"],
    "vacancies": ["level", "name"],
    "alarm": ["since", "cells", "incidents", "expected", "p", "members"],
}
_PANEL_ROWS = 8


def _title(name: str, lang: Lang) -> str:
    return _TITLES[name].text(lang)


def _headed(table: pd.DataFrame, lang: Lang) -> pd.DataFrame:
    """Give a table the headings of the language."""
    names = chinese_headings(table.columns) | _HEADINGS if lang == "zh" else {}
    return table.rename(
        columns={name: names.get(name, str(name).replace("_", " ")) for name in table.columns}
    )


def _capital(text: str) -> str:
    """Begin a heading with a capital when it begins with a word, as p and p90 do not."""
    return text[:1].upper() + text[1:] if re.match("[a-z]{2}", text) else text


def _panels(made: Week, grid: Grid, lang: Lang) -> Mapping[str, pd.DataFrame]:
    """Return the tables that the page shows below, short, by names and in whole numbers."""
    names = grid.in_language(lang).cells["name"].astype(str)
    panels = {"": _clusters_table(made.figures["hotspots"], names, lang)}
    for name, columns in _PANELS.items():
        table = made.sheets.get(name)
        if table is None or table.empty:
            continue
        if "asked" in table and not table["asked"].any():
            table = table.drop(columns=["asked", "unsatisfied"])
        kept = table[[column for column in columns if column in table]].head(_PANEL_ROWS)
        if "p" in kept:
            kept = kept.assign(p=["<0.001" if p < 0.001 else f"{p:.3f}" for p in kept["p"]])
        headed = _headed(_named(kept, name, names, lang).map(_short), lang)
        panels[name] = headed.rename(columns=_capital)
    since = max(made.figures["series"][0]["since"], made.figures["first_record"] or "")
    titles = {
        "": tr("Hot neighbourhoods (a cell with those around it), new and lasting", lang=lang),
        "steps": tr("Time of each step since {day}", lang=lang, day=since),
    }
    named = {name: titles.get(name) or _title(name, lang) for name in panels}
    return {_capital(named[name]): table for name, table in panels.items()}


def _named(table: pd.DataFrame, panel: str, names: pd.Series, lang: Lang) -> pd.DataFrame:
    """Call cells by their names, which readers know them by, and say what a name is of."""
    if "code" in table:
        table = table.assign(code=table["code"].map(names))
    if "members" in table:
        known = [joined(names.reindex(codes.split()).tolist(), lang) for codes in table["members"]]
        table = table.assign(members=known)
    titles = {"code": Message("Cell"), "members": Message("Which", context="cells")}
    if panel == "steps":
        titles["name"] = Message("Step")
    return table.rename(columns={key: word.text(lang) for key, word in titles.items()})


def _clusters_table(
    spots: Mapping[str, list[str] | None], names: pd.Series, lang: Lang
) -> pd.DataFrame:
    """Name the hot cells by what became of them since the period before."""
    titles = {"new": Message("new"), "stays": Message("lasting"), "gone": Message("gone")}
    rows = []
    for key, title in titles.items():
        codes = spots[key]
        named = tr("unknown: no data of before", lang=lang)
        if codes is not None:
            named = joined(names.reindex(codes[:_PANEL_ROWS]).tolist(), lang) or "–"
        rows.append((title.text(lang), "–" if codes is None else f"{len(codes):,}", named))
    heads = tr("State", lang=lang), tr("Cells", lang=lang), tr("Which", lang=lang, context="cells")
    return pd.DataFrame(rows, columns=list(heads))


def _short(value: Any) -> Any:
    if value is None or value != value:
        return "–"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.1f}".removesuffix(".0") if isinstance(value, float) else value


def _label(period: pd.Period) -> str:
    """Name a week as 2026-W09, after ISO 8601, and a month as 2026-03."""
    if period.freqstr.startswith("W"):
        year, number, _ = period.end_time.isocalendar()
        return f"{year}-W{number:02d}"
    return str(period)


def _same(old: Path, new: Path) -> bool:
    """Tell whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in new.iterdir())
    if sorted(path.name for path in old.iterdir()) != names:
        return False
    return all((old / name).read_bytes() == (new / name).read_bytes() for name in names)
