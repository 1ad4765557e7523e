"""Staffing: who works where, at the level that the roster speaks of; never who the person is."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from gridmap._checks import check_column
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.language import Lang, Message, tr
from gridmap.vocabulary import fold, vocabulary

GROUPS = {"1": "leaders", "X": "x", "Y": "y"}
_SEVERAL = re.compile(r"[;；,，、|/\s]+")
_JOINT = re.compile(r"[-/\\>＞→·|_—–－、,，\s]+")  # between the levels of one place
_SPACED = re.compile(r"(?<!\d)\d{6}(?:[ -]\d{3})+(?!\d)")  # one code, as 990101 001 002
_FILLED = re.compile(r"(?<=\d{6})(?:000)+$")  # of the code of an area, as long as a finer one
_NUMBER = "[A-Za-z0-9_.-]*[0-9][A-Za-z0-9_.-]*"  # of a post; no role is written so
_CELL = "cell"
_AGAIN = 0.1  # share of posts in a place with a second role, beyond which posts are kinds
_SHOWN = 5  # places of one name
Place = tuple[str, str]  # level and code; of an area of a coarser level, its name
_DISTRICT_DIGITS = 6
VACANT = ("no leader", "unstaffed")


def roles() -> dict[str, dict[str, str]]:
    """Return the roles of the 1+X+Y rule: role → group (1, X, Y; S for streets), zh, en, words."""
    return dict(vocabulary("roles").entries)


@dataclass(frozen=True)
class Staffing:
    """How a grid is staffed.

    Attributes
    ----------
    cells : DataFrame
        By code: parent, level columns, households, ``leaders``, ``x`` (assistants, patrol,
        departments' staff), ``y`` (volunteers), ``workers`` (leaders and X, a post in two cells
        counting half in each), ``load`` (households a worker), ``status`` (staffed, no leader,
        several leaders, unstaffed; not covered, where the roster speaks of the community only)
        and ``overcharged``. Posts that are named for a whole community or street are not here.
    posts : DataFrame
        By post: role, places, households.
    postings : DataFrame
        One row a post and place: post, role, group, code, level.
    limit : str
        Households a worker from which a cell is over-charged; each once, where areas have bands
        of their own.
    vacancies : DataFrame
        Places without a leader, at each level that the roster covers: level, code, name.
    problems : DataFrame
        Rows that could not be used as they are: row, post, problem, value.
    """

    cells: pd.DataFrame
    posts: pd.DataFrame
    postings: pd.DataFrame
    limit: str
    vacancies: pd.DataFrame = field(repr=False)
    problems: pd.DataFrame = field(repr=False)
    _areas: dict[str, pd.Series] = field(repr=False)

    def ratios(self, level: str | None = None) -> pd.DataFrame:
        """Return cells, posts and their ratios, in all or by a level.

        A post of a coarser level than `level` is in none of its areas.

        Parameters
        ----------
        level : str, optional
            A level column; a row "all" when not given.

        Returns
        -------
        DataFrame
            cells, households, leaders, x, y, workers, workers_per_cell, x_per_leader,
            y_per_leader, households_per_worker, without_leader (cells), overcharged.
        """
        if level is not None and level not in self.cells:
            raise InputError("`level` is {level!r}, which the grid does not have.", level=level)
        area = self.cells[level] if level else pd.Series("all", self.cells.index)
        table = self.cells.groupby(area.rename(level or "area")).agg(
            cells=("households", "size"),
            households=("households", "sum"),
            without_leader=("status", lambda told: int(told.isin(VACANT).sum())),
            overcharged=("overcharged", "sum"),
        )
        # a post that works in two areas is counted in both, but once in each
        distinct = self._placed(level).drop_duplicates(["area", "post"])
        counts = distinct.groupby(["area", "group"]).size().unstack(fill_value=0)
        counts = counts.reindex(table.index, fill_value=0)
        for group, name in GROUPS.items():
            table[name] = counts.get(group, 0)
        table["workers"] = table["leaders"] + table["x"]
        table["workers_per_cell"] = table["workers"] / table["cells"]
        some = table["leaders"].where(table["leaders"] > 0)
        table["x_per_leader"] = table["x"] / some
        table["y_per_leader"] = table["y"] / some
        table["households_per_worker"] = table["households"] / table["workers"].where(
            table["workers"] > 0
        )
        return table

    def _placed(self, level: str | None) -> pd.DataFrame:
        """Return the postings with the area of a level that each lies in, without coarser ones."""
        if level is None:
            return self.postings.assign(area="all")
        homes = self.cells[level]
        area = [
            self._one_area(homes, str(named), str(code))
            for named, code in zip(self.postings["level"], self.postings["code"], strict=True)
        ]
        return self.postings.assign(area=pd.Series(area, self.postings.index, dtype=object)).dropna(
            subset="area"
        )

    def _one_area(self, homes: pd.Series, level: str, code: str) -> str | None:
        inside = homes[self._areas[level] == code].unique()
        return str(inside[0]) if len(inside) == 1 else None

    def sentence(self, lang: Lang = "zh") -> str:
        """Tell the staffing in a sentence."""
        row = self.ratios().iloc[0]
        covered = int((self.cells["status"] != "not covered").sum())
        found = Message("which of them lack a leader the roster does not tell")
        if covered:
            found = Message(
                "{without:,} {without:cell has|cells have} no leader, in {over:,} a worker has "
                "more households than {limit}"
            )
        if 0 < covered < len(self.cells):
            found = Message(
                "of the {covered:,} whose leaders the roster tells, {without:,} {without:has|have} "
                "none, in {over:,} a worker has more households than {limit}"
            )
        return tr(
            "{cells:,} {cells:cell|cells}, {workers:,} {workers:worker|workers} ({each:.2f} a "
            "cell), {volunteers:,} {volunteers:volunteer|volunteers}; {found}",
            lang=lang,
            cells=int(row["cells"]),
            workers=int(row["workers"]),
            each=row["workers_per_cell"],
            volunteers=int(row["y"]),
            found=found(
                covered=covered,
                without=int(row["without_leader"]),
                over=int(row["overcharged"]),
                limit=self.limit,
            ),
        )


def staffing(roster: pd.DataFrame, grid: Grid, *, limit: float | None = None) -> Staffing:
    """Match the roster to the grid, at the level that each row names.

    A place is **vacant** when the roster covers its level and names no leader for it. The roster
    covers the cells when it names a leader for one of them; of a community for which it names
    posts as a whole, but none in a cell, it does not cover the cells. The same holds above.

    Parameters
    ----------
    roster : DataFrame
        As for `postings`: code, role, and post or person_id.
    grid : Grid
        The cells.
    limit : float, optional
        Households a worker from which a cell is over-charged; the most that it may have.

    Returns
    -------
    Staffing

    Raises
    ------
    InputError
        When the roster names no place of the grid at all; see `postings`.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 500]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> roster = pd.DataFrame({"post": ["p1", "p2"], "role": ["leader", "volunteer"],
    ...     "code": ["A1", "A2"]})
    >>> staffing(roster, grid).cells["status"].to_dict()
    {'A1': 'staffed', 'A2': 'no leader'}
    """
    placed, problems = matched(roster, grid)
    areas = _areas(grid)
    most = grid.bands.ends(grid.cells["parent"])[1] if limit is None else float(limit)
    cells = pd.DataFrame(grid.cells.drop(columns="geometry"))
    cells = cells[["name", "kind", "parent", *grid.levels, "households"]].copy()
    own = placed[placed["level"] == _CELL]
    counts = own.groupby(["code", "group"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=cells.index, columns=list(GROUPS), fill_value=0)
    for group, name in GROUPS.items():
        cells[name] = counts[group]
    part = 1 / own.groupby("post")["code"].transform("size")
    paid = own["group"].isin(["1", "X"])
    cells["workers"] = part[paid].groupby(own["code"]).sum().reindex(cells.index, fill_value=0.0)
    cells["load"] = cells["households"] / cells["workers"].where(cells["workers"] > 0)
    covered, places = _covered(placed, cells["parent"])
    cells["status"] = [
        _status(*row) for row in zip(covered, cells["leaders"], cells["x"], cells["y"], strict=True)
    ]
    cells["overcharged"] = (cells["load"] > most) | (
        covered & (cells["workers"] == 0) & (cells["households"] > 0)
    )
    vacancies = _vacancies(placed, cells, areas, grid, set(places.index[places]))
    told = " / ".join(f"{one:g}" for one in sorted(set(np.atleast_1d(most).tolist())))
    return Staffing(cells, _by_post(placed, cells, areas), placed, told, vacancies, problems, areas)


def _covered(placed: pd.DataFrame, parent: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Tell for which cells, and for which jurisdictions, the roster would name a leader.

    One that names leaders of cells in some communities and of others as a whole covers the cells
    of the former only; one that does both in one community has two tiers, and covers both.
    """
    led = placed[placed["role"] == "leader"]
    cells = set(parent.reindex(led.loc[led["level"] == _CELL, "code"]))
    wholes = set(led.loc[led["level"] == "parent", "code"])
    tiers = bool(cells & wholes)
    named = set(parent.reindex(placed.loc[placed["level"] == _CELL, "code"]))
    as_whole = set(placed.loc[placed["level"] == "parent", "code"])
    places = pd.Series(parent.unique()).astype(str)
    of_cells = parent.isin(named) | ~parent.isin(as_whole) | tiers
    of_options = ~places.isin(named) | tiers
    return of_cells & bool(cells), (of_options & bool(wholes)).set_axis(places)


