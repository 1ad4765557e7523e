"""Understand columns by their headings, and what stands in them."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import pandas as pd

from gridmap._checks import check_choice
from gridmap.dates import DateOrder, moments
from gridmap.errors import InputError, reason_of
from gridmap.io.declared import declared
from gridmap.io.encodings import choose_encoding
from gridmap.io.text import counts, fold, numbers, texts
from gridmap.language import Lang, Message
from gridmap.privacy import personal_columns

Frame = TypeVar("Frame", bound=pd.DataFrame)

Table = Literal["jurisdiction", "building", "cell", "incident", "staff", "barrier", "dedicated"]
TABLES: tuple[str, ...] = get_args(Table)
OWN_ALIASES = "GRIDMAP_ALIASES"
_ALIAS_COLUMNS = ("table", "field", "rank", "headings")


_OPTIONS = {"households": "count", "lng": "x", "lat": "y"} | {
    name: name for name in ("code", "x", "y", "time", "category", "cells")
}
_COMPUTED = {*_OPTIONS, "closed", "due", "status", "handling_level", "role", "parent"}
TABLE_NAMES = {
    "jurisdiction": Message("jurisdiction"),
    "building": Message("building"),
    "cell": Message("cell"),
    "incident": Message("incident"),
    "staff": Message("staff"),
    "barrier": Message("barrier"),
    "dedicated": Message("dedicated", context="table"),
}
_COUNTS = ("households", "population")
_TIMES = ("time", "closed", "due", "accepted_at", "dispatched_at", "handled_at", "checked_at",
          "whistled_at", "answered_at")  # fmt: skip
_OF_ASSIGN = {"status", "nearest_code", "distance_m"}
"""What `assign` adds; its status is how a point lies, and no stage of a case."""
_SHIFTED = ("gcj02_lng", "gcj02_lat", "bd09_lng", "bd09_lat")
_SIDES = {"lng": "lng", "lat": "lat", "x": "lng", "y": "lat"}
_BRACKETED_DATUM = re.compile(
    r"[(\[【{<](?:[^)\]】}>]*(gcj|高德|腾讯|微信|火星|amap)|[^)\]】}>]*(bd-?09|百度|baidu))"
)
_PAIRS = (("lng", "lat"), ("x", "y"), ("gcj02_lng", "gcj02_lat"), ("bd09_lng", "bd09_lat"))
_NUMBERS = ("x", "y", "lng", "lat", *_SHIFTED, "area_m2", "floors", "cells")
NUMERIC = frozenset((*_COUNTS, *_NUMBERS))
"""Fields whose values are quantities, which a workbook holds as numbers."""

_TEXTS = ("code", "parent", "incident_id", "building_id", "person_id")
_ADDITIVE = re.compile(r"(?<![层级系次指函参代分基倍天年月岁])数$|人口|面积|数量|count$|^total"
                       r"|^n(?:o|um|umber)\.?of|^num(?=[^b])|(?:households|units)$")  # fmt: skip
_WORLD = ("UTC", "Etc/UTC", "GMT", "+00:00")
_MIDNIGHT = re.compile(r"[\s日T](?:24|２４)\s*[:：时時点點]")
_SHORTENED_CODES = Message(
    "{heading} has codes that a spreadsheet cut short, as {value}. Format the column as text where "
    "they are still whole, and save it again."
)
_AGAIN = re.compile(r"_\d+$")  # what a heading that stands twice gets behind it
_CUT_AT = (8, 9, 10)  # bytes at which a Shapefile may have cut a heading


@dataclass(frozen=True)
class Alias:
    """What a heading means: the field, and how strongly it says so (1 before 2)."""

    field: str
    rank: int


def aliases(table: str, extra: str | os.PathLike[str] | None = None) -> dict[str, Alias]:
    """Return the meaning of each folded heading for one kind of table.

    Parameters
    ----------
    table : str
        One of `TABLES`.
    extra : path, optional
        A CSV in the form of ``gridmap/tables/column_aliases.csv`` whose headings come first; the
        environment variable GRIDMAP_ALIASES names one for every call.

    Returns
    -------
    dict of str to Alias

    Raises
    ------
    InputError
        When the table is unknown or the extra file is no such table.
    """
    check_choice("table", table, TABLES)
    found = dict(_shipped()[table])
    own = extra if extra is not None else os.environ.get(OWN_ALIASES)
    if own:
        path = Path(own)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(
                "`{path}` cannot be read ({error}). Check it.", path=path, error=reason_of(error)
            ) from error
        found.update(_parse(data.decode(choose_encoding(data, name=str(path))), path.name)[table])
    return found


def headings(table: str, field: str) -> tuple[str, ...]:
    """Return the headings a field is known under, folded, the strongest first."""
    known = [(alias.rank, name) for name, alias in aliases(table).items() if alias.field == field]
    return tuple(name for _, name in sorted(known, key=lambda pair: pair[0]))


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, Alias]]:
    text = files("gridmap").joinpath("tables/column_aliases.csv").read_text("utf-8")
    return _parse(text, "column_aliases.csv")


def _parse(text: str, name: str) -> dict[str, dict[str, Alias]]:
    found: dict[str, dict[str, Alias]] = {table: {} for table in TABLES}
    rows = csv.DictReader(text.removeprefix("\ufeff").splitlines())
    if tuple(rows.fieldnames or ()) != _ALIAS_COLUMNS:
        raise InputError(
            "`{name}` must have the columns {alias_columns}.",
            name=name,
            alias_columns=[*_ALIAS_COLUMNS],
        )
    for number, row in enumerate(rows, start=2):
        table, rank = row["table"], row["rank"] or "1"
        if table not in found or not rank.isdigit() or not row["field"] or not row["headings"]:
            raise InputError(
                "`{name}`, line {number}: write table ({tables}), field, rank and headings "
                "separated by |.",
                name=name,
                number=number,
                tables=[*TABLES],
            )
        for heading in row["headings"].split("|"):
            found[table].setdefault(fold(heading), Alias(row["field"], int(rank)))
    return found


@dataclass(frozen=True)
class Understanding:
    """How the columns of a table were understood.

    Attributes
    ----------
    table : str
        The kind of table it was read as.
    columns : dict of str to str
        Field → heading in the file.
    ignored : tuple of str
        Headings that mean nothing to gridmap; the columns are kept.
    personal : dict of str to str
        Columns that look personal → why; they never reach a map.
    notes : list of (zh, en)
        What was assumed, mended or left out.
    stated : dict
        How it was read: rows, rows skipped as totals or signatures, and where they matter
        encoding, date_order, time_zone, datum.
    """

    table: str
    columns: dict[str, str]
    ignored: tuple[str, ...] = ()
    personal: dict[str, str] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)
    stated: dict[str, Any] = field(default_factory=dict)

    def as_dict(self, file: str = "", lang: Lang = "zh") -> dict[str, Any]:
        """Return it as plain data, for a JSON document."""
        return {
            "file": file,
            "read_as": self.table,
            **self.stated,
            "columns": dict(self.columns),
            "ignored": list(self.ignored),
            "notes": [note.text(lang) for note in self.notes],
        }

    def sentences(self, lang: Lang = "zh") -> list[str]:
        """Return what a reader should know, a line each."""
        renamed = [f"{a} ← {b}" for a, b in self.columns.items() if a != b]
        lines = [stated(self.stated)] if self.stated else []
        if renamed:
            lines.append(Message("Columns understood: {renamed}", renamed=renamed))
        lines += self.notes
        if self.personal:
            personal = Message("These look personal and never reach a map or briefing: {names}")
            lines.append(personal(names=[*self.personal]))
        return [line.text(lang) for line in lines]


_STATED = {
    "rows": Message("{n:,} {n:row|rows}"),
    "encoding": Message("encoding {value}"),
    "date_order": Message("dates {value}"),
    "time_zone": Message("times {value}"),
    "datum": Message("coordinates in {value}"),
}
_AS_WRITTEN = {
    "as written": Message("as written"),
    "of the grid": Message("the CRS of the grid"),
}


def stated(facts: Mapping[str, Any]) -> Message:
    """Return in one line how a file was read."""
    parts = [
        form(n=facts[name], value=_AS_WRITTEN.get(str(facts[name]), facts[name]))
        for name, form in _STATED.items()
        if name in facts
    ]
    return Message("Read: {parts}.", parts=parts)


def understand(
    frame: Frame,
    table: str,
    *,
    choose: Mapping[str, str | None] | None = None,
    own: str | os.PathLike[str] | None = None,
    convert: bool = True,
    date_order: DateOrder | None = None,
    time_zone: str | None = None,
) -> tuple[Frame, Understanding]:
    """Give columns their canonical names and types.

    Headings are compared without width, case, blanks, units in brackets and decoration, against
    the table of aliases; headings that a Shapefile cut are recognised by their beginning.

    Parameters
    ----------
    frame : DataFrame
        A table under the headings of its file.
    table : str
        What it is: ``jurisdiction``, ``building``, ``cell``, ``incident``, ``staff``,
        ``barrier`` or ``dedicated``.
    choose : mapping of field to heading, optional
        What the user said; it comes before every alias. None as heading says nothing.
    own : path, optional
        More aliases; see `gridmap.io.columns.aliases`.
    convert : bool
        Whether counts, times, numbers and codes are converted too.
    date_order : str, optional
        ``dmy``, ``mdy``, ``ymd`` or ``roc``, for dates that do not tell.
    time_zone : str, optional
        In which to count times that name a zone, as ``Asia/Shanghai``.

    Returns
    -------
    tuple of DataFrame and Understanding
        The frame on the same index, other columns as they were.

    Raises
    ------
    InputError
        When two columns claim one field, a chosen heading is not there, or a count is no number.

    Examples
    --------
    >>> table = pd.DataFrame({"小区名称": ["福苑"], "户数": ["3 60户"]})
    >>> frame, known = understand(table, "building")
    >>> int(frame["households"].iloc[0]), known.columns
    (360, {'compound': '小区名称', 'households': '户数'})
    """
    notes: list[Message] = list(frame.attrs.get("notes", []))
    facts: dict[str, Any] = {"rows": len(frame), "skipped": frame.attrs.get("skipped", 0)}
    if frame.attrs.get("encoding"):
        facts["encoding"] = str(frame.attrs["encoding"])
    geometry = getattr(frame, "_geometry_column_name", None)
    names = [str(column) for column in frame.columns if column != geometry]
    chosen = _chosen(names, choose or {}, table)
    known = aliases(table, own)
    apart = {*chosen.values(), *(("status",) if set(names) >= _OF_ASSIGN else ())}
    claims = _claims([name for name in names if name not in apart], known)
    if "accepted_at" in claims and "time" not in {*claims, *chosen}:
        claims["time"] = claims.pop("accepted_at")  # the first moment that is told
    columns = dict(chosen)
    for name, claimants in claims.items():
        if name not in columns:
            columns[name] = _settle(name, claimants, frame, notes)
    columns = dict(sorted(columns.items(), key=lambda pair: names.index(pair[1])))
    result = _renamed(frame, columns, table)
    if convert:
        result = _converted(result, columns, notes, facts, date_order, time_zone)
    used = set(columns.values())
    personal = personal_columns(frame)
    result.attrs = {k: v for k, v in frame.attrs.items() if k != "notes"}
    ignored = tuple(name for name in names if name not in used)
    return result, Understanding(table, columns, ignored, personal, notes, facts)


def _chosen(names: list[str], choose: Mapping[str, str | None], table: str) -> dict[str, str]:
    chosen = {}
    for name, heading in choose.items():
        if heading is None:
            continue
        match = _meant(heading, names)
        if len(match) != 1:
            raise InputError(
                "The {table} table has no column {heading!r}; it has {names}.",
                table=TABLE_NAMES[table],
                heading=heading,
                names=[*names],
            )
        chosen[name] = match[0]
    return chosen


def _claims(names: list[str], known: Mapping[str, Alias]) -> dict[str, list[tuple[int, str]]]:
    """Return for each field the columns that claim it, with their rank."""
    claims: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        first = _AGAIN.sub("", name)
        alias = _alias(name, known) or (_alias(first, known) if first in names else None)
        if alias is not None:
            claims.setdefault(alias.field, []).append((alias.rank, name))
    return claims


def meaning(heading: str, known: Mapping[str, Alias]) -> str:
    """Return the field that a heading means, empty when it means none."""
    alias = _alias(heading, known)
    return alias.field if alias is not None else ""


def _meant(wanted: str, headings: Sequence[str]) -> list[str]:
    """Return the headings that a user may mean: the same, or of the same meaning."""
    same = [h for h in headings if h == wanted] or [h for h in headings if fold(h) == fold(wanted)]
    known = [aliases(table) for table in TABLES]
    return same or [
        heading
        for heading in headings
        if any(meaning(heading, each) in {wanted, meaning(wanted, each)} - {""} for each in known)
    ]


def called(wanted: str, headings: Iterable[object]) -> str:
    """Return the one heading that a user means, in whichever language, or else what was said."""
    found = _meant(wanted, [str(heading) for heading in headings])
    return found[0] if len(found) == 1 else wanted


def heading_for(wanted: str, headings: Sequence[str]) -> str:
    """Return the heading that a user means: as it stands, or by what either is understood as.

    Raises
    ------
    InputError
        When there is none, or several.

    Examples
    --------
    >>> heading_for("households", ["小区名称", "总户数（户）"])
    '总户数（户）'
    >>> heading_for("网格编码", ["code", "name", "households"])
    'code'
    """
    found = _meant(wanted, headings)
    if len(found) == 1:
        return found[0]
    what = Message("could be any of {names}", names=found) if found else Message("is no column")
    raise InputError(
        "`{wanted}` {what}; the table has {headings}. Name one of these.",
        wanted=wanted,
        what=what,
        headings=[*headings],
    )


def _alias(name: str, known: Mapping[str, Alias]) -> Alias | None:
    found = known.get(fold(name)) or _cut_alias(name, known)
    side = _SIDES.get(found.field) if found is not None else None
    if side and (datum := _BRACKETED_DATUM.search(unicodedata.normalize("NFKC", name).lower())):
        return known.get(fold(f"{'gcj02' if datum[1] else 'bd09'}_{side}"), found)
    return found


def _cut_alias(name: str, known: Mapping[str, Alias]) -> Alias | None:
    """Recognise a heading of which a Shapefile left the first ten bytes."""
    sizes = {len(name.encode()), len(name.encode("gb18030", errors="ignore"))}
    if not sizes & set(_CUT_AT):
        return None
    start = fold(name)
    found = {alias.field: alias for text, alias in known.items() if text.startswith(start)}
    if len(start) < 3 or len(found) != 1:
        return None
    return next(iter(found.values()))


def _settle(
    name: str, claimants: list[tuple[int, str]], frame: pd.DataFrame, notes: list[Message]
) -> str:
    """Choose among the columns that claim a field, or refuse to."""
    best = min(rank for rank, _ in claimants)
    rivals = [heading for rank, heading in claimants if rank == best]
    if len(rivals) == 1:
        return rivals[0]
    first, *others = listed = rivals
    if all(frame[first].astype(str).equals(frame[other].astype(str)) for other in others):
        notes.append(Message("{listed} are equal; took {first}.", listed=listed, first=first))
        return first
    if name in _COMPUTED:
        option = Message("rename one")
        if name in _OPTIONS:
            option = Message("say which: `--{option} {first}`", option=_OPTIONS[name], first=first)
        raise InputError(
            "`{name}` could be any of the columns {listed}, which differ; {option}.",
            name=name,
            listed=listed,
            option=option,
        )
    notes.append(
        Message("{listed} all read as {name}; took {first}.", listed=listed, name=name, first=first)
    )
    return first


def _renamed(frame: Frame, columns: Mapping[str, str], table: str) -> Frame:
    """Rename to fields; a column that bears a field's name for something else steps aside."""
    geometry = getattr(frame, "_geometry_column_name", None)
    new = {heading: name for name, heading in columns.items()}
    for column in map(str, frame.columns):
        if column in columns and column not in new and column != geometry:
            new[column] = f"{column}_as_given"
    renamed: Frame = frame.rename(columns=new)
    if not renamed.columns.is_unique:
        twice = renamed.columns[renamed.columns.duplicated()].unique()
        raise InputError(
            "The {table} table has the column {twice} twice. Rename one.",
            table=TABLE_NAMES[table],
            twice=[*twice],
        )
    return renamed


