"""The change file: what a planner wants of a grid, by its end and not by the way there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from unicodedata import category

from gridmap.errors import InputError, reason_of
from gridmap.io.atomic import replacing
from gridmap.io.declared import declared
from gridmap.io.encodings import choose_encoding, named_encoding
from gridmap.language import Message

SCHEMA = "gridmap.changes/1"
FRESH = "new:"
"""Begins the names of cells that have no code yet."""

Document = Mapping[str, object]


@dataclass(frozen=True)
class Cut:
    """A line that cuts a unit; its parts are called ``unit.1``, ``unit.2``, the left ones first."""

    unit: str
    line: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Changes:
    """Where each unit is to end, and what is said of the cells.

    Attributes
    ----------
    grid : str
        Content hash of the grid that the changes start from; empty for any.
    moves : dict of str to str
        Cell of each unit that moves, by the label of the unit as text: an existing code, or a
        name that begins with ``new:``.
    hand : dict of str to str
        Jurisdiction of each unit that is handed over to another one, by the label of the unit.
    cuts : sequence of Cut
        Lines through units, in the CRS of the grid.
    names, approve : dict of str to str
        Names, and reasons why a cell may be outside the band or in pieces, by code or ``new:``.
    locked, finished : sequence of str
        Cells that must not change, and changed ones that are as they should be: `settle` leaves
        both alone.
    note : str
        What the author wants to say.
    """

    grid: str = ""
    moves: Mapping[str, str] = field(default_factory=dict)
    hand: Mapping[str, str] = field(default_factory=dict)
    cuts: Sequence[Cut] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    approve: Mapping[str, str] = field(default_factory=dict)
    locked: Sequence[str] = ()
    finished: Sequence[str] = ()
    note: str = ""


def read_changes(source: str | os.PathLike[str] | Document | Changes) -> Changes:
    """Read a change file, or take one as plain data.

    Parameters
    ----------
    source : path, mapping or Changes
        A file of schema ``gridmap.changes/1``, or what it holds.

    Returns
    -------
    Changes

    Raises
    ------
    InputError
        When it is no change file, or names a unit twice.

    Examples
    --------
    >>> read_changes({"schema": SCHEMA, "grid": "", "moves": {"A2": [1]}}).moves
    {'1': 'A2'}
    """
    if isinstance(source, Changes):
        return source
    document = source if isinstance(source, Mapping) else _loaded(source)
    name = "`changes`" if isinstance(source, Mapping) else f"`{source}`"
    if document.get("schema") != SCHEMA:
        raise InputError(
            "{name} is of schema {found!r}, not {schema}. Give a file that `gridmap edit` saved.",
            name=name,
            found=document.get("schema"),
            schema=SCHEMA,
        )
    known = {"schema", *(part.name for part in fields(Changes))}
    if strange := sorted(set(document) - known):
        raise _damaged(name, Message("it has {key!r}", key=strange[0]))
    return Changes(
        _text(document, "grid", name),
        _ends(document, "moves", name),
        _ends(document, "hand", name),
        _cuts(document, name),
        _words(document, "names", name),
        _words(document, "approve", name),
        _codes(document, "locked", name),
        _codes(document, "finished", name),
        _text(document, "note", name),
    )


def _loaded(path: str | os.PathLike[str]) -> Document:
    """Return the JSON object in a file, in whatever encoding an editor saved it."""
    said = declared().encoding
    try:
        data = Path(path).read_bytes()
        encoding = named_encoding(said) if said else choose_encoding(data, name=str(path))
        if not (said or encoding.startswith("utf")):
            raise InputError(
                "`{path}` seems to be in {encoding}, not UTF-8. Say so: `--encoding {encoding}`.",
                path=path,
                encoding=encoding,
            )
        text = data.decode(encoding).removeprefix("\ufeff")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except OSError as error:
        raise InputError(
            "`{path}` cannot be read ({reason}). Check the path.",
            path=path,
            reason=reason_of(error),
        ) from error
    except _Twice as error:
        raise _damaged(f"`{path}`", Message("{key!r} stands twice", key=str(error))) from error
    except InputError:
        raise
    except json.JSONDecodeError as error:
        what = Message("it is no JSON from line {line} on", line=error.lineno)
        raise _damaged(f"`{path}`", what) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(f"`{path}`", Message("it is no JSON")) from error
    if not isinstance(document, dict):
        raise _damaged(f"`{path}`", Message("it is no JSON object"))
    return document


def as_document(changes: Changes) -> dict[str, object]:
    """Return changes as the JSON of a change file.

    Examples
    --------
    >>> as_document(Changes("", {"2": "A1", "1": "A1"}))
    {'schema': 'gridmap.changes/1', 'grid': '', 'moves': {'A1': ['1', '2']}}
    """
    document: dict[str, object] = {"schema": SCHEMA, "grid": changes.grid}
    for key in ("moves", "hand"):
        ends: dict[str, list[str]] = {}
        for unit, code in sorted(getattr(changes, key).items()):
            ends.setdefault(code, []).append(unit)
        document[key] = ends
    document["cuts"] = [{"unit": cut.unit, "line": [*map(list, cut.line)]} for cut in changes.cuts]
    for key in ("names", "approve"):
        document[key] = dict(getattr(changes, key))
    for key in ("locked", "finished"):
        document[key] = [*getattr(changes, key)]
    document["note"] = changes.note
    return {key: value for key, value in document.items() if value or key == "grid"}


def write_changes(
    changes: Changes, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a change file.

    Raises
    ------
    InputError
        When it cannot be written, or is there already and `overwrite` is not set.
    """
    text = json.dumps(as_document(changes), ensure_ascii=False, indent=1) + "\n"
    with replacing(os.fspath(path), overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8")


class _Twice(ValueError):
    """A key that an object has twice, of which `json` would keep the last alone."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return found


def _no_number(word: str) -> object:
    raise ValueError(word)


def _damaged(name: str, what: Message) -> InputError:
    return InputError(
        "{name} is no sound change file ({what}). Save it again.", name=name, what=what
    )


def _text(document: Document, key: str, name: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise _damaged(name, Message("{key!r} is no text", key=key))
    if any(category(sign) == "Cs" for sign in value):
        raise _damaged(name, Message("{key!r} is no text", key=key))
    return value


def _words(document: Document, key: str, name: str) -> dict[str, str]:
    table = document.get(key, {})
    if not isinstance(table, Mapping) or not all(isinstance(word, str) for word in table.values()):
        raise _damaged(name, Message("{key!r} must map codes to texts", key=key))
    words = {str(code): str(word).strip() for code, word in table.items() if str(word).strip()}
    if any(category(sign) in ("Cc", "Cs") for word in words.values() for sign in word):
        raise _damaged(name, Message("{key!r} has a line break or a control character", key=key))
    return words


def _codes(document: Document, key: str, name: str) -> tuple[str, ...]:
    codes = document.get(key, [])
    if not isinstance(codes, (list, tuple)) or not all(isinstance(code, str) for code in codes):
        raise _damaged(name, Message("{key!r} must list codes", key=key))
    return tuple(dict.fromkeys(codes))


def _ends(document: Document, key: str, name: str) -> dict[str, str]:
    """Return where each unit ends, of a table of codes with lists of units."""
    table = document.get(key, {})
    if not isinstance(table, Mapping) or not all(
        isinstance(units, list) and all(map(_is_label, units)) for units in table.values()
    ):
        raise _damaged(name, Message("{key!r} must map codes to lists of units", key=key))
    ends: dict[str, str] = {}
    for code, units in table.items():
        for unit in map(str, units):
            if unit in ends:
                raise ends_twice(unit, ends[unit], code)
            ends[unit] = str(code)
    return ends


def ends_twice(unit: str, one: str, two: str) -> InputError:
    """Return the error that a unit is to be in two cells."""
    return InputError(
        "Unit {unit} is to move to {one} and to {two}; a unit ends in one cell. Take it out of "
        "one.",
        unit=unit,
        one=one,
        two=two,
    )


def _is_label(unit: object) -> bool:
    """Tell whether a value names a unit: text or a whole number."""
    return isinstance(unit, (str, int)) and not isinstance(unit, bool)


def _cuts(document: Document, name: str) -> tuple[Cut, ...]:
    rows = document.get("cuts", [])
    cuts: list[Cut] = []
    try:
        for row in rows:  # type: ignore[attr-defined]
            line = tuple((_coordinate(x), _coordinate(y)) for x, y in row["line"])
            if not _is_label(row["unit"]):
                raise ValueError(row["unit"])
            cuts.append(Cut(str(row["unit"]), line))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise _damaged(name, Message("'cuts' must list units with lines of [x, y]")) from error
    if any(len(cut.line) < 2 for cut in cuts):
        raise _damaged(name, Message("a line of 'cuts' has one point"))
    units = [cut.unit for cut in cuts]
    if twice := next((unit for unit in units if units.count(unit) > 1), None):
        raise InputError(
            "Unit {twice} is to be cut twice; cut it once, or apply the first cut before.",
            twice=twice,
        )
    return tuple(cuts)


def _coordinate(value: object) -> float:
    """Return a number of a line; text, NaN and what overflows is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ValueError(value)
    return float(value)