def _status(covered: bool, leaders: int, x: int, y: int) -> str:
    if leaders > 1:
        return "several leaders"
    if leaders == 1:
        return "staffed"
    if not covered:
        return "not covered"
    return "no leader" if x + y else "unstaffed"


def _vacancies(
    placed: pd.DataFrame,
    cells: pd.DataFrame,
    areas: dict[str, pd.Series],
    grid: Grid,
    covered: set[str],
) -> pd.DataFrame:
    """List the places without a leader, at each level that the roster covers."""
    empty = cells.index[cells["status"].isin(VACANT)]
    rows = [(_CELL, str(code), str(cells.at[code, "name"])) for code in empty]
    finest = grid.levels[-1] if grid.levels else "parent"
    names = dict(grid.jurisdictions[finest]) if grid.levels else {}
    leaders = placed[placed["role"] == "leader"]
    for level, area in list(areas.items())[1:]:
        led = set(leaders.loc[leaders["level"] == level, "code"])
        missing = [code for code in area.astype(str).unique() if led and code not in led]
        if level == "parent":
            rows += [(finest, c, str(names.get(c, c))) for c in missing if c in covered]
        else:
            rows += [(level, code, code) for code in missing]
    return pd.DataFrame(rows, columns=["level", "code", "name"])


def _by_post(
    placed: pd.DataFrame, cells: pd.DataFrame, areas: dict[str, pd.Series]
) -> pd.DataFrame:
    """Add up what each post has to answer for."""
    each = np.zeros(len(placed), dtype=np.int64)
    for level, area in areas.items():
        homes, here = cells["households"].groupby(area).sum(), (placed["level"] == level).to_numpy()
        each[here] = placed["code"][here].map(homes).fillna(0)
    return (
        placed.assign(households=each)
        .groupby("post", sort=False)
        .agg(role=("role", "first"), cells=("code", "size"), households=("households", "sum"))
    )