def _converted(
    frame: Frame,
    columns: Mapping[str, str],
    notes: list[Message],
    facts: dict[str, Any],
    date_order: DateOrder | None,
    time_zone: str | None,
) -> Frame:
    fresh: dict[str, Any] = {}
    said = declared()
    order, zone = date_order or said.date_order, time_zone or said.time_zone
    first_day = frame.attrs.get("first_day", 1900)
    zones: dict[str, str | None] = {}
    for name, heading in columns.items():
        values = frame[name]
        if name in _COUNTS:
            fresh[name] = counts(values, heading, notes)
        elif name in _TIMES:
            times = moments(values, heading, notes, order=order, zone=zone, first_day=first_day)  # type: ignore[arg-type]
            if name == "time":
                facts |= stated_times(times)
            if (times != times.dt.normalize()).any():  # a mere day is of no zone
                zones[heading] = times.attrs.get("zone")
            times.attrs = {}
            fresh[name] = _by_its_end(times, values) if name == "due" else times
        elif name in _NUMBERS:
            fresh[name] = numbers(values, heading, notes)
        elif name in _TEXTS:
            fresh[name] = texts(values)
            short = fresh[name][fresh[name].str.fullmatch(r"\d(\.\d+)?[eE]\+?\d\d", na=False)]
            notes += [_SHORTENED_CODES(heading=heading, value=value) for value in short[:1]]
    if zone is None:
        _check_one_zone(zones)
    converted: Frame = frame.assign(**fresh)
    return converted


