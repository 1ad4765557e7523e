"""The words of cities: what roles, levels, sources, statuses and categories mean, from tables."""

from __future__ import annotations

import csv
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import numpy as np
import pandas as pd

from gridmap._checks import check_choice, simplified
from gridmap.errors import InputError, UnknownWordsWarning
from gridmap.language import Message

Kind = Literal["roles", "sources", "levels", "statuses", "categories", "satisfaction"]
Row = dict[str, str]

COLUMNS: dict[Kind, str] = {
    "roles": "role",
    "sources": "source",
    "levels": "handling_level",
    "statuses": "status",
    "categories": "category",
    "satisfaction": "satisfaction",
}
"""The column that a kind of words stands in."""

_SAID = {
    "roles": Message("role", context="column"),
    "sources": Message("source", context="column"),
    "levels": Message("handling_level", context="column"),
    "statuses": Message("status", context="column"),
    "categories": Message("category", context="column"),
    "satisfaction": Message("satisfaction", context="column"),
}

_KEYS = {"levels": "en", "satisfaction": "answer", "statuses": "stage"}
_UNTOLD = ("", "?", "？", "unknown", "未知", "不详")
_NAMED = 20
_SHOWN_CHOICES = 6
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_BRACKETED = re.compile(r"(?<=[(（\[【]).*?(?=[)）\]】])")
_SEVERAL = re.compile(r"[、,，;；/|+→>\s]+")
_HELD = re.compile(r"[兼、,，/]")
_DENIED = re.compile(  # 非常满意 denies nothing
    r"^非(?!常)|^不是|[(（\[【](?:空缺|暂缺|缺员|空岗|待定|待补|待聘|拟任|离职|离任|调离|vacant)"
)
_SIGNS = re.compile(r"[()（）\[\]【】]")
_ORDINAL = re.compile(
    r"^(?:第?([一二三四五六1-6]|i{1,3}|iv|vi?)级|(?:level|l) ?([1-6]))"
    r"(?:网格|层级)?(?:自行|自主)?(?:处置|处理|办理|解决|自办|办)?$"
)
_DIGITS = {
    digit: place
    for digits in ("一二三四五六", ("i", "ii", "iii", "iv", "v", "vi"), "123456")
    for place, digit in enumerate(digits, start=1)
}
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
_DECIMALS = re.compile(r"(?<=^\d)\.0+$")  # that a table adds to levels told by a figure
_BETWEEN = re.compile(r"(?<=[a-z])[\s_-]+(?=[a-z])")


