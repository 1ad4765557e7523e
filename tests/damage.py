"""Clean coverages with known truth, and damage done to them: shares no code with the detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import shapely

STEP = 2.0**-16
SIZE = 100.0
AREAS = (1e-9, 1e-7, 1e-5, 1e-3, 1e-2, 1.0, 100.0)


@dataclass
class Quilt:
    """Cells of a jittered lattice with wavy sides, row after row, and what they tile."""

    columns: int
    rows: int
    side: int
    rings: np.ndarray
    boundary: shapely.Geometry
    block: np.ndarray
    lakes: list[int] = field(default_factory=list)

    @property
    def everything(self) -> np.ndarray:
        """Return the polygons of all places, lakes included."""
        return shapely.polygons(self.rings)

    @property
    def dry(self) -> np.ndarray:
        """Return the places that are cells."""
        return np.setdiff1d(np.arange(len(self.rings)), self.lakes)

    @property
    def cells(self) -> np.ndarray:
        """Return the cells."""
        return self.everything[self.dry]

    @property
    def parents(self) -> np.ndarray:
        """Return the union of the cells of each block."""
        parent = self.block[self.dry]
        cells = self.cells
        return np.array([shapely.coverage_union_all(cells[parent == b]) for b in np.unique(parent)])

    @property
    def parent_of(self) -> np.ndarray:
        """Return the place of each cell's block among `parents`."""
        return np.unique(self.block[self.dry], return_inverse=True)[1]


