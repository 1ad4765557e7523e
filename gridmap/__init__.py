"""Cut jurisdictions into proved cells, assign incidents, find hotspots, brief offline.

The face of the package: every public name, loaded when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gridmap._version import __version__ as __version__

if TYPE_CHECKING:
    from gridmap.compare import compare as compare
    from gridmap.compare import crosswalk as crosswalk
    from gridmap.coverage import prove as prove
    from gridmap.coverage import repair as repair
    from gridmap.coverage import validate as validate
    from gridmap.crs import from_datum as from_datum
    from gridmap.crs import metric_crs as metric_crs
    from gridmap.crs import to_datum as to_datum
    from gridmap.errors import CoverageError as CoverageError
    from gridmap.errors import CRSError as CRSError
    from gridmap.errors import GridmapError as GridmapError
    from gridmap.errors import InputError as InputError
    from gridmap.errors import PartitionError as PartitionError
    from gridmap.errors import UnassignedWarning as UnassignedWarning
    from gridmap.examples import example_city as example_city
    from gridmap.grid import Grid as Grid
    from gridmap.grid import adopt as adopt
    from gridmap.hotspots import accuracy as accuracy
    from gridmap.hotspots import density as density
    from gridmap.hotspots import emerging as emerging
    from gridmap.hotspots import hotspots as hotspots
    from gridmap.hotspots import rates as rates
    from gridmap.hotspots import second_opinion as second_opinion
    from gridmap.incidents import assign as assign
    from gridmap.incidents import duplicates as duplicates
    from gridmap.incidents import funnel as funnel
    from gridmap.incidents import indicators as indicators
    from gridmap.incidents import near_repeat as near_repeat
    from gridmap.incidents import ranking as ranking
    from gridmap.incidents import recheck as recheck
    from gridmap.incidents import recurrence as recurrence
    from gridmap.incidents import tally as tally
    from gridmap.io import read_grid as read_grid
    from gridmap.io import write_grid as write_grid
    from gridmap.maps import CellLayer as CellLayer
    from gridmap.maps import briefing as briefing
    from gridmap.maps import compare_map as compare_map
    from gridmap.maps import coverage_map as coverage_map
    from gridmap.maps import defect_map as defect_map
    from gridmap.maps import figure as figure
    from gridmap.maps import hotspot_map as hotspot_map
    from gridmap.maps import save_offline as save_offline
    from gridmap.organisation import merge as merge
    from gridmap.organisation import move as move
    from gridmap.organisation import patrol as patrol
    from gridmap.organisation import rollout as rollout
    from gridmap.organisation import split as split
    from gridmap.organisation import staffing as staffing
    from gridmap.organisation import who as who
    from gridmap.organisation import workload as workload
    from gridmap.partition import feasibility as feasibility
    from gridmap.partition import partition as partition
    from gridmap.partition import subdivide as subdivide
    from gridmap.partition import what_if as what_if

_ROOMS = {
    "gridmap.errors": (
        "CoverageError",
        "CRSError",
        "GridmapError",
        "InputError",
        "PartitionError",
        "UnassignedWarning",
    ),
    "gridmap.examples": ("example_city",),
    "gridmap.crs": ("from_datum", "metric_crs", "to_datum"),
    "gridmap.coverage": ("prove", "repair", "validate"),
    "gridmap.grid": ("Grid", "adopt"),
    "gridmap.partition": ("feasibility", "partition", "subdivide", "what_if"),
    "gridmap.incidents": (
        "assign",
        "duplicates",
        "funnel",
        "indicators",
        "near_repeat",
        "ranking",
        "recheck",
        "recurrence",
        "tally",
    ),
    "gridmap.hotspots": ("accuracy", "density", "emerging", "hotspots", "rates", "second_opinion"),
    "gridmap.organisation": (
        "merge",
        "move",
        "patrol",
        "rollout",
        "split",
        "staffing",
        "who",
        "workload",
    ),
    "gridmap.compare": ("compare", "crosswalk"),
    "gridmap.io": ("read_grid", "write_grid"),
    "gridmap.maps": (
        "CellLayer",
        "briefing",
        "compare_map",
        "coverage_map",
        "defect_map",
        "figure",
        "hotspot_map",
        "save_offline",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


class _Face(ModuleType):
    """A module on which a verb goes before the room of the same name.

    Importing ``gridmap.partition`` would bind the room over the function `partition`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name not in _HOME:
        raise AttributeError(f"module 'gridmap' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