@dataclass(frozen=True)
class Vocabulary:
    """What the words of one kind mean.

    Attributes
    ----------
    kind : str
        One of roles, sources, levels, statuses, categories, satisfaction.
    entries : mapping
        Meanings in order: key → row of the table, as zh, en, group or order.
    words : mapping
        Word, folded → key; "" where the word is known to tell nothing. An ordinal stands for all
        its forms as ``3级``.
    """

    kind: Kind
    entries: Mapping[str, Row]
    words: Mapping[str, str]

    def read(self, given: pd.Series, told: Mapping[str, float] | None = None) -> pd.Series:
        """Return the meaning of each word, missing where it is none that is known.

        With `told`, the number that each meaning stands for.

        Examples
        --------
        >>> vocabulary("statuses").read(pd.Series(["已结案", "飞走了"])).fillna("?").tolist()
        ['closed', '?']
        """
        place, words = pd.factorize(given)
        meant = [self._meaning(word) or None for word in words]
        values: list[object] = [*meant, np.nan]
        if told is not None:
            values = [told.get(str(key), np.nan) for key in values]
        kind = object if told is None else float
        return pd.Series(np.array(values, dtype=kind)[place], given.index, name=given.name)

    def unknown(self, given: pd.Series) -> dict[str, int]:
        """Count the words whose meaning is not known, the commonest first.

        Examples
        --------
        >>> vocabulary("statuses").unknown(pd.Series(["结案", "飞走了", "飞走了", None]))
        {'飞走了': 2}
        """
        counts = Counter[str]()
        found = given.value_counts()
        counts[""] = len(given) - int(found.sum())
        for word, n in found.items():
            counts[str(word).strip()] += int(n)
        known = counts.most_common()
        return {word: n for word, n in known if n and self._meaning(word) is None}

    def warn(self, given: pd.Series) -> None:
        """Name the unknown words with their counts and a ready line of the file that adds them."""
        unknown = self.unknown(given)
        if not unknown:
            return
        words = [*unknown][:_NAMED]
        more = "" if len(unknown) <= _NAMED else " …"
        named = ", ".join(f"{word!r} ({unknown[word]:,})" for word in words) + more
        choices = "|".join([*self.entries][:_SHOWN_CHOICES]) or "…"
        lines = "; ".join(f"{word},{choices}" for word in words)
        ordinal = [word for word in words if _ORDINAL.match(fold(word))]
        if self.kind == "levels" and ordinal:
            told = Message(
                "`handling_level` counts levels ({ordinal}), and cities count them from the top or "
                "from the bottom. Until you say which is meant they are unknown.",
                ordinal=[*ordinal],
            )
            warnings.warn(UnknownWordsWarning(told), stacklevel=3)
        told = Message(
            "`{column}` is in words that are not known: {named}. They count as unknown. "
            "Lines under word,meaning for `gridmap … --{kind} FILE`, in Python for "
            "`gridmap.vocabulary.in_known_words`: {lines}.",
            column=_SAID[self.kind],
            named=named,
            kind=self.kind,
            lines=lines,
        )
        warnings.warn(UnknownWordsWarning(told), stacklevel=3)

    def _meaning(self, word: object) -> str | None:
        """Return the key of a word, "" where it is known to tell nothing, None if unknown."""
        text = fold(word)
        if text not in self.words and _DENIED.search(text):
            return None
        for form in (text, _BRACKETS.sub("", text)) if self.kind != "statuses" else (text,):
            found = self._plain_meaning(form)
            if found is not None:
                return found
        if text in _UNTOLD:
            return ""
        if self.kind == "statuses":  # 缓办、结案: the furthest of them counts
            parts = [part for part in _SEVERAL.split(_SIGNS.sub(" ", text)) if part]
            known = [key for key in map(self._plain_meaning, parts) if key]
            if len(parts) > 1 and len(known) == len(parts):
                return max(known, key=[*self.entries].index)
            return self._plain_meaning(_BRACKETS.sub("", text))
        if self.kind == "levels" and _ORDINAL.match(_BRACKETS.sub("", text)):  # 一级网格（街道）
            return self._plain_meaning("".join(_BRACKETED.findall(text)))
        if self.kind == "roles":  # 网格长兼网格员: the one that answers for most
            held = [key for key in map(self._plain_meaning, _HELD.split(text)) if key]
            if len(held) == len(_HELD.split(text)):
                return min(held, key=[*self.entries].index)
        return None

    def _plain_meaning(self, text: str) -> str | None:
        """Return the key of a folded word: as listed, as an ordinal, or as a pattern has it."""
        if text in self.words:
            return self.words[text]
        ordinal = _ORDINAL.match(text) if self.kind == "levels" else None
        if ordinal:
            return self.words.get(f"{_number(ordinal)}级")
        for key, pattern in _patterns(self.kind):
            if pattern.fullmatch(text):
                return key
        return None


