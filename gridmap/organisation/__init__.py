"""Running a grid: who works where, what each cell carries, and changes by hand."""

from __future__ import annotations

from gridmap.organisation.change import merge, move, rollout, split
from gridmap.organisation.roster import postings, roles
from gridmap.organisation.staffing import Staffing, staffing, who
from gridmap.organisation.workload import workload

__all__ = [
    "Staffing",
    "merge",
    "move",
    "postings",
    "roles",
    "rollout",
    "split",
    "staffing",
    "who",
    "workload",
]
