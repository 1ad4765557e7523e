"""Codes and names of cells: schemes, reading order, and what never changes.

A cell's code is its parent's code followed by a sequence number that runs in reading order
within the parent. A cell that survives a change keeps its code, and a code that was ever
given is never given to another cell.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import numpy as np
import shapely

from gridmap._arrays import Floats, Geometries, Ints, Objects
from gridmap.errors import InputError
from gridmap.language import Lang, Message, tr

DEFAULT_SCHEME = "{parent}{sequence:03d}"
FIELD = re.compile(r"\{(\w+)(?::0?(\d+)d?)?\}")
MERGED_FROM = 601  # communities that several were merged into, in the layout of 20 digits
_OBJECT20 = re.compile(r"\d{6}\{parent\}\{sequence:0?2d\}")
_DIGITS = "零一二三四五六七八九"


@cache
def code_schemes() -> dict[str, dict[str, Any]]:
    """Return the shipped schemes: name → zh, en, pattern, parent (a regular expression), example.

    Examples
    --------
    >>> code_schemes()["cell15"]["pattern"]
    '{parent}{sequence:03d}'
    """
    text = files("gridmap").joinpath("tables/code_schemes.csv").read_text("utf-8")
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}


def code_pattern(scheme: str, **fixed: int | str) -> str:
    """Return the pattern of a scheme by its name, or of the user's own.

    Parameters
    ----------
    scheme : str
        A name of `code_schemes`, or a pattern with ``{parent}`` and ``{sequence:03d}``.
    **fixed : int or str
        Digits that are the same in every code, as ``object=10101`` for the 20-digit layout.

    Returns
    -------
    str
        A pattern, with ``{parent}`` and ``{sequence}`` left to be filled in.

    Raises
    ------
    InputError
        When the scheme is neither, or digits are missing or too many.

    Examples
    --------
    >>> code_pattern("object20", object=10101)
    '010101{parent}{sequence:02d}'
    """
    pattern = code_schemes()[scheme]["pattern"] if scheme in code_schemes() else scheme
    names = [match[1] for match in FIELD.finditer(pattern)]
    if "sequence" not in names:
        raise InputError(
            "The code scheme {scheme!r} is none of {code_schemes}, and as a pattern it "
            "has no {{sequence}}; try {default_scheme!r}.",
            scheme=scheme,
            code_schemes=[*code_schemes()],
            default_scheme=DEFAULT_SCHEME,
        )
    for name in names:
        if name not in ("parent", "sequence", *fixed):
            raise InputError(
                "The code scheme {scheme!r} needs `{name}`, digits that all codes have in "
                "common: code_pattern({scheme!r}, {name}=…).",
                scheme=scheme,
                name=name,
            )

    def filled(match: re.Match[str]) -> str:
        if match[1] in ("parent", "sequence"):
            return match[0]
        digits = str(fixed[match[1]]).zfill(int(match[2] or 0))
        if not digits.isdigit() or (match[2] and len(digits) > int(match[2])):
            raise InputError(
                "`{match}` is {fixed!r}; give {match_2} digits.",
                match=match[1],
                fixed=fixed[match[1]],
                match_2=match[2],
            )
        return digits

    return FIELD.sub(filled, pattern)


def reading_order(x: Floats, y: Floats, areas: Floats) -> Ints:
    """Order points as one reads a page: from the north in bands, west to east in a band.

    Parameters
    ----------
    x, y : float array, shape (n,)
        Representative points of the cells, in a projected CRS.
    areas : float array, shape (n,)
        Areas in square units of x and y; a band is as high as the side of the mean cell.

    Returns
    -------
    int array, shape (n,)
        Positions in reading order; ties by x, then y.

    Examples
    --------
    >>> import numpy as np
    >>> reading_order(np.array([9.0, 1.0, 5.0]), np.array([9.0, 8.5, 0.0]), np.full(3, 4.0))
    array([1, 0, 2])
    """
    if len(x) == 0:
        return np.empty(0, dtype=np.int64)
    height = np.sqrt(max(float(np.mean(areas)), np.finfo(float).tiny))
    band = np.floor((y.max() - y) / height)
    return np.lexsort((y, x, band)).astype(np.int64)


def number_cells(
    parents: Sequence[str],
    x: Floats,
    y: Floats,
    areas: Floats,
    *,
    scheme: str = DEFAULT_SCHEME,
    kept: Mapping[int, str] | None = None,
    used: Iterable[str] = (),
) -> list[str]:
    """Give each cell a code that extends its parent's.

    Parameters
    ----------
    parents : sequence of str, length n
        Code of the jurisdiction that holds each cell.
    x, y, areas : float arrays, shape (n,)
        As in `reading_order`.
    scheme : str
        A name of `code_schemes`, or a pattern with ``{parent}`` and ``{sequence:03d}``.
    kept : mapping of position to code, optional
        Cells that keep the code they have.
    used : iterable of str
        Codes given in the past, retired ones included; none is given again.

    Returns
    -------
    list of str
        One unique code a cell, in the order given.

    Raises
    ------
    InputError
        When the scheme is neither name nor pattern, or two cells want to keep one code.

    Examples
    --------
    >>> import numpy as np
    >>> number_cells(["110105001"] * 2, np.array([5.0, 1.0]), np.zeros(2), np.ones(2))
    ['110105001002', '110105001001']
    """
    check_parents(scheme, parents)
    scheme, kept = code_pattern(scheme), dict(kept or {})
    if len(set(kept.values())) < len(kept):
        raise InputError("Two cells keep the same code; a code stands for one cell.")
    given = set(used) | set(kept.values())
    owners = np.asarray(parents, dtype=object)
    width = _width(scheme, owners)
    last = _last_sequences(list(dict.fromkeys(parents)), given, scheme)
    codes: list[str] = [kept.get(position, "") for position in range(len(owners))]
    for parent, sequence in last.items():
        members = np.flatnonzero(owners == parent)
        order = members[reading_order(x[members], y[members], areas[members])]
        new = [position for position in order if position not in kept]
        whole = len(members) == 1 and numbers_undivided(scheme)
        first = 0 if whole and write_code(parent, 0, scheme, width) not in given else sequence + 1
        for number, position in enumerate(new, start=first):
            codes[position] = write_code(parent, number, scheme, width)
    if len(set(codes)) < len(codes):
        raise InputError(
            "The scheme {scheme!r} gives two cells the same code; name {{parent}}.", scheme=scheme
        )
    return codes


def number_polygons(parents: Sequence[str], polygons: Geometries, **options: Any) -> list[str]:
    """Give codes to cells by their shapes; `options` are those of :func:`number_cells`."""
    point = shapely.get_coordinates(shapely.point_on_surface(polygons))
    return number_cells(parents, point[:, 0], point[:, 1], shapely.area(polygons), **options)


def check_parents(scheme: str, parents: Iterable[str]) -> None:
    """Refuse a scheme that does not fit the codes of the jurisdictions.

    Raises
    ------
    InputError
        When a code is not of the digits that the scheme extends.

    Examples
    --------
    >>> check_parents("cell15", ["110105001001"])
    >>> check_parents("cell15", ["Riverside"])
    Traceback (most recent call last):
    gridmap.errors.InputError: The code scheme 'cell15' extends codes as 110105001001, not \