def vocabulary(
    kind: Kind, own: pd.DataFrame | None = None, *, levels: Sequence[str] = ()
) -> Vocabulary:
    """Return the words of a kind: those shipped, a city's own, and the levels of its grid.

    Parameters
    ----------
    kind : str
        One of roles, sources, levels, statuses, categories, satisfaction.
    own : DataFrame, optional
        The city's words: a column of words and one of their meanings, each a key of the table or
        any word known for it. "?" says that a word tells nothing.
    levels : sequence of str
        Levels of a grid, coarse to fine, which are words for levels too. Where they are ordinals,
        as 一级网格, they tell what the city's ordinals mean.

    Returns
    -------
    Vocabulary

    Raises
    ------
    InputError
        When a table has not the two columns, or a meaning is none.

    Examples
    --------
    >>> own = pd.DataFrame({"word": ["一级网格"], "meaning": ["街道"]})
    >>> vocabulary("levels", own).read(pd.Series(["一级网格", "二级网格"])).fillna("?").tolist()
    ['street', '?']
    >>> bound = vocabulary("levels", levels=["一级网格", "二级网格"])
    >>> bound.read(pd.Series(["一级", "二级网格", "三级网格"])).tolist()
    ['street', 'community', 'cell']
    """
    check_choice("kind", kind, get_args(Kind))
    shipped = _shipped(kind)
    words = dict(shipped.words)
    if kind == "levels":
        words |= _of_grid(levels, shipped)
    known = Vocabulary(kind, shipped.entries, words)
    if own is None:
        return known
    entries, fresh = dict(shipped.entries), {}
    for word, meaning in _pairs(own, kind).items():
        key = known._meaning(meaning)
        if key is None and kind == "categories":  # the dictionary of categories is the city's own
            key = meaning
            entries.setdefault(key, {"kind": "", "parent": "", "zh": key, "en": key})
        if key is None:
            raise InputError(
                "The table of {kind} has the meaning {meaning!r}, which is none; use {entries}.",
                kind=kind,
                meaning=meaning,
                entries=[*shipped.entries],
            )
        fresh[fold(word)] = key
        ordinal = _ORDINAL.match(fold(word)) if kind == "levels" else None
        if ordinal:
            fresh[f"{_number(ordinal)}级"] = key
    return Vocabulary(kind, entries, words | fresh)


def restated(given: pd.Series, words: Vocabulary) -> pd.Series:
    """Replace words by the keys they stand for; unknown words stay as they are.

    Examples
    --------
    >>> own = vocabulary("statuses", pd.DataFrame({"word": ["飞走了"], "stage": ["结案"]}))
    >>> restated(pd.Series(["飞走了", "搁着"]), own).tolist()
    ['closed', '搁着']
    """
    meant = words.read(given)
    return meant.where(meant.notna(), given)


def in_known_words(
    frame: pd.DataFrame,
    own: Mapping[Kind, pd.DataFrame],
    *,
    levels: Sequence[str] = (),
) -> pd.DataFrame:
    """Put a city's own words of a table of incidents or posts into words that are known.

    Parameters
    ----------
    frame : DataFrame
        With those of the columns ``status``, ``handling_level``, ``source``, ``category``,
        ``subcategory``, ``satisfaction`` and ``role`` that there are.
    own : mapping
        Kind → its table; see `vocabulary`.
    levels : sequence of str
        Levels of the grid, coarse to fine.

    Returns
    -------
    DataFrame
        Sources keep their words, and a column ``public`` tells which are the public's. With a
        table of categories the words that neither it nor the shipped one knows are named.
    """
    fresh: dict[str, pd.Series] = {}
    for kind, column in COLUMNS.items():
        if column not in frame or not (kind in own or kind == "levels"):
            continue
        words = vocabulary(kind, own.get(kind), levels=levels if kind == "levels" else ())
        if kind == "sources":
            words.warn(frame[column])
            public = {key: row["public"] == "1" for key, row in words.entries.items()}
            fresh["public"] = words.read(frame[column]).map(public).astype("boolean")
        else:
            fresh[column] = restated(frame[column], words)
        if kind == "categories":
            words.warn(frame[column])
            if "subcategory" in frame:
                fresh["subcategory"] = restated(frame["subcategory"], words)
    return frame.assign(**fresh)


