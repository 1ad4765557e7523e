"""Near repeats: do incidents follow each other closer in place and time than chance has it?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from gridmap._arrays import Floats, Ints
from gridmap._checks import Progress
from gridmap.errors import InputError
from gridmap.incidents.space_time import DAY, in_metres, in_seconds
from gridmap.language import Message

_MOST_PAIRS = 20_000_000


def near_repeat(
    incidents: pd.DataFrame,
    *,
    metres: Sequence[float] = (100.0, 200.0, 400.0),
    days: Sequence[float] = (7.0, 14.0, 28.0),
    permutations: int = 999,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Count pairs of incidents by how far and how long they lie apart (Knox 1964).

    If place and time had nothing to do with each other, the times could be dealt out to the
    places anew. **Expected** is the mean over all such deals, exactly; p is the share of
    `permutations` deals with at least as many pairs.

    Parameters
    ----------
    incidents
        With ``time`` and positions in metres (geometry, or ``x`` and ``y``).
    metres, days
        Upper ends of the bands, ascending; the first band starts at 0.
    permutations, seed
        For p, which is never below 1 / (permutations + 1).
    progress
        Told after each deal.

    Returns
    -------
    DataFrame
        Indexed by ``metres`` and ``days`` (upper ends): ``pairs``, ``expected``, ``ratio``
        (missing where nothing is expected) and ``p``. ``attrs["method"]`` bears the facts.

    Raises
    ------
    InputError
        If bands do not ascend from above 0, or there are too many close pairs to hold.
    CRSError
        If the geometry is not in metres.

    Examples
    --------
    >>> reports = pd.DataFrame({"x": [0.0, 0, 900, 900], "y": 0.0,
    ...     "time": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-03-01", "2026-03-02"])})
    >>> found = near_repeat(reports, metres=[100], days=[7], permutations=99)
    >>> found.loc[(100, 7), ["pairs", "expected"]].round(2).tolist()
    [2.0, 0.67]
    """
    far, long = _bands("metres", metres), _bands("days", days)
    if permutations < 99:
        raise InputError(
            "`permutations` is {permutations}; give 99 or more, as 999.", permutations=permutations
        )
    x, y = in_metres(incidents)
    when = in_seconds(incidents, "time") / DAY
    usable = np.isfinite(x) & np.isfinite(when)
    places, when = np.column_stack([x[usable], y[usable]]), when[usable]
    i, j, band = _close_pairs(places, far)
    pairs = _table(when, i, j, band, far, long)
    expected = _expected(when, band, far, long)
    above = np.ones(pairs.shape)
    rng = np.random.default_rng(seed)
    for deal in range(permutations):
        above += _table(rng.permutation(when), i, j, band, far, long) >= pairs
        if progress is not None:
            progress("near repeat", deal + 1, permutations)
    ratio = np.divide(pairs, expected, out=np.full(pairs.shape, np.nan), where=expected > 0)
    result = pd.DataFrame(
        {
            "pairs": pairs.ravel(),
            "expected": expected.ravel(),
            "ratio": ratio.ravel(),
            "p": (above / (permutations + 1)).ravel(),
        },
        index=pd.MultiIndex.from_product([far, long], names=["metres", "days"]),
    )
    result.attrs["method"] = _method(result, int(usable.sum()), int((~usable).sum()), permutations)
    return result


def _bands(name: str, ends: Sequence[float]) -> Floats:
    bands = np.asarray(ends, dtype=float)
    if bands.size == 0 or not np.isfinite(bands).all() or (np.diff(bands, prepend=0.0) <= 0).any():
        raise InputError(
            "`{name}` is {found}; give ends of bands that ascend from above 0.",
            name=name,
            found=str([*ends]),
        )
    return bands


def _close_pairs(places: Floats, far: Floats) -> tuple[Ints, Ints, Ints]:
    if len(places) < 2:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    tree = cKDTree(places)
    count = (int(tree.count_neighbors(tree, far[-1])) - len(places)) // 2
    if count > _MOST_PAIRS:
        raise InputError(
            "`metres` reaches to {far:g}, within which lie {count:,} {count:pair|pairs}. "
            "Give shorter distances, or fewer incidents.",
            far=far[-1],
            count=count,
        )
    pairs = tree.query_pairs(far[-1], output_type="ndarray")
    i, j = pairs[:, 0], pairs[:, 1]
    apart = np.hypot(*(places[i] - places[j]).T)
    # the tree and hypot may differ in the last bit at the outermost end
    band = np.minimum(np.searchsorted(far, apart), len(far) - 1)
    return i, j, band


def _table(
    when: Floats,
    i: Ints,
    j: Ints,
    band: Ints,
    far: Floats,
    long: Floats,
) -> Ints:
    """Count the close pairs by band of distance and of time; later ones are left out."""
    step = np.searchsorted(long, np.abs(when[i] - when[j]))
    width = len(long) + 1
    counts = np.bincount(band * width + step, minlength=len(far) * width)
    return counts.reshape(len(far), width)[:, :-1]


def _expected(
    when: Floats,
    band: Ints,
    far: Floats,
    long: Floats,
) -> Floats:
    """Give the mean over all deals: close pairs times the share of all pairs that are soon."""
    ordered = np.sort(when)
    reach = np.array(
        [(np.searchsorted(ordered, ordered + end, side="right")).sum() for end in long], float
    )
    n = len(when)
    within = reach - n * (n + 1) / 2.0
    share = np.diff(within, prepend=0.0) / max(n * (n - 1) / 2.0, 1.0)
    return np.bincount(band, minlength=len(far))[:, None] * share[None, :]


def _method(result: pd.DataFrame, used: int, unusable: int, permutations: int) -> dict[str, object]:
    first = result.iloc[0]
    metres, days = result.index[0]
    ratio = None if np.isnan(first["ratio"]) else float(first["ratio"])
    times = "–" if ratio is None else f"{ratio:.2f}"
    return {
        "incidents": used,
        "unusable": unusable,
        "permutations": permutations,
        "ratio": ratio,
        "p": float(first["p"]),
        "sentence": Message(
            "Among {used:,} {used:incident|incidents}, pairs within {metres:g} m and "
            "{days:g} days are {times} times as many as expected (Knox, "
            "{permutations} permutations, p = {p:.3g}).",
            used=used,
            metres=metres,
            days=days,
            times=times,
            permutations=permutations,
            p=first["p"],
        ).both(),
    }
