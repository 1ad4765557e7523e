"""Assign a file of any length in bounded memory: order kept, columns kept, rows accounted for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from pyarrow import parquet as pq

from gridmap._arrays import Array, Floats, Ints, Ints32
from gridmap._checks import Each, Progress, coordinates_of, here, label, silent
from gridmap.coverage.point_index import BOUNDARY
from gridmap.crs.datum import check_datum, positions_from
from gridmap.crs.project import mover
from gridmap.errors import CRSError, InputError
from gridmap.grid.locator import INVALID, Locator, Placement
from gridmap.incidents.assign import (
    DATUM_OF,
    NAMED,
    RESULT_COLUMNS,
    STATUSES,
    Accounts,
    alarm_of,
    nowhere,
    renamed,
)
from gridmap.io.atomic import replacing
from gridmap.io.batches import Batch, FileOfPoints, ParquetFile, geometry_of, marked, shapes_of
from gridmap.io.coordinates import Pair, fill_places
from gridmap.io.excel_write import WRITERS, Writer
from gridmap.io.gridfile import read_districts, read_grid
from gridmap.io.point_text import PointColumn, parse_points
from gridmap.io.text import number_array

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


_SAMPLED = 2_000  # positions of a batch kept to ask about the datum
_ENOUGH = 20_000
_AT_ONCE = 1 << 20  # positions of a district placed at once


def assign_file(
    source: FileOfPoints,
    target: Path,
    grid: Grid,
    *,
    x: str | None = None,
    y: str | None = None,
    points: PointColumn | None = None,
    others: Sequence[Pair] = (),
    datum: str | None = None,
    max_distance: float | None = None,
    headings: Mapping[str, str] | None = None,
    own_prefix: str = "incident_",
    write: Writer | None = None,
    progress: Progress = silent,
) -> Accounts:
    """Write a file of incidents again, with four more columns that place them.

    Parameters
    ----------
    source : FileOfPoints
        `Delimited`, `ParquetFile`, `Layer` or `Sheets`.
    target : path
        Where to: .csv, .parquet, .gpkg or .xlsx. It is written as it goes; make it atomic around
        this call.
    grid : Grid
        The cells.
    x, y : str, optional
        Columns of the coordinates; the points of the file when not given.
    points : PointColumn, optional
        The column that holds points as text.
    others : sequence of Pair
        Columns whose headings name a datum, for rows without coordinates.
    datum, max_distance
        As of `assign`.
    headings : mapping, optional
        Other names for the four columns.
    own_prefix : str
        What an own column of the same name gets in front of it.
    write : callable, optional
        Another way out than the one `target`'s extension names; it gets the points too.
    progress : callable
        Told of the rows or bytes read.

    Returns
    -------
    Accounts

    Raises
    ------
    InputError
        When a column is missing, or the format is unknown.
    """
    writer = write or WRITERS.get(target.suffix.lower())
    if writer is None:
        raise InputError(
            "`{target}` has no known extension. Use {writers}.",
            target=target.name,
            writers=[*WRITERS],
        )
    run = _Run(source, grid, Where(x, y, points, tuple(others), datum), max_distance, progress)
    _write(run, target, writer, headings, own_prefix, with_points=write is not None)
    return run.finish()


def _write(
    run: _Run,
    target: Path,
    writer: Writer,
    headings: Mapping[str, str] | None = None,
    own_prefix: str = "incident_",
    *,
    with_points: bool = False,
) -> None:
    """Write what a run goes over."""
    source, grid = run.source, run.grid
    names = [(headings or {}).get(name, name) for name in RESULT_COLUMNS]
    own = renamed(source.schema.names, names, own_prefix)
    pointed = with_points or target.suffix.lower() == ".gpkg"
    with_points = pointed and geometry_of(source.schema) is None
    schema = _target_schema(source.schema, own, names, with_points)
    crs = grid.crs if with_points else source.crs

    def placed() -> Iterator[pa.RecordBatch]:
        for batch, placement, at in run:
            columns = [*batch.table.columns, *_result_columns(placement, run.codes)]
            if with_points:
                columns.append(_as_wkb(*at))
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    writer(placed(), schema, target, crs)


def _target_schema(
    schema: pa.Schema, own: Mapping[str, str], names: Sequence[str], with_points: bool
) -> pa.Schema:
    """Return the columns that incidents are written with, from those they were read with.

    `own` renames those, `names` are of the four columns that place them, and a column of points is
    added `with_points`.
    """
    fields = [f.with_name(own.get(f.name, f.name)) for f in schema]
    types = (pa.string(), pa.string(), pa.string(), pa.float64())
    fields += [pa.field(name, kind) for name, kind in zip(names, types, strict=True)]
    geometry = geometry_of(schema)
    if with_points:
        geometry = "geometry"
        while geometry in [f.name for f in fields]:
            geometry = f"grid_{geometry}"
        fields.append(pa.field(geometry, pa.binary()))
    return marked(pa.schema(fields), geometry if geometry is None else own.get(geometry, geometry))


def place_piece(
    number: int,
    source: ParquetFile,
    target: Path,
    grid: str,
    where: Where,
    max_distance: float | None,
) -> tuple[int, Seen]:
    """Assign one piece of Parquet to a file; what both are named by is read where this runs."""
    for path in (source.path, target.parent):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
    run = _Run(source, read_grid(grid, whole=False), where, max_distance, silent)
    with replacing(target, overwrite=True) as part:
        _write(run, part, WRITERS[".parquet"])
    return number, run.seen


def accounts_of(
    source: FileOfPoints, grid: Grid, where: Where, seen: Iterable[tuple[int, Seen]]
) -> Accounts:
    """Return the accounts of a file from those of its pieces."""
    run = _Run(source, grid, where, 0.0, silent)
    for _, one in sorted(seen, key=lambda answer: answer[0]):
        run.absorb(one)
    return run.finish()


def count_file(
    source: FileOfPoints,
    grid: Grid,
    *,
    x: str | None = None,
    y: str | None = None,
    points: PointColumn | None = None,
    others: Sequence[Pair] = (),
    datum: str | None = None,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, Accounts]:
    """Count a file of incidents by cell, reading nothing but their positions.

    Parameters
    ----------
    source, grid, x, y, points, others, datum, progress
        As of `assign_file`.

    Returns
    -------
    DataFrame
        The column ``incidents``, indexed by ``code``, sorted, zeros included.
    Accounts
    """
    where = Where(x, y, points, tuple(others), datum)
    run = _Run(_positions_of(source, where, others), grid, where, 0.0, progress)
    counts = np.zeros(len(run.codes) + 1, dtype=np.int64)
    for _, placement, _ in run:
        counts += np.bincount(placement.cell, minlength=len(counts))
    index = pd.Index(run.codes, name="code", dtype=str)
    return pd.DataFrame({"incidents": counts[1:]}, index=index).sort_index(), run.finish()


def _positions_of(source: FileOfPoints, where: Where, others: Sequence[Pair]) -> FileOfPoints:
    """Return a file of which no more columns are read than tell positions."""
    if not isinstance(source, ParquetFile):
        return source
    needed = [*where.columns(source.schema), *(side for p in others for side in p[:2])]
    return replace(source, columns=tuple(dict.fromkeys(needed)))


def count_districts(
    source: FileOfPoints,
    path: str | os.PathLike[str],
    *,
    x: str | None = None,
    y: str | None = None,
    points: PointColumn | None = None,
    others: Sequence[Pair] = (),
    datum: str | None = None,
    progress: Progress = silent,
    each: Each = here,
) -> tuple[pd.DataFrame, Accounts]:
    """Count a file of incidents by cell of a dataset by district, holding one district at a time.

    The positions are first laid down by district among the temporary files, 16 bytes each, then
    counted in one district after the other; where `each` calls elsewhere, as on a cluster, pieces
    of Parquet are counted there, and added up. All else is as of `count_file`.
    """
    where = Where(x, y, points, tuple(others), datum)
    if each is here:
        table, run = _by_district(source, path, where, progress)
        return table, run.finish()
    calls = [(number, piece, path, where) for number, piece in enumerate(pieces_of(source))]
    done = []
    for answer in each(_piece, calls):
        done.append(answer)
        progress("assign", len(done), len(calls))
    seen = [(number, one) for number, _, one in done]
    whole = read_districts(path)[0]
    return sum(table for _, table, _ in done), accounts_of(source, whole, where, seen)


def pieces_of(source: FileOfPoints) -> list[ParquetFile]:
    """Return pieces of Parquet, or refuse another file."""
    if not isinstance(source, ParquetFile):
        raise InputError("A cluster reads Parquet only; write the incidents as Parquet.")
    return replace(source, path=source.path.absolute()).pieces()  # for workers elsewhere


def _piece(
    number: int, source: ParquetFile, path: str, where: Where
) -> tuple[int, pd.DataFrame, Seen]:
    """Count one piece of a file."""
    table, run = _by_district(source, path, where, silent)
    return number, table, run.seen


def _by_district(
    source: FileOfPoints, path: str | os.PathLike[str], where: Where, progress: Progress
) -> tuple[pd.DataFrame, _Run]:
    whole, places = read_districts(path)
    # on the outer rim the lowest code of a cell decides, and so of the district that has it
    lowest = np.array([_lowest_code(places[key]) for key in whole.cells.index], dtype=object)
    locator = Locator(whole.cells.geometry.to_numpy(), lowest, whole.crs)
    run = _Run(_positions_of(source, where, where.others), whole, where, 0.0, progress, locator)
    tables = []
    with tempfile.TemporaryDirectory(prefix="gridmap-") as folder:
        for _, placement, at in run:
            _lay_down(Path(folder), placement.cell, np.stack(at, axis=1))
        for number, key in enumerate(whole.cells.index, start=1):
            part = read_grid(places[key], whole=False)
            counts, between = _counted(Path(folder, str(number)), part.locator)
            run.between_cells(between)
            index = pd.Index(part.locator.codes, name="code", dtype=str)
            tables.append(pd.DataFrame({"incidents": counts}, index=index))
    return pd.concat(tables).sort_index(), run


def _lowest_code(place: Path) -> str:
    codes = pq.read_table(place / "cells.parquet", columns=["code"])["code"]
    return str(pc.min(codes).as_py())


def _lay_down(folder: Path, district: Ints32, xy: Floats) -> None:
    """Append the positions of a batch to the file of each district."""
    order = np.argsort(district, kind="stable")
    ends = np.searchsorted(district[order], np.arange(1, district.max(initial=0) + 2))
    for number in np.flatnonzero(np.diff(ends)) + 1:
        with (folder / str(number)).open("ab") as file:
            xy[order[ends[number - 1] : ends[number]]].tofile(file)


def _counted(path: Path, locator: Locator) -> tuple[Ints, int]:
    """Count the positions of a file by cell, and those on borders between the cells."""
    counts, between = np.zeros(len(locator.codes) + 1, dtype=np.int64), 0
    if not path.exists():
        return counts[1:], 0
    total = path.stat().st_size // 16
    locator.prepare(total)
    for start in range(0, total, _AT_ONCE):
        xy = np.fromfile(path, dtype=float, count=2 * _AT_ONCE, offset=16 * start).reshape(-1, 2)
        cell, place = locator.relate(xy[:, 0].copy(), xy[:, 1].copy())
        counts += np.bincount(cell, minlength=len(counts))
        between += int((place == BOUNDARY).sum())
    return counts[1:], between


class Where(NamedTuple):
    """Where the positions of a file stand, and what they are in."""

    x: str | None
    y: str | None
    points: PointColumn | None
    others: tuple[Pair, ...]
    datum: str | None

    def columns(self, schema: pa.Schema) -> list[str]:
        """Return one column of points, or two of coordinates."""
        if self.points is not None:
            return [self.points.name]
        return _position_columns(schema, self.x, self.y)


@dataclass
class Seen:
    """What a run has met: accounts, some positions, how many there were, and a text for one."""

    accounts: Accounts
    sample: list[Floats]
    given: int = 0
    strange: str | None = None


class _Run:
    """One pass over a file: batches with their placement, and the accounts they add up to."""

    def __init__(
        self,
        source: FileOfPoints,
        grid: Grid,
        where: Where,
        max_distance: float | None,
        progress: Progress,
        locator: Locator | None = None,
    ) -> None:
        self.source, self.grid, self._progress = source, grid, progress
        self._where = where
        self._locator: Locator = locator or grid.locator
        self.codes = self._locator.codes
        self._max_distance = max_distance
        self.seen = Seen(Accounts(), [])
        self._names = where.columns(source.schema)
        shaped = len(self._names) == 1 and where.points is None
        self._datum, self._move = _mover(source.crs if shaped else grid.crs, where.datum, grid.crs)
        self._locator.prepare(source.rows)

    def __iter__(self) -> Iterator[tuple[Batch, Placement, tuple[Floats, Floats]]]:
        for batch in self.source.batches():
            given = self._positions(batch.table)
            for axis in given:
                axis[list(batch.broken)] = np.nan
            x, y = self._move(*given)
            placement = self._locator.place(x, y, self._max_distance)
            self._account(batch, placement)
            self.seen.given += int((np.isfinite(given[0]) & np.isfinite(given[1])).sum())
            self._keep_some(given)
            yield batch, placement, (x, y)
            self._progress("assign", batch.done, self.source.size)

    def absorb(self, later: Seen) -> None:
        """Add what a run over the next piece has seen."""
        seen, before = self.seen, self.seen.accounts.counts["read"]
        for name, count in later.accounts.counts.items():
            seen.accounts.counts[name] += count
        rows = [row + before for row in later.accounts.invalid_rows]
        seen.accounts.invalid_rows = [*seen.accounts.invalid_rows, *rows][:NAMED]
        seen.accounts.broken += later.accounts.broken
        seen.sample += later.sample
        seen.given += later.given
        seen.strange = seen.strange or later.strange

    def between_cells(self, count: int) -> None:
        """Book points as on a border which were booked as inside something larger."""
        self.seen.accounts.counts["inside"] -= count
        self.seen.accounts.counts["boundary"] += count

    def finish(self) -> Accounts:
        """Return the accounts, with an alarm when the datum is doubtful."""
        counts = self.seen.accounts.counts
        if self.seen.strange is not None and counts["invalid"] == counts["read"]:
            raise InputError(
                "None of the {read:,} {read:incident|incidents} has a position: {names!r} and "
                "{names_2!r} hold text such as {strange!r}. Name the columns of the "
                "coordinates with --x and --y.",
                read=counts["read"],
                names=self._names[0],
                names_2=self._names[1],
                strange=self.seen.strange,
            )
        placed = sum(counts[name] for name in ("inside", "boundary", "rim"))
        x, y = np.concatenate([np.empty((2, 0)), *self.seen.sample], axis=1)
        if counts["read"] and not placed:
            self.seen.accounts.nowhere = nowhere(x, y, self._datum, counts["read"], self.grid)
        else:
            lost = self.seen.given - placed
            self.seen.accounts.alarm = alarm_of(x, y, self._datum, lost, counts["read"], self.grid)
        return self.seen.accounts

    def _positions(self, table: pa.RecordBatch) -> tuple[Floats, Floats]:
        columns = [table.column(name) for name in self._names]
        if self._where.points is not None:
            found = parse_points(columns[0].cast(pa.string()), self._where.points)
            x, y = found.x, found.y
        elif len(columns) == 1:
            x, y = coordinates_of(shapes_of(columns[0], "points"), "points")
        else:
            x, y = (number_array(column).copy() for column in columns)
            if self.seen.strange is None and not (np.isfinite(x) & np.isfinite(y)).any():
                self.seen.strange = _strange(columns)
        pairs = [(number_array(table.column(pair.x)), number_array(table.column(pair.y)),
                  str(pair.datum)) for pair in self._where.others]  # fmt: skip
        return fill_places(x, y, pairs, self._where.datum, self.grid.crs)[:2] if pairs else (x, y)

    def _account(self, batch: Batch, placement: Placement) -> None:
        accounts, counts = self.seen.accounts, self.seen.accounts.counts
        for name, count in zip(
            STATUSES, np.bincount(placement.place, minlength=len(STATUSES)), strict=True
        ):
            counts[name] += int(count)
        accounts.broken += len(batch.broken)
        room = NAMED - len(accounts.invalid_rows)
        if room > 0:
            invalid = np.flatnonzero(placement.place == INVALID)[:room]
            accounts.invalid_rows += (invalid + counts["read"] + 1).tolist()
        counts["read"] += len(placement.place)

    def _keep_some(self, given: tuple[Floats, Floats]) -> None:
        if sum(part.shape[1] for part in self.seen.sample) < _ENOUGH:
            step = max(1, len(given[0]) // _SAMPLED)
            self.seen.sample.append(np.stack([axis[::step] for axis in given]))


def _position_columns(schema: pa.Schema, x: str | None, y: str | None) -> list[str]:
    geometry = geometry_of(schema)
    if (x is None) != (y is None):
        raise InputError("Give both `x` and `y`, or neither.")
    if x is None and geometry is not None:
        return [geometry]
    return [_column(schema, x or "x"), _column(schema, y or "y")]


def _column(schema: pa.Schema, name: str) -> str:
    if name not in schema.names:
        raise InputError(
            "The incidents have no column {name!r}; they have {names}. Name the columns "
            "of the coordinates with --x and --y.",
            name=name,
            names=[*schema.names],
        )
    return name


def _mover(given: Any, datum: str | None, crs: Any) -> tuple[str, Any]:
    """Return the datum of the positions, and what moves them to the grid's CRS."""
    if datum is not None:
        datum = check_datum(datum)
        return datum, lambda x, y: positions_from(x, y, datum, crs)
    if given is None:
        raise CRSError(
            "The incidents have no CRS, so their coordinates mean nothing. Declare --datum."
        )
    named = DATUM_OF.get(label(given), label(given))
    return named, (lambda x, y: (x, y)) if given == crs else mover(given, crs)