def who(grid: Grid, roster: pd.DataFrame, x: float, y: float) -> pd.DataFrame:
    """Tell which posts answer for a place: those of its cell first, then of the areas around it.

    Parameters
    ----------
    grid : Grid
        The cells.
    roster : DataFrame
        As for `postings`.
    x, y : float
        Coordinates in the grid's CRS.

    Returns
    -------
    DataFrame
        post, role, group, code and level; the leader first; empty outside the grid.
    """
    placed = postings(roster, grid)
    code = grid.locate(x, y)
    if code is None:
        return placed.iloc[:0]
    around = {level: area[code] for level, area in _areas(grid).items()}
    found = placed[placed["code"] == placed["level"].map(around)]
    near = found["level"].map({level: place for place, level in enumerate(around)})
    order = np.lexsort((found["group"], near))
    return found.iloc[order].reset_index(drop=True)


def postings(roster: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Tell which post works where: in a cell, or in a jurisdiction or area as a whole.

    Parameters
    ----------
    roster : DataFrame
        Columns ``code`` (of a cell, a jurisdiction, or an area by the digits that its
        jurisdictions have in common; several are parted by ; or 、) and ``role``, and ``post`` or
        ``person_id`` to tell posts apart. Without ``code`` the names in ``cell_name``, or in the
        columns of the levels, are looked up, the finest that is given; without ``role`` a
        ``post`` that holds roles serves. Other columns are not looked at.
    grid : Grid
        The cells.

    Returns
    -------
    DataFrame
        One row a post and place: post, role, group (1, X, Y or S; "" for an unknown role), code
        (of an area of a coarser level, its name) and level ("cell", "parent" for a jurisdiction,
        or a level of the grid), in the order of the cells.

    Raises
    ------
    InputError
        When a column is missing, or no row names a place of the grid.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 500]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> roster = pd.DataFrame({"post": ["p1", "p2"], "role": ["网格长", "保安"],
    ...     "code": ["A1；A2", "A2"]})
    >>> postings(roster, grid)[["post", "role", "code", "level"]].values.tolist()
    [['p1', 'leader', 'A1', 'cell'], ['p1', 'leader', 'A2', 'cell'], ['p2', 'volunteer', 'A2', \
'cell']]
    """
    return matched(roster, grid)[0]


def street_chiefs(roster: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return the posts that answer for a street by its name: road, post, cells.

    ``cells`` are the codes in which the chief answers for the street, None where the roster names
    no place: everywhere. The places come before the whole street.
    """
    roster = _with_roles(roster)
    if "road" not in roster or "role" not in roster:
        return pd.DataFrame(columns=["road", "post", "cells"])
    chief = (vocabulary("roles").read(roster["role"]) == "chief") & roster["road"].notna()
    given = _given(roster, grid) if chief.any() else None
    places, rows = _Places(grid), []
    for row, road, post in zip(chief.index[chief], roster["road"][chief],
                               _posts(roster)[chief], strict=True):  # fmt: skip
        found = [places.called(named) for named in given[row]] if given is not None else []
        cells = [code for spots in found if len(spots) == 1 for code in places.within(spots[0])]
        rows += [(fold(name), post, cells or None) for name in _SEVERAL.split(str(road)) if name]
    rows.sort(key=lambda row: row[2] is None)
    return pd.DataFrame(rows, columns=["road", "post", "cells"])


