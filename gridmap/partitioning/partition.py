"""The public function: units in, a proved Grid out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, get_args

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._arrays import Ints, attributes
from gridmap._checks import Bands, Progress, check_choice, is_nothing, silent
from gridmap.codes import DEFAULT_SCHEME, code_pattern
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.language import Lang
from gridmap.partitioning import reasons as sentences
from gridmap.partitioning.old_grid import (
    beyond_limit,
    kept_codes,
    read_old,
    unaltered,
    units_locked,
)
from gridmap.partitioning.parallel import Job, solve_all, warm
from gridmap.partitioning.prepare import (
    Bound,
    Caller,
    assemble,
    bands_of,
    check_units,
    communities,
    dedicate,
)
from gridmap.partitioning.problem import BALANCE, EFFORTS, FULL, ROADS, Quality, Wishes
from gridmap.partitioning.reasons import remedies
from gridmap.partitioning.search import enclosing_cells, proved_impossible
from gridmap.partitioning.solve import Exclaves, Outcome, attached, linked_all
from gridmap.units.attach import units_within

if TYPE_CHECKING:
    from distributed import Client

BAND = (300, 600)  # households of a cell, unless told otherwise
TRIED = 100  # jurisdictions with exceptions for which it is tried what would help
COLUMNS = ["parent", "cell", "households", "reason", "certificate", "options", "approved", "said"]


def exceptions_of(
    units: gpd.GeoDataFrame,
    label: Ints,
    jobs: Sequence[Job],
    outcomes: Sequence[Outcome],
    wishes: Wishes,
    bands: Bands,
    approved: Collection[str],
    lang: Lang,
) -> pd.DataFrame:
    """Return a row for each cell outside the band, with its reason and what would help.

    The column ``cell`` holds the number of the cell. `approved` names jurisdictions. What would
    help is tried for the first `TRIED` jurisdictions.
    """
    total = np.bincount(label, units["households"])
    rows: list[dict[str, Any]] = []
    seen = 0
    for job, outcome in zip(jobs, outcomes, strict=True):
        community, asked = job.community, job.own(wishes)
        if not outcome.reasons or community.total == 0:
            continue  # where nobody lives no cell is missing
        call = Caller(units, community)
        findings = {
            cell: sentences.placed(
                finding, community, np.flatnonzero(outcome.label == cell), asked.high
            )
            for cell, finding in sorted(outcome.reasons.items())
        }
        seen += 1
        found = [*findings.values()]
        tried = remedies(units, community, asked, found, bands) if seen <= TRIED else []
        for cell, finding in findings.items():
            number = int(label[community.place[np.argmax(outcome.label == cell)]])
            if total[number] == 0:
                continue
            reason = sentences.reason(finding, asked.low, asked.high, call)
            helps = [remedy for remedy in tried if remedy.concerns(finding)]
            options = sentences.options(helps, call)
            rows.append(
                {
                    "parent": community.key,
                    "cell": number,
                    "households": int(total[number]),
                    "reason": reason.text(lang),
                    "certificate": finding.kind,
                    "options": "\n".join(option.text(lang) for option in options),
                    "approved": community.key in approved,
                    "said": {
                        "reason": reason.plain(),
                        "options": [option.plain() for option in options],
                    },
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def wanted_bands(
    households: tuple[Bound, Bound] | None, keep: Grid | None, units: pd.DataFrame
) -> Bands:
    """Return the band of each jurisdiction: as asked for, else as in the grid that is kept."""
    if households is not None:
        return bands_of(households, units)
    if keep is None:
        return Bands(*BAND)
    if not keep.bands.own:
        return keep.bands
    return bands_of(keep.bands.ends(pd.Series({key: key for key in keep.bands.own})), units)


def wanted_cells(cells: pd.Series | str | None, units: gpd.GeoDataFrame) -> dict[str, int]:
    """Return the number of cells wanted in each jurisdiction that names one."""
    if cells is None:
        return {}
    if isinstance(cells, str):
        if cells not in units:
            raise InputError(
                "`cells` names the column {cells!r}, which the units lack.", cells=cells
            )
        cells = units.groupby("parent")[cells].first()
    wishes = pd.Series(cells)
    numbers = pd.to_numeric(wishes, errors="coerce").dropna()
    rest = wishes[~wishes.index.isin(numbers.index)].dropna()
    if unread := [str(v) for v in rest if str(v).strip()]:
        raise InputError(
            "`cells` holds {unread!r}; give whole numbers from 1, or nothing.", unread=unread[0]
        )
    if (numbers < 1).any() or (numbers % 1 != 0).any():
        raise InputError("`cells` must hold whole numbers from 1, or nothing where any will do.")
    return {str(key): int(number) for key, number in numbers.items()}


def check_approved(approved: Collection[str], units: gpd.GeoDataFrame) -> None:
    """Refuse to approve exceptions of jurisdictions that are not there."""
    known = units["parent"].astype(str).unique()
    for code in sorted(set(approved).difference(known)):
        raise InputError(
            "`approved` names {code!r}, which is no jurisdiction of the units. Give a "
            "code such as {known!r}.",
            code=code,
            known=known[0],
        )


def check_day(on: str) -> None:
    """Refuse a day that is none."""
    try:
        date.fromisoformat(on or "2000-01-01")
    except (TypeError, ValueError):
        raise InputError("`on` is {on!r}; give a day, as 2026-07-01.", on=on) from None


def wanted_target(target: float | None, low: int, high: int) -> float:
    """Return the households wanted in a cell: the middle of the band unless told otherwise."""
    if target is None:
        return (low + high) / 2
    if not low <= target <= high:
        raise InputError(
            "`target` is {target}, outside the band {low}-{high}; choose within it.",
            target=target,
            low=low,
            high=high,
        )
    return float(target)


def own_bands(bands: Bands, target: float | None) -> dict[str, tuple[int, int, float]]:
    """Return band and target of each jurisdiction, where bands differ."""
    return {key: (*band, wanted_target(target, *band)) for key, band in bands.own.items()}


def _band_parameters(bands: Bands, target: float | None) -> dict[str, Any]:
    """Return what a grid keeps of the band of its cells, or of those of its jurisdictions."""
    kept: dict[str, Any] = {"min": bands.low, "max": bands.high}
    if not bands.own:
        return {**kept, "target": wanted_target(target, bands.low, bands.high)}
    own = {key: list(band) for key, band in sorted(bands.own.items())}
    return {**kept, "target": None if target is None else float(target), "bands": own}


def share_of(name: str, wish: float) -> float:
    """Return how much a wish weighs, 0 to 1."""
    if not 0 <= wish <= 1:
        raise InputError("`{name}` is {wish}; give a number from 0 to 1.", name=name, wish=wish)
    return float(wish)


def unmet(
    jobs: Sequence[Job], outcomes: Sequence[Outcome], wishes: Wishes, label: Ints
) -> dict[str, Any]:
    """Return the wishes that could not be met; nothing where all were.

    ``crossed`` lists the jurisdictions with cells across a hard barrier, ``enclosing`` the numbers
    of the cells around others although holes are unwanted, ``cells_missed`` the cells wanted and
    made in a jurisdiction, and whether the number wanted is proved impossible.
    """
    pairs = list(zip(jobs, outcomes, strict=True))
    found: dict[str, Any] = {
        "crossed": [job.community.key for job, outcome in pairs if outcome.crossed],
        "enclosing": [
            int(label[job.community.place[np.argmax(outcome.label == cell)]])
            for job, outcome in pairs
            if wishes.no_holes
            for cell in enclosing_cells(job.community, outcome.label)
        ],
        "cells_missed": {
            job.community.key: {
                "wanted": job.cells,
                "made": outcome.cells,
                "proved": proved_impossible(job.community, job.own(wishes), job.cells),
            }
            for job, outcome in pairs
            if job.cells and job.cells != outcome.cells
        },
    }
    return {wish: places for wish, places in found.items() if places}


def partition(
    units: gpd.GeoDataFrame,
    households: tuple[Bound, Bound] | None = None,
    *,
    seed: int = 0,
    target: float | None = None,
    cells: pd.Series | str | None = None,
    weight: str | None = None,
    quality: Quality = "default",
    barriers: gpd.GeoDataFrame | None = None,
    road_preference: float = ROADS,
    balance: float = BALANCE,
    no_holes: bool = False,
    exclaves: Exclaves = "attach",
    keep: Grid | None = None,
    move_price: float | None = None,
    limit: float | None = None,
    locked: Collection[str] = (),
    approved: Collection[str] = (),
    on: str = "",
    scheme: str | None = None,
    workers: int | None = None,
    dask: Client | None = None,
    lang: Lang = "zh",
    progress: Progress | None = None,
) -> Grid:
    """Cut jurisdictions into connected cells whose households lie within a band.

    Every residential cell is connected, lies in one jurisdiction and has between min and max
    households wherever that is possible; where it is not, the grid's `exceptions` say why and what
    would help. The same units, options and seed give the same grid.

    Parameters
    ----------
    units : GeoDataFrame
        What `subdivide` returns, or any polygons that tile their jurisdictions, with ``parent``
        (code of the jurisdiction) and ``households``.
    households : (min, max), optional
        Least and most households of a cell, 300 and 600 unless a grid is kept, whose band it is.
        Each is a number, or differs by area: a Series by the jurisdiction's code, or the name of a
        column of the units.
    seed : int
        Another seed gives another grid, as valid.
    target : float, optional
        Households wanted in a cell; by default the middle of the jurisdiction's band.
    cells : Series or str, optional
        Cells wanted in each jurisdiction: a Series by its code, or a column of the units. Where
        the band allows no such division, or none is found, the number is as near as can be, and
        ``parameters["cells_missed"]`` holds the number wanted and made, and whether the one
        wanted is proved impossible.
    weight : str, optional
        Column of workload that is balanced between cells, in place of households.
    quality : {"default", "fast", "best"}
        How long the search anneals: 2,000, 400 or 6,400 sweeps.
    barriers : GeoDataFrame, optional
        Lines that borders should follow, for units that do not know their blocks.
    no_holes : bool
        Whether cells that enclose others are cut anew until they do not; where that cannot be,
        ``parameters["enclosing"]`` names them.
    exclaves : {"attach", "own"}
        Whether parts of a jurisdiction that touch no other and hold fewer than min households join
        the nearest cell of the jurisdiction that has room, or are cells of their own. What joined
        is listed in ``parameters["attached"]``, and the cell has its number of ``pieces``.
    road_preference : float
        How much cheaper a border on a barrier is than one elsewhere, 0 to 1. At 1 blocks are
        split only where the band demands it, never for compactness or balance.
    balance : float
        How much even loads weigh against compactness, 0 to 1. At 0 they weigh nothing, and blocks
        stay whole wherever the band allows; the default is the knee of the measured front.
    keep : Grid, optional
        An old grid that is changed as little as the band demands. Surviving cells keep their
        codes, codes of others are retired, and ``parameters["change"]`` tells what moved. A cell
        keeps its code in another jurisdiction too: `Grid.former_parents` tells which do.
    move_price : float, optional
        What moving a cell's worth of households costs against compactness; 3 by default.
    limit : float, optional
        Most households that may move, as a share up to 1 or a number; jurisdictions that would
        exceed it stay as they were.
    locked : collection of str
        Codes of old cells that must not change.
    approved : collection of str
        Jurisdictions whose exceptions are approved.
    on : str
        Day from which the cells hold, as 2026-07-01: new ones bear it in the column
        ``valid_from``, codes retired by `keep` in ``valid_to``.
    scheme : str, optional
        Pattern of the codes or its name, as in `gridmap.codes.code_pattern`; by default that of
        the grid that is kept, else the jurisdiction's code and three digits.
    workers : int, optional
        Processes, by default as many as pay; the grid is the same whatever their number.
    dask : distributed.Client, optional
        Solves the jurisdictions on a cluster.
    lang : {"zh", "en"}
        Language of the reasons, the options and the names of cells.
    progress : callable, optional
        Told the stage, the jurisdictions done and all; in a huge one the steps of annealing.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When units or options cannot be used.

    Examples
    --------
    >>> import shapely
    >>> blocks = gpd.GeoDataFrame({"parent": "A", "households": [200, 250, 150, 350]},
    ...     geometry=shapely.box([0, 1, 2, 3], 0, [1, 2, 3, 4], 1), crs=4547)
    >>> partition(blocks).cells["households"].to_dict()
    {'A-001': 450, 'A-002': 500}
    """
    check_choice("quality", quality, EFFORTS)
    check_choice("exclaves", exclaves, get_args(Exclaves))
    inherited = DEFAULT_SCHEME if keep is None else keep.parameters.get("scheme", DEFAULT_SCHEME)
    pattern = code_pattern(scheme or str(inherited))
    progress = progress or silent
    frame = check_units(units)
    bands = wanted_bands(households, keep, frame)
    own = own_bands(bands, target)
    wishes = Wishes(
        bands.low,
        bands.high,
        wanted_target(target, bands.low, bands.high),
        seed,
        EFFORTS[quality],
        share_of("road_preference", road_preference),
        FULL * share_of("balance", balance),
        no_holes,
        progress,
    )
    wanted = wanted_cells(cells, frame)
    if locked:
        units_locked(keep, locked)
    check_approved(approved, frame)
    check_day(on)
    kept = None if keep is None else read_old(keep, frame, move_price, locked)
    towns = linked_all(frame, communities(frame, weight, barriers), bands, exclaves)
    jobs = [
        Job(
            job,
            wanted.get(job.key, 0),
            None if kept is None else kept.old(job, bands),
            own.get(job.key),
        )
        for job in towns
    ]
    warm(progress)
    outcomes = solved(jobs, wishes, workers, dask, progress)
    if limit is not None:
        for number, held in beyond_limit(jobs, outcomes, limit).items():
            outcomes[number] = held.done(wishes)
    label = dedicate(frame, numbered(frame, jobs, outcomes))
    parameters: dict[str, Any] = {
        **_band_parameters(bands, target),
        "seed": seed,
        "quality": quality,
        "road_preference": road_preference,
        "balance": balance,
        "weight": weight,
        "no_holes": no_holes,
        "exclaves": exclaves,
        "scheme": pattern,
        **unmet(jobs, outcomes, wishes, label),
    }
    if joined := attached(frame, label, [job.community for job in jobs], outcomes):
        parameters["attached"] = joined
    codes: dict[int, str] = {}
    if kept is not None:
        before = kept.grid.exceptions
        approved = {*approved, *before.loc[before["approved"].astype(bool), "parent"].astype(str)}
        codes = kept_codes(kept, frame, label)
    rows = exceptions_of(frame, label, jobs, outcomes, wishes, bands, approved, lang)
    if (several := rows["parent"].nunique()) > TRIED:
        parameters["options_untried"] = several - TRIED
    grid = assemble(
        frame, label, rows, parameters, scheme=pattern, kept=codes, old=keep, on=on, lang=lang
    )
    if keep is not None:
        unaltered(keep, grid, locked)
    return grid


def solved(
    jobs: Sequence[Job],
    wishes: Wishes,
    workers: int | None,
    dask: Client | None,
    progress: Progress,
) -> list[Outcome]:
    """Solve all jobs and return the outcomes in their order."""
    outcomes: dict[int, Outcome] = {}
    progress("solve", 0, len(jobs))
    for number, outcome in solve_all(jobs, wishes, workers, dask):
        outcomes[number] = outcome
        progress("solve", len(outcomes), len(jobs))
    return [outcomes[number] for number in range(len(jobs))]


def numbered(units: gpd.GeoDataFrame, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> Ints:
    """Number the cells of all jobs through; -1 where a unit is in none."""
    label = np.full(len(units), -1, np.int64)
    count = 0
    for (community, *_), outcome in zip(jobs, outcomes, strict=True):
        label[community.place] = outcome.label + count
        count += int(outcome.label.max()) + 1
    return label


def micro_band_in(
    areas: gpd.GeoDataFrame, keys: list[str], low: int | str, high: int | str
) -> tuple[Bound, Bound]:
    """Return the band of micro-cells, refused before any work is done.

    A jurisdiction that names neither end in its columns is to have none.
    """
    none = pd.Series(dtype=float)
    band = (
        _end_in(areas, keys, "--micro-min", low, none),
        _end_in(areas, keys, "--micro-max", high, none),
    )
    if wanted := [key for key in keys if key not in _unsplit(band)]:
        bands_of(band, pd.DataFrame({"parent": wanted}))
    return band


def _unsplit(band: tuple[Bound, Bound]) -> set[str]:
    """Return the jurisdictions that name no band of micro-cells."""
    columns = [end.map(is_nothing) for end in band if isinstance(end, pd.Series)]
    if not columns:
        return set()
    blank = np.all([column.to_numpy(dtype=bool) for column in columns], axis=0)
    return set(columns[0].index[blank].astype(str))


def band_in(
    areas: gpd.GeoDataFrame,
    keys: list[str],
    low: int | str | None,
    high: int | str | None,
    old: Grid | None,
) -> tuple[Bound, Bound] | None:
    """Return the band, each end a number or by jurisdiction, refused before any work is done.

    An end that was not named is the grid's to keep, or the usual one.
    """
    parents = pd.DataFrame({"parent": list(keys)})
    if low is None and high is None:
        return None
    before = wanted_bands(None, old, parents)
    own = pd.DataFrame([before.of(str(key)) for key in keys], index=keys, columns=["min", "max"])
    band = (
        _end_in(areas, keys, "--min", low, own["min"]),
        _end_in(areas, keys, "--max", high, own["max"]),
    )
    bands_of(band, parents)
    return band


def _end_in(
    areas: gpd.GeoDataFrame,
    keys: list[str],
    option: str,
    given: int | str | None,
    before: pd.Series,
) -> Bound:
    """Return an end of the band: a number, or by the code of the jurisdiction."""
    if given is None:
        return int(before.iloc[0]) if before.nunique() == 1 else before
    try:
        return int(given)
    except ValueError:
        return column_in(areas, keys, option, str(given))


def column_in(areas: gpd.GeoDataFrame, keys: list[str], option: str, column: str) -> pd.Series:
    """Return a column of the jurisdictions by their code, or say that there is none."""
    if column not in areas:
        has = ", ".join(map(str, attributes(areas)))
        raise InputError(
            "`{option}` names {column!r}, which the jurisdictions lack; name: {has}.",
            option=option,
            column=column,
            has=has,
        )
    return areas[column].set_axis(keys)


def micro_cells(grid: Grid, band: tuple[Bound, Bound], asked: dict[str, Any]) -> Grid | None:
    """Cut the residential cells of a grid into micro-cells, by the wishes for the cells.

    A band by jurisdiction holds for the cells of each; None where all are to stay whole.
    """
    parent = grid.cells["parent"]
    chosen = grid.cells.index[(grid.cells["kind"] == "residential") & ~parent.isin(_unsplit(band))]
    if not len(chosen):
        return None
    low, high = (
        parent.map(end[~end.index.duplicated()]) if isinstance(end, pd.Series) else end
        for end in band
    )
    wishes = ("seed", "quality", "road_preference", "balance", "no_holes", "exclaves")
    kept = (*wishes, "workers", "lang", "progress")
    passed = {name: value for name, value in asked.items() if name in kept}
    small = partition(units_within(grid, chosen), (low, high), scheme="micro", **passed)
    return small if grid.buildings is None else small.with_buildings(grid.buildings)