def stated_times(times: pd.Series) -> dict[str, str]:
    """Return how times were read, as `moments` left it on them."""
    order, zone = times.attrs.get("order", "ymd"), times.attrs.get("zone", "as written")
    return {"date_order": order, "time_zone": zone}


def _check_one_zone(zones: Mapping[str, str | None]) -> None:
    """Refuse times in UTC beside others that are not: no time between them is right."""
    world = [heading for heading, zone in zones.items() if zone in _WORLD]
    local = [heading for heading, zone in zones.items() if zone not in _WORLD]
    if world and local:
        raise InputError(
            "Column {heading!r} is in UTC and {other!r} is not, so that no time between them is "
            "right. Say in which zone to count: `--time-zone Asia/Shanghai`.",
            heading=world[0],
            other=local[0],
        )


def _by_its_end(due: pd.Series, given: pd.Series) -> pd.Series:
    """Let deadlines at 24:00 end with their day, as those that are days do."""
    due = due.copy()
    at = np.flatnonzero(due == due.dt.normalize())
    late = at[given.iloc[at].astype("str").str.contains(_MIDNIGHT, na=False)]
    due.iloc[late] -= pd.Timedelta("1us")
    return due


def is_additive(heading: str) -> bool:
    """Tell whether the values of a column add up, so that one for several rows is told once.

    Examples
    --------
    >>> [is_additive(heading) for heading in ("户数", "總人口", "楼栋号", "层数")]
    [True, True, False, False]
    """
    fields = {meaning(heading, aliases(table)) for table in TABLES}
    return bool(fields & {"households", "population", "area_m2"} or _ADDITIVE.search(fold(heading)))


def places_among(headings: Sequence[str]) -> bool:
    """Tell whether columns of coordinates are among some headings."""
    known = aliases("incident")
    fields = {meaning(heading, known) for heading in headings}
    return any({x, y} <= fields for x, y in _PAIRS)