def matched(roster: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the postings, and the rows that could not be used as they are."""
    roster = _with_roles(roster)
    check_column("roster", "role", roster.columns)
    table = _rows(roster, grid)
    problems = [_problem(table[table["role"] == ""], "unknown role", "said")]
    leading = table["role"] != "chief"  # whose place is a street, not an area
    problems.append(_problem(table[leading & (table["given"].str.len() == 0)], "no place", "code"))
    table = table.explode("given").dropna(subset="given")
    known = _Places(grid)
    places = {named: known.called(named) for named in table["given"].unique()}
    table["word"] = [named.word for named in table["given"]]
    many = table["given"].map(lambda named: len(places[named])).astype(int)
    if len(table) and not many.any():
        raise InputError(
            "`roster` names no place that the grid has; the first is {given!r}, while the "
            "cells have codes such as {index!r}. Use the grid it is for.",
            given=table["word"].iloc[0],
            index=grid.cells.index[0],
        )
    problems.append(_problem(table[many == 0], "unknown place", "word"))
    several = table[many > 1]
    said = [f"{one.word} ({_listed(places[one])})" for one in several["given"]]
    problems.append(_problem(several.assign(word=said), "ambiguous place", "word"))
    table = table[many == 1]
    found = [places[named][0] for named in table["given"]]
    table = table.assign(level=[level for level, _ in found], code=[code for _, code in found])
    twice = table.duplicated(["post", "level", "code"])
    problems.append(_problem(table[twice], "named twice", "code"))
    order = {code: number for number, code in enumerate(grid.cells.index)}
    table = table[~twice].sort_values(
        "code", key=lambda codes: codes.map(order).fillna(len(order)), kind="stable"
    )
    listed = pd.concat(problems).sort_values("row", kind="stable", ignore_index=True)
    return table[["post", "role", "group", "code", "level"]].reset_index(drop=True), listed


def _rows(roster: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return the rows of a roster as post, role, group and the places they name."""
    known = vocabulary("roles")
    known.warn(roster["role"])
    role = known.read(roster["role"])
    group = role.map({name: row["group"] for name, row in known.entries.items()})
    return pd.DataFrame(
        {
            "row": np.arange(1, len(roster) + 1),
            "post": _posts(roster).to_numpy(),
            "said": roster["role"].astype("string").fillna("").to_numpy(),
            "role": role.fillna("").to_numpy(),
            "group": group.fillna("").to_numpy(),
            "given": _given(roster, grid).to_numpy(),
            "code": "",
        }
    )


def _problem(rows: pd.DataFrame, what: str, column: str) -> pd.DataFrame:
    """List rows of a roster with what is wrong and the value that is."""
    return rows[["row", "post"]].assign(problem=what, value=rows[column].astype(str))


def _with_roles(roster: pd.DataFrame) -> pd.DataFrame:
    """Take the roles from the posts where these hold them."""
    if "role" in roster or "post" not in roster:
        return roster
    known = vocabulary("roles")
    told = roster["post"].dropna()
    share = known.read(told).notna().mean() if len(told) else 0
    return roster.rename(columns={"post": "role"}) if share > 0.5 else roster


def _posts(roster: pd.DataFrame) -> pd.Series:
    """Name the posts: by what tells them apart, or by their place in the roster."""
    known = vocabulary("roles")
    place = [name for name in ("code", "cell_name") if name in roster][:1]
    for column in ("person_id", "post"):
        if column in roster and roster[column].notna().all():
            names = roster[column].astype(str).str.strip()
            worded = names[~names.str.fullmatch(_NUMBER)]
            held = roster.assign(post=names)[["post", *place, "role"]].drop_duplicates()
            again = held.duplicated(["post", *place]).mean()
            # 岗位 often holds the role, or the kind of a post that many hold
            if not known.read(worded).notna().any() and (column == "person_id" or again <= _AGAIN):
                return names
    return pd.Series([f"#{k}" for k in range(1, len(roster) + 1)], index=roster.index)


def _given(roster: pd.DataFrame, grid: Grid) -> pd.Series:
    """Return the places that each row names: by the code, or by the finest name given."""
    columns = ["code", "cell_name", *reversed(grid.levels), "community", "street", "district"]
    columns = [column for column in dict.fromkeys(columns) if column in roster]
    if not columns and "road" in roster:
        return pd.Series([[] for _ in range(len(roster))], index=roster.index)
    if not columns:
        check_column("roster", "code", roster.columns)
    texts = [
        roster[column].astype("string").fillna("").str.strip().to_numpy(dtype=object)
        for column in columns
    ]
    rows = list(zip(*texts, strict=True))
    known = _Places(grid).named
    places = {
        row: _named([(c, text) for c, text in zip(columns, row, strict=True) if text], known)
        for row in set(rows)
    }
    return pd.Series([places[row] for row in rows], index=roster.index, dtype=object)


class _Named(NamedTuple):
    """A place as a row names it: the word, the column it stands in, and the coarser names."""

    word: str
    column: str = "code"
    around: tuple[str, ...] = ()


def _named(row: list[tuple[str, str]], joined: Collection[str]) -> list[_Named]:
    """Return the places that the finest name of a row tells; one with its levels is one place."""
    if not row:
        return []
    (column, words), *coarser = row
    around = tuple(text for _, text in coarser)
    words = _SPACED.sub(lambda code: re.sub("[ -]", "", code[0]), words)
    whole = _JOINT.sub("", words)
    if fold(whole) in joined:
        return [_Named(whole, column, around)]
    return [_Named(part, column, around) for part in _SEVERAL.split(words) if part]


def _areas(grid: Grid) -> dict[str, pd.Series]:
    """Return the area of each cell at each level, from the cell up."""
    cells = grid.cells
    own = {_CELL: pd.Series(cells.index, cells.index), "parent": cells["parent"]}
    return own | {level: cells[level].astype(str) for level in reversed(grid.levels[:-1])}


class _Places:
    """The places of a grid by code, by name, and by the digits that the codes of an area share."""

    def __init__(self, grid: Grid) -> None:
        self.areas, self.finest = _areas(grid), grid.levels[-1] if grid.levels else "parent"
        self.levels = {level: area for level, area in self.areas.items() if level in grid.levels}
        self.parents = grid.cells["parent"].astype(str)
        self.named: dict[str, set[Place]] = {}
        for code, name in grid.cells["name"].items():
            self.named.setdefault(fold(name), set()).add((_CELL, str(code)))
        if grid.levels:
            for code, name in grid.jurisdictions[self.finest].items():
                self.named.setdefault(fold(name), set()).add(("parent", str(code)))
        for level, area in self.levels.items():
            for name in area.unique():
                self.named.setdefault(fold(name), set()).add((level, str(name)))
        for code, *names in grid.jurisdictions[list(grid.levels)].astype(str).itertuples():
            for depth, level in enumerate(grid.levels):
                place = ("parent", str(code)) if level == self.finest else (level, names[depth])
                for start in range(depth):
                    joined = fold("".join(names[start : depth + 1]))
                    self.named.setdefault(joined, set()).add(place)
        codes = grid.jurisdictions.index.astype(str)
        self.coded: dict[str, Place] = {fold(code): ("parent", code) for code in codes}
        self.coded |= {fold(code): (_CELL, str(code)) for code in grid.cells.index}

    def within(self, place: Place) -> list[str]:
        """Return the codes of the cells of a place."""
        area = self.areas[place[0]]
        return list(area.index[area.astype(str) == place[1]])

    def called(self, named: _Named) -> list[Place]:
        """Return the places of a code or name: none, one, or all between which nothing decides."""
        word = fold(named.word)
        word = word if word in self.coded else _FILLED.sub("", word)
        if word in self.coded:
            return [self.coded[word]]
        if word in self.named or not word.isdigit():
            return self._narrowed(sorted(self.named.get(word, ())), named)
        tails = [place for code, place in self.coded.items() if _is_tail(word, code)]
        inside = self.parents[self.parents.str.startswith(word)]
        fitting = [
            (level, str(area[inside.index[0]]))
            for level, area in self.levels.items()
            if len(inside) and set(area.index[area == area[inside.index[0]]]) == set(inside.index)
        ]
        return tails or (fitting[-1:] if len(word) <= _DISTRICT_DIGITS else fitting[:1])

    def _narrowed(self, found: list[Place], named: _Named) -> list[Place]:
        """Keep, of places of one name, those of the column's level and in the areas beside it."""
        level = "parent" if named.column == self.finest else named.column
        if len(found) > 1 and named.column == "cell_name":
            found = [place for place in found if place[0] == _CELL] or found
        elif len(found) > 1 and named.column != "code":
            areas = [place for place in found if place[0] != _CELL]
            found = [place for place in areas if place[0] == level] or areas or found
        for text in named.around:
            if len(found) > 1:
                around = {c for at in self.called(_Named(text)) for c in self.within(at)}
                found = [place for place in found if around.issuperset(self.within(place))] or found
        return found


def _is_tail(word: str, code: str) -> bool:
    """Tell whether a code is given without its county, and perhaps without the noughts in front."""
    tail = code[_DISTRICT_DIGITS:]
    return len(tail) >= _DISTRICT_DIGITS and word.zfill(len(tail)) == tail


def places_called(given: str, grid: Grid) -> list[Place]:
    """Return level and code of the places of a code, a name or the digits of an area's codes."""
    return _Places(grid).called(_Named(given))


def _listed(places: list[Place]) -> str:
    """Write the codes of places between which a name does not tell."""
    codes = [code if level == _CELL else f"{code} {level}" for level, code in places[:_SHOWN]]
    return ", ".join([*codes, *(["…"] if len(places) > _SHOWN else [])])