def _strange(columns: list[pa.Array]) -> str | None:
    """Return a text that stands where a coordinate was expected."""
    for column in columns:
        texts = column.cast(pa.string()).to_pandas().dropna()
        odd = texts[(texts.str.strip() != "") & ~np.isfinite(number_array(texts))]
        if len(odd):
            return str(odd.iloc[0])
    return None


def _result_columns(placement: Placement, codes: Array) -> list[pa.Array]:
    """Return code, status, nearest code and distance as text and numbers."""
    nearest = np.zeros(len(placement.cell), dtype=np.int32)
    nearest[placement.outside] = placement.nearest
    distance = np.full(len(placement.cell), np.nan)
    distance[placement.outside] = np.round(placement.distance, 3)
    named = pa.array(codes, type=pa.string())
    return [
        named.take(pa.array(placement.cell - 1, mask=placement.cell == 0)),
        pa.array(STATUSES).take(pa.array(placement.place)),
        named.take(pa.array(nearest - 1, mask=nearest == 0)),
        pa.array(distance, from_pandas=True),
    ]


def _as_wkb(x: Floats, y: Floats) -> pa.Array:
    known = np.isfinite(x) & np.isfinite(y)
    points = np.full(len(x), None, dtype=object)
    points[known] = shapely.to_wkb(shapely.points(x[known], y[known]))
    return pa.array(points, type=pa.binary())
