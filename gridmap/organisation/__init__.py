"""Running a grid: who works where, what each cell carries, and changes by hand."""

from __future__ import annotations

from gridmap.organisation.change import merge, move, rollout, split
from gridmap.organisation.patrol import patrol, patrol_hours, street_posts
from gridmap.organisation.roster import postings, roles
from gridmap.organisation.staffing import Staffing, staffing, who
from gridmap.organisation.workload import workload

__all__ = [
    "Staffing",
    "merge",
    "move",
    "patrol",
    "patrol_hours",
    "postings",
    "roles",
    "rollout",
    "split",
    "staffing",
    "street_posts",
    "who",
    "workload",
]
