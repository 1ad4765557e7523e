"""Can each community be cut into cells within the band, why not, and what would help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._checks import Bands, Progress, check_band, silent
from gridmap.errors import InputError
from gridmap.language import Lang
from gridmap.partitioning import reasons as sentences
from gridmap.partitioning.certificates import (
    UNIT_OVER_MAX,
    UNKNOWN,
    Finding,
    by_households,
    certify,
    settle,
)
from gridmap.partitioning.parallel import warm
from gridmap.partitioning.prepare import Bound, Caller, bands_of, check_units, communities
from gridmap.partitioning.problem import EFFORTS, Community, Piece, Wishes, bonds_of, pieces_of
from gridmap.partitioning.reasons import remedies
from gridmap.partitioning.search import can_be_cut
from gridmap.partitioning.solve import linked_all, unlinked

Verdict = Literal["yes", "no", "unknown"]
COLUMNS = ["possible", "households", "units", "least", "most", "certificate", "reason", "options"]


def feasibility(
    units: gpd.GeoDataFrame,
    households: tuple[Bound, Bound] = (300, 600),
    *,
    seed: int = 0,
    lang: Lang = "zh",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Tell for each jurisdiction whether it can be cut into cells within the band.

    "yes" means that a partition was found, "no" that a certificate proves there is none, "unknown"
    that neither was. Nothing is annealed, so it takes a fraction of the time of `partition`.

    Parameters
    ----------
    units : GeoDataFrame
        As for `partition`.
    households : (min, max)
        Least and most households of a cell, numbers or by area, as for `partition`.
    seed : int
        Of the random trees that look for a partition.
    lang : {"zh", "en"}
        Language of reasons and options.
    progress : callable, optional
        Told the stage, the jurisdictions done and all.

    Returns
    -------
    DataFrame
        Indexed by ``parent``: ``possible`` ("yes", "no" or "unknown"), ``households``, ``units``,
        ``least`` and ``most`` cells by arithmetic, ``certificate``, ``reason`` and ``options``;
        the last three have an entry for each finding, separated by line breaks.

    Raises
    ------
    InputError
        When units or band cannot be used.

    Examples
    --------
    >>> import shapely
    >>> blocks = gpd.GeoDataFrame({"parent": ["A", "A", "B"], "households": [200, 250, 90]},
    ...     geometry=shapely.box([0, 1, 2], 0, [1, 2, 3], 1), crs=4547)
    >>> feasibility(blocks, lang="en")["possible"].to_dict()
    {'A': 'yes', 'B': 'no'}
    """
    frame = check_units(units)
    bands = bands_of(households, frame)
    progress = progress or silent
    warm(progress)
    jobs = list(linked_all(frame, communities(frame), bands))
    rows = []
    for done, community in enumerate(jobs, start=1):
        low, high = bands.of(community.key)
        wishes = Wishes(low, high, (low + high) / 2, seed, EFFORTS["fast"])
        verdict, found = diagnose(community, wishes)
        call = Caller(frame, community)
        tried = remedies(frame, community, wishes, found, bands) if found else []
        helps = sentences.options(tried, call) if found else []
        rows.append(
            {
                "parent": community.key,
                "possible": verdict,
                "households": community.total,
                "units": len(community),
                "least": -(-community.total // high),
                "most": community.total // low,
                "certificate": "\n".join(finding.kind for finding in found),
                "reason": "\n".join(sentences.reason(f, low, high, call).text(lang) for f in found),
                "options": "\n".join(option.text(lang) for option in helps),
            }
        )
        progress("feasibility", done, len(jobs))
    return pd.DataFrame(rows, columns=["parent", *COLUMNS]).set_index("parent")


def diagnose(community: Community, wishes: Wishes) -> tuple[Verdict, list[Finding]]:
    """Return whether a community can be cut, and the findings where it cannot or is unknown."""
    verdict, found = _diagnose(community, wishes, hard=False)
    if verdict != "yes" and community.hard.any():
        verdict, found = _diagnose(community, wishes, hard=True)
    if verdict != "yes" and community.linked is not None:
        return diagnose(unlinked(community), wishes)
    return verdict, found


def _diagnose(community: Community, wishes: Wishes, *, hard: bool) -> tuple[Verdict, list[Finding]]:
    """Diagnose each piece, with hard barriers held or not."""
    bonds = community.bonds(hard=True) if hard else bonds_of(community, wishes)
    found = []
    for piece in pieces_of(community, bonds, wishes):
        if piece.community.total == 0 < community.total:
            continue  # land without households, which hinders nobody
        finding = _diagnose_piece(piece, wishes)
        if finding is not None:
            finding = finding.moved(piece.members)
            found.append(sentences.placed(finding, community, piece.members, wishes.high))
    if not found:
        return "yes", []
    return ("no" if any(finding.certified for finding in found) else "unknown"), found


def _diagnose_piece(piece: Piece, wishes: Wishes) -> Finding | None:
    """Return why a piece cannot be cut; None when it can."""
    part = piece.community
    if piece.giant >= 0:
        size = int(part.households[piece.giant])
        return Finding(UNIT_OVER_MAX, {"unit": piece.giant, "households": size})
    known = by_households(part.total, wishes.low, wishes.high)
    if known is not None or part.total <= wishes.high:
        return known
    if can_be_cut(part, piece.bonds, wishes, piece.name):
        return None
    i, j = part.i[piece.bonds], part.j[piece.bonds]
    finding = certify(part.households, i, j, wishes.low, wishes.high)
    if finding is not None:
        return finding
    finding, label = settle(part.households, i, j, wishes.low, wishes.high)
    if finding is not None or label is not None:
        return finding
    return Finding(UNKNOWN, {"households": part.total})


def what_if(
    units: gpd.GeoDataFrame,
    bands: Iterable[tuple[int, int]] = ((300, 500), (300, 600), (200, 400)),
) -> pd.DataFrame:
    """Compare household bands by arithmetic, trial cuts and certificates, without drawing cells.

    Parameters
    ----------
    units : GeoDataFrame
        As for `partition`.
    bands : iterable of (int, int)
        Bands to compare.

    Returns
    -------
    DataFrame
        Indexed by ``min`` and ``max``: ``communities``, how many are certified ``impossible``,
        the ``households`` in those, units over the band (``giants``), and the ``least``,
        ``expected`` and ``most`` cells.

    Raises
    ------
    InputError
        When units or a band cannot be used.

    Examples
    --------
    >>> import shapely
    >>> blocks = gpd.GeoDataFrame({"parent": ["A", "A", "B"], "households": [200, 250, 550]},
    ...     geometry=shapely.box([0, 1, 2], 0, [1, 2, 3], 1), crs=4547)
    >>> what_if(blocks, [(300, 500), (300, 600)])["impossible"].tolist()
    [1, 0]
    """
    checked = [check_band(band) for band in _bands(bands)]
    frame = check_units(units)
    apart = list(communities(frame))
    rows = []
    for low, high in checked:
        jobs = list(linked_all(frame, apart, Bands(low, high)))
        wishes = Wishes(low, high, (low + high) / 2, 0, EFFORTS["fast"])
        # A community that random trees can cut needs no certificate, and most can be.
        impossible = [job for job in jobs if diagnose(job, wishes)[0] == "no"]
        total = np.array([job.total for job in jobs])
        rows.append(
            {
                "min": low,
                "max": high,
                "communities": len(jobs),
                "impossible": len(impossible),
                "households": sum(job.total for job in impossible),
                "giants": int(sum((job.households > high).sum() for job in jobs)),
                "least": int(np.maximum(1, -(-total // high)).sum()),
                "expected": sum(wishes.cells(int(h)) for h in total),
                "most": int(np.maximum(1, total // low).sum()),
            }
        )
    return pd.DataFrame(rows).set_index(["min", "max"])


def _bands(bands: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return bands as a list of one or more; what one of them is, `check_band` tells."""
    found = list(bands) if isinstance(bands, Iterable) and not isinstance(bands, str) else []
    if not found:
        raise InputError(
            "`bands` is {bands!r}; give one or more, as [(300, 500), (300, 600)].", bands=bands
        )
    return found
