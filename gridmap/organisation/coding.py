"""The check of codes that somebody else gave."""

from __future__ import annotations

import re

import geopandas as gpd
import pandas as pd
import shapely

from gridmap.codes import DEFAULT_SCHEME, FIELD, code_pattern, joint, reading_order
from gridmap.errors import InputError

_PROBLEMS = ["code", "problem", "expected"]


def check_codes(
    cells: gpd.GeoDataFrame, scheme: str = DEFAULT_SCHEME, *, order: bool = True
) -> pd.DataFrame:
    """Find codes that do not follow their scheme.

    Parameters
    ----------
    cells : GeoDataFrame
        Cells with ``parent`` and ``code`` (or the code as index).
    scheme : str
        A name of `code_schemes`, or a pattern, as from `code_pattern`.
    order : bool
        Whether the sequence must run in reading order within each parent.

    Returns
    -------
    DataFrame
        A row a finding: code, problem (repeated, form, parent, order), expected; empty when all
        is well.

    Raises
    ------
    InputError
        When the cells have no parents, or the scheme is neither name nor pattern.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A2001", "A1001"], "parent": ["A1", "A1"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> check_codes(cells)[["code", "problem"]].values.tolist()
    [['A2001', 'parent']]
    """
    scheme = code_pattern(scheme)
    frame = cells.reset_index() if "code" not in cells else cells
    if "parent" not in frame or "code" not in frame:
        raise InputError("`cells` needs the columns `code` and `parent` to check codes against.")
    codes, parents = frame["code"].astype(str), frame["parent"].astype(str)
    form = _expression(scheme, r"(?P<parent>.+?)-?")
    rows = [(code, "repeated", "") for code in codes[codes.duplicated()].unique()]
    sequence: dict[int, int] = {}
    for position, (code, parent) in enumerate(zip(codes, parents, strict=True)):
        own = re.fullmatch(_expression(scheme, re.escape(parent + joint(parent, scheme))), code)
        if own:
            sequence[position] = int(own["sequence"])
        else:
            problem = "parent" if re.fullmatch(form, code) else "form"
            rows.append((code, problem, scheme.replace("{parent}", parent + joint(parent, scheme))))
    if order:
        rows += _out_of_order(frame, codes, parents, pd.Series(sequence, dtype="int64"))
    return pd.DataFrame(rows, columns=_PROBLEMS)


def _expression(scheme: str, parent: str) -> str:
    """Turn a pattern into a regular expression."""
    parts, at = [], 0
    for match in FIELD.finditer(scheme):
        parts.append(re.escape(scheme[at : match.start()]))
        width = match[2] or "1"
        parts.append(parent if match[1] == "parent" else rf"(?P<sequence>\d{{{width},}})")
        at = match.end()
    return "".join([*parts, re.escape(scheme[at:])])


def _out_of_order(
    frame: gpd.GeoDataFrame, codes: pd.Series, parents: pd.Series, sequence: pd.Series
) -> list[tuple[str, str, str]]:
    """List codes whose sequence is not that of reading the map."""
    rows = []
    point = shapely.get_coordinates(shapely.point_on_surface(frame.geometry.to_numpy()))
    area = shapely.area(frame.geometry.to_numpy())
    for _, numbers in sequence.groupby(parents.to_numpy()[sequence.index]):
        at = numbers.index.to_numpy()
        read = at[reading_order(point[at, 0], point[at, 1], area[at])]
        wanted = numbers.sort_values(kind="stable").index.to_numpy()
        rows += [
            (codes.iloc[place], "order", codes.iloc[should])
            for place, should in zip(read, wanted, strict=True)
            if place != should
        ]
    return rows
