"""Running a grid: who works where, what each cell carries, and changes by hand."""

from __future__ import annotations

from gridmap.codes import code_pattern, code_schemes
from gridmap.organisation.change import merge, move, split
from gridmap.organisation.coding import check_codes
from gridmap.organisation.levels import rollout, units_within
from gridmap.organisation.numbers import with_numbers
from gridmap.organisation.patrol import patrol, patrol_hours, street_posts
from gridmap.organisation.roster import postings, roles
from gridmap.organisation.staffing import Staffing, staffing, who
from gridmap.organisation.workload import workload

__all__ = [
    "Staffing",
    "check_codes",
    "code_pattern",
    "code_schemes",
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
    "units_within",
    "who",
    "with_numbers",
    "workload",
]