def quilt(
    columns: int, rows: int, *, side: int = 12, seed: int = 0, lakes: int = 0, block: int = 5
) -> Quilt:
    """Make a clean coverage of about columns x rows cells with 4 x side vertices each."""
    random = np.random.default_rng(seed)
    corner_x, corner_y = np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0))
    corners = np.dstack([corner_x, corner_y]) * SIZE + random.uniform(
        -18, 18, (rows + 1, columns + 1, 2)
    )
    corners = _on_lattice(corners + np.array([500_000.0, 3_430_000.0]))
    across = _wavy(corners[:, :-1], corners[:, 1:], side, random)
    upward = _wavy(corners[:-1], corners[1:], side, random)
    rings = np.concatenate(
        [
            across[:-1, :, :-1],
            upward[:, 1:, :-1],
            across[1:, :, :0:-1],
            upward[:, :-1, ::-1],
        ],
        axis=2,
    ).reshape(rows * columns, 4 * side + 1, 2)
    outline = np.concatenate(
        [
            across[0, :, :-1].reshape(-1, 2),
            upward[:, -1, :-1].reshape(-1, 2),
            across[-1, ::-1, :0:-1].reshape(-1, 2),
            upward[::-1, 0, :0:-1].reshape(-1, 2),
        ]
    )
    row, column = np.divmod(np.arange(rows * columns), columns)
    inner = np.flatnonzero((row % block == block // 2) & (column % block == block // 2))
    inner = inner[(row[inner] > 0) & (row[inner] < rows - 1)]
    inner = inner[(column[inner] > 0) & (column[inner] < columns - 1)]
    wet = sorted(random.choice(inner, min(lakes, len(inner)), replace=False).tolist())
    boundary = shapely.Polygon(outline, [rings[k][::-1] for k in wet])
    number = (row // block) * ((columns - 1) // block + 1) + column // block
    return Quilt(columns, rows, side, rings, boundary, number, wet)


def _on_lattice(xy: np.ndarray) -> np.ndarray:
    return np.round(xy / STEP) * STEP


def _wavy(start: np.ndarray, end: np.ndarray, side: int, random: Any) -> np.ndarray:
    along = np.linspace(0, 1, side + 1)[:, None]
    way = (end - start)[:, :, None]
    normal = np.stack([-way[..., 1], way[..., 0]], axis=-1)
    bump = random.uniform(-0.03, 0.03, (*start.shape[:2], side + 1, 1))
    bump[:, :, [0, -1]] = 0
    return _on_lattice(start[:, :, None] + way * along + normal * bump)


@dataclass(frozen=True)
class Damage:
    """One injected defect: what must be found, where, with which area and culprits."""

    kind: str
    name: str
    zone: shapely.Geometry
    area: float | None
    culprits: tuple[int, ...]


@dataclass
class Broken:
    """A damaged quilt: its cells, what they are in the quilt (-1: added), and the truth."""

    cells: np.ndarray
    place: np.ndarray
    truth: list[Damage]


class _Site:
    """A cell to be damaged, by its place in the quilt."""

    def __init__(self, whole: Quilt, place: int) -> None:
        self.whole, self.place = whole, place
        self.ring = whole.rings[place].copy()
        self.east = whole.side + whole.side // 2  # a vertex in the middle of the east side
        self.zone = shapely.buffer(shapely.Polygon(self.ring), 60.0)

    def pushed(self, area: float, outward: bool) -> tuple[np.ndarray, float]:
        """Move the middle of the east side; return the ring and the exact area swept."""
        before, at, after = (self.ring[self.east + k] for k in (-1, 0, 1))
        height = after[1] - before[1]
        x = at[0] + (1 if outward else -1) * 2 * area / height
        if x == at[0]:
            x = np.nextafter(x, np.inf if outward else -np.inf)
        ring = self.ring.copy()
        ring[self.east, 0] = x
        swept = abs(Fraction(x) - Fraction(at[0])) * Fraction(height) / 2
        return ring, float(swept)


def damaged(whole: Quilt, *, each: int = 4, seed: int = 1) -> Broken:
    """Do every kind of damage a few times, at places that do not touch each other."""
    random = np.random.default_rng(seed)
    inner, rim = _sites(whole, random)
    changed: dict[int, shapely.Geometry] = {}
    added: list[shapely.Geometry] = []
    gone: list[int] = []
    truth: list[tuple[str, str, shapely.Geometry, float | None, list[int]]] = []
    for name, size in _plan() * each:
        pool = rim if name in ("rim gap", "stick-out", "missing at the rim") else inner
        site = _Site(whole, pool.pop())
        kind, area, culprits = _harm(name, size, site, changed, added, gone)
        truth.append((kind, f"{name} {size:g}" if size else name, site.zone, area, culprits))
    everything = whole.everything
    for place, shape in changed.items():
        everything[place] = shape
    kept = np.setdiff1d(whole.dry, gone)
    position = {int(place): k for k, place in enumerate(kept)}
    position |= {-1 - k: len(kept) + k for k in range(len(added))}
    cells = np.concatenate([everything[kept], np.array(added, dtype=object)])
    place = np.concatenate([kept, np.full(len(added), -1)])
    known = [
        Damage(kind, name, zone, area, tuple(sorted(position[c] for c in culprits)))
        for kind, name, zone, area, culprits in truth
    ]
    return Broken(cells, place, known)


def _plan() -> list[tuple[str, float]]:
    plan = [(name, area) for area in AREAS for name in ("gap", "overlap")]
    plan += [
        (name, area) for area in (1e-9, 1e-5, 1e-2, 100.0) for name in ("rim gap", "stick-out")
    ]
    names = ("duplicate", "missing", "missing at the rim", "t-junction", "rounded vertex", "nested")
    plan += [(name, 0.0) for name in (*names, "island hole", "shifted", "bow tie")]
    return plan


def _sites(whole: Quilt, random: Any) -> tuple[list[int], list[int]]:
    """Return places inside and at the east rim that have two places between each other."""
    row, column = np.divmod(np.arange(len(whole.rings)), whole.columns)
    spaced = (row % 3 == 1) & (row > 0) & (row < whole.rows - 1)
    inside = spaced & (column % 3 == 1) & (column < whole.columns - 3) & (column > 0)
    wet = np.zeros(len(whole.rings), dtype=bool)
    for lake in whole.lakes:
        away = (abs(row - row[lake]) <= 2) & (abs(column - column[lake]) <= 2)
        wet |= away
    inner = random.permutation(np.flatnonzero(inside & ~wet)).tolist()
    rim = random.permutation(np.flatnonzero(spaced & (column == whole.columns - 1) & ~wet)).tolist()
    return inner, rim


def _harm(
    name: str,
    size: float,
    site: _Site,
    changed: dict[int, shapely.Geometry],
    added: list[shapely.Geometry],
    gone: list[int],
) -> tuple[str, float | None, list[int]]:
    """Do one kind of damage; return the kind to be found, its area and its culprits."""
    place, ring = site.place, site.ring
    if name in ("gap", "rim gap", "overlap", "stick-out"):
        moved, area = site.pushed(size, name in ("overlap", "stick-out"))
        if size >= 100 and not shapely.Polygon(moved).is_valid:
            raise AssertionError("the injector made an invalid ring")
        changed[place] = shapely.Polygon(moved)
        kind = {"rim gap": "gap", "stick-out": "outside"}.get(name, name)
        culprits = {"overlap": [place, place + 1], "outside": [place]}.get(kind, [])
        return kind, area, culprits
    if name == "duplicate":
        added.append(shapely.Polygon(ring))
        return "overlap", shapely.Polygon(ring).area, [place, -len(added)]
    if name in ("missing", "missing at the rim"):
        gone.append(place)
        return "gap", shapely.Polygon(ring).area, []
    if name in ("t-junction", "rounded vertex"):
        share = 2.0 if name == "t-junction" else 3.0
        extra = ring[site.east] + (ring[site.east + 1] - ring[site.east]) / share
        changed[place] = shapely.Polygon(np.insert(ring, site.east + 1, extra, axis=0))
        return ("t-junction", 0.0, []) if name == "t-junction" else ("", None, [])
    middle = shapely.Polygon(ring).representative_point()
    box = shapely.box(middle.x - 5, middle.y - 5, middle.x + 5, middle.y + 5)
    if name == "nested":
        added.append(box)
        return "overlap", box.area, [place, -len(added)]
    if name == "island hole":
        changed[place] = shapely.Polygon(ring, [box.exterior.coords[::-1]])
        return "gap", box.area, []
    if name == "shifted":
        changed[place] = shapely.Polygon(ring + 0.001)
        return "", None, []
    start, end = ring[site.east], ring[site.east + 1]
    out = 0.5 * np.array([(end - start)[1], -(end - start)[0]])
    loop = [start + 0.8 * (end - start) + out, start + 0.2 * (end - start) + out]
    changed[place] = shapely.Polygon(np.insert(ring, site.east + 1, loop, axis=0))
    return "ring-invalid", None, [place]


def jittered(cells: np.ndarray, share: float, *, by: float = 0.02, seed: int = 5) -> np.ndarray:
    """Move every vertex of some cells at random, each cell on its own."""
    random = np.random.default_rng(seed)
    cells = cells.copy()
    chosen = np.flatnonzero(random.random(len(cells)) < share)
    for k in chosen:
        xy = shapely.get_coordinates(cells[k])
        xy = xy + random.uniform(-by, by, xy.shape)
        xy[-1] = xy[0]
        cells[k] = shapely.Polygon(xy)
    return cells