'Riverside'. Use another scheme, as 'extend', or mend the codes.
    """
    named = code_schemes().get(scheme)
    form = named["parent"] if named else r"\d{12}" if numbers_undivided(scheme) else ".*"
    strange = [parent for parent in dict.fromkeys(parents) if not re.fullmatch(form, str(parent))]
    if strange:
        raise InputError(
            "The code scheme {scheme!r} extends codes as {example}, not {strange!r}. Use another "
            "scheme, as 'extend', or mend the codes.",
            scheme=scheme,
            example="110105001001" + ("001" if scheme == "micro" else ""),
            strange=strange[0],
        )


def numbers_undivided(scheme: str) -> bool:
    """Tell whether a scheme is of the 20 digits in which 00 stands for an undivided community."""
    return scheme == "object20" or _OBJECT20.fullmatch(scheme) is not None


def merged_code(communities: Sequence[str], used: Iterable[str]) -> str:
    """Return the code of the community that several were merged into: 601 or the next free.

    Parameters
    ----------
    communities : sequence of str
        Codes of 12 digits: county 6, street 3, community 3, of one street.
    used : iterable of str
        Codes given in the past; none is given again.

    Raises
    ------
    InputError
        When they are no such codes or of several streets, or no number is left.

    Examples
    --------
    >>> merged_code(["110105001003", "110105001004"], ["110105001601"])
    '110105001602'
    """
    streets = {str(code)[:9] for code in communities}
    if len(streets) != 1 or not all(re.fullmatch(r"\d{12}", str(code)) for code in communities):
        raise InputError(
            "`communities` are {codes}; give codes of 12 digits of one street.",
            codes=[str(code) for code in communities],
        )
    (street,), given = streets, set(map(str, used))
    free = (f"{street}{number}" for number in range(MERGED_FROM, 1000))
    found = next((code for code in free if code not in given), None)
    if found is None:
        raise InputError("The street {street} has no number from 601 left.", street=street)
    return found


def write_code(parent: str, sequence: int, scheme: str = DEFAULT_SCHEME, width: int = 0) -> str:
    """Return the code of one cell, its sequence at least `width` digits wide.

    Examples
    --------
    >>> write_code("110105001001", 7)
    '110105001001007'
    >>> write_code("Riverside", 7)
    'Riverside-007'
    """
    scheme = code_pattern(scheme)
    match = _sequence_in(scheme)
    digits = f"{sequence:0{max(width, int(match[2] or 0))}d}"
    return _stem(parent, scheme) + digits + scheme[match.end() :].replace("{parent}", parent)


def cell_name(parent_name: str, sequence: int, lang: Lang = "zh") -> str:
    """Return the automatic name of a cell within its parent.

    Examples
    --------
    >>> cell_name("东福民社区", 3)
    '东福民社区第三网格'
    >>> cell_name("Riverside", 3, lang="en")
    'Riverside cell 3'
    """
    number = chinese_number(sequence) if lang == "zh" else sequence
    return tr("{place} cell {number}", lang=lang, place=parent_name, number=number)


def chinese_number(number: int) -> str:
    """Write a whole number from 0 to 9,999 as it is read.

    Examples
    --------
    >>> [chinese_number(n) for n in (3, 10, 12, 40, 105, 1010)]
    ['三', '十', '十二', '四十', '一百零五', '一千零一十']
    """
    if not 0 <= number <= 9999:
        return str(number)
    if number == 0:
        return _DIGITS[0]
    text, gap = "", False
    for unit, value in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = number // value % 10
        if digit:
            text += (_DIGITS[0] if gap else "") + _DIGITS[digit] + unit
            gap = False
        elif text:
            gap = True
    return text.removeprefix("一") if text.startswith("一十") else text


def name_in(lang: Lang, code: str, parent: str, owner: str, name: str) -> str:
    """Return the automatic name of a cell in one language, any other name as it is.

    Examples
    --------
    >>> name_in("en", "A003", "A", "Riverside", "Riverside第三网格")
    'Riverside cell 3'
    >>> name_in("en", "A003", "A", "Riverside", "老码头")
    '老码头'
    """
    number = sequence_of(code, parent)
    automatic = cell_name(owner, number, lang)
    others = (cell_name(owner, number, one) for one in get_args(Lang) if one != lang)
    return automatic if name == automatic or name in others else name


def called(name: str, code: str) -> str | Message:
    """Return what people call a jurisdiction: name and code, or its code where it has no name."""
    bare = name in ("", "nan", "None", code)
    return code if bare else Message("{name} ({code})")(name=name, code=code)


def sequence_of(code: str, parent: str) -> int:
    """Return the sequence number at the end of a code, 0 when it has none."""
    tail = re.search(r"(\d+)$", code.removeprefix(parent))
    return int(tail[1]) if tail else 0


def _width(scheme: str, parents: Objects) -> int:
    """Return one width for all sequences, or codes of different parents could meet."""
    _, counts = np.unique(parents.astype(str), return_counts=True)
    return max(int(_sequence_in(scheme)[2] or 0), len(str(counts.max(initial=0))))


def _sequence_in(pattern: str) -> re.Match[str]:
    """Return where a pattern has its sequence, which `code_pattern` has made sure of."""
    return next(match for match in FIELD.finditer(pattern) if match[1] == "sequence")


def _last_sequences(parents: list[str], given: set[str], scheme: str) -> dict[str, int]:
    """Return the last sequence ever given in each parent, so that no number returns."""
    stems = {_stem(parent, scheme): parent for parent in parents}
    last = dict.fromkeys(parents, 0)
    for code in given:
        # The longest stem is the parent's own: "11" + "001" is not "1" + "1001".
        stem = max((s for s in stems if code.startswith(s)), key=len, default=None)
        if stem is not None and code[len(stem) :].isdigit():
            last[stems[stem]] = max(last[stems[stem]], int(code[len(stem) :]))
    return last


def _stem(parent: str, scheme: str) -> str:
    """Return what stands before the sequence in every code of a parent."""
    return scheme.split("{sequence")[0].replace("{parent}", parent) + joint(parent, scheme)


def joint(parent: str, scheme: str) -> str:
    """Return what parts a parent that ends in no digit from the sequence, as in A-001."""
    return "-" if scheme == DEFAULT_SCHEME and parent and not parent[-1].isdigit() else ""
