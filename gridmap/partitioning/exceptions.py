"""Cells outside the band as a table: which, why, and what would help."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap.partitioning import reasons as sentences
from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.parallel import Job
from gridmap.partitioning.prepare import caller
from gridmap.partitioning.problem import Wishes
from gridmap.partitioning.solve import Outcome

COLUMNS = ["parent", "cell", "households", "reason", "certificate", "options", "approved"]


def exceptions_of(
    units: gpd.GeoDataFrame,
    label: Ints,
    jobs: Sequence[Job],
    outcomes: Sequence[Outcome],
    wishes: Wishes,
    approved: Collection[str],
    lang: Literal["zh", "en"],
) -> pd.DataFrame:
    """Return a row for each cell outside the band, with its reason and what would help.

    The column ``cell`` holds the number of the cell. `approved` names jurisdictions.
    """
    total = np.bincount(label, units["households"])
    rows = []
    for (community, _, _), outcome in zip(jobs, outcomes, strict=True):
        call = caller(units, community)
        for cell, bare in sorted(outcome.reasons.items()):
            finding = replace(bare, facts={**bare.facts, "all": community.total})
            number = int(label[community.place[np.argmax(outcome.label == cell)]])
            rows.append(
                {
                    "parent": community.key,
                    "cell": number,
                    "households": int(total[number]),
                    "reason": sentences.reason(finding, wishes.low, wishes.high, call, lang),
                    "certificate": finding.kind,
                    "options": "\n".join(
                        sentences.options(finding, wishes.low, wishes.high, call, lang)
                    ),
                    "approved": community.key in approved,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