def strange_words(incidents: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the unknown words of statuses, levels and sources: column → word → cases."""
    kinds: tuple[Kind, ...] = ("statuses", "levels", "sources")
    found = {
        COLUMNS[kind]: vocabulary(kind).unknown(incidents[COLUMNS[kind]])
        for kind in kinds
        if COLUMNS[kind] in incidents
    }
    return {column: words for column, words in found.items() if words}


def fold(word: object) -> str:
    """Compare words without width, case, script (traditional or simplified) and blanks.

    Examples
    --------
    >>> fold(" 違規 停車 "), fold("ＡＢ"), fold("In_Progress")
    ('违规停车', 'ab', 'in progress')
    """
    if word is None or word is pd.NA or word != word:
        return ""
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", str(word))).strip().lower()
    if plain.isascii():
        return _DECIMALS.sub("", _BETWEEN.sub(" ", plain))
    return "".join(plain.split()).translate(simplified())


def shipped_rows(name: str) -> list[Row]:
    """Read a table of the package."""
    text = files("gridmap").joinpath("tables", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _patterns(kind: Kind) -> list[tuple[str, re.Pattern[str]]]:
    """Return the forms that words of a meaning take, which no list holds all of."""
    return [
        (key, re.compile(row["pattern"]))
        for key, row in _shipped(kind).entries.items()
        if row.get("pattern")
    ]


@cache
def _shipped(kind: Kind) -> Vocabulary:
    """Read a shipped table: its first column is the key, and its last the words parted by |."""
    entries: dict[str, Row] = {}
    words: dict[str, str] = {}
    for row in shipped_rows(f"{kind}.csv"):
        key = row[_KEYS.get(kind, next(iter(row)))]
        entries[key] = row
        words |= {fold(word): key for word in [*row["words"].split("|"), key]}
    return Vocabulary(kind, entries, words)


def _pairs(own: pd.DataFrame, kind: Kind) -> dict[str, str]:
    """Return words and meanings; a file pasted without its heading has them in the heading."""
    if own.shape[1] < 2:
        raise InputError(
            "The table of {kind} needs the columns word and meaning; it has {columns}.",
            kind=kind,
            columns=[*own.columns],
        )
    names = [str(column) for column in own.columns]
    at = names.index("word") if "word" in names else 0
    meaning = next(place for place in range(len(names)) if place != at)
    rows = own.iloc[:, [at, meaning]].astype("string").fillna("")
    pairs = dict(zip(rows.iloc[:, 0], rows.iloc[:, 1], strict=True))
    headless = fold(names[meaning]) in _shipped(kind).words and fold(names[at]) not in (
        "word", "词", "词语", "原词", "名称",
    )  # fmt: skip
    return ({names[at]: names[meaning]} if headless else {}) | pairs


def _of_grid(levels: Sequence[str], shipped: Vocabulary) -> dict[str, str]:
    """Return the names of a grid's levels as words, and the ordinals that they bind."""
    upward = list(shipped.entries)[1:]  # above the cell
    words, ordinals = {}, {}
    for above, name in enumerate(reversed(levels)):
        key = shipped._meaning(name)
        if key is None and above < len(upward):
            key = upward[above]
            words[fold(name)] = key
        match = _ORDINAL.match(fold(name))
        if match and key is not None:
            ordinals[_number(match)] = key
    if not ordinals:
        return words
    numbers = [_number(m) for m in map(_ORDINAL.match, map(fold, levels)) if m]
    step = numbers[-1] - numbers[-2] if len(numbers) > 1 else (1 if numbers[-1] == 1 else 0)
    if step:
        ordinals[numbers[-1] + step] = "cell"
    return words | {f"{number}级": key for number, key in ordinals.items()}


def _number(match: re.Match[str]) -> int:
    return _DIGITS[match[1] or match[2]]
