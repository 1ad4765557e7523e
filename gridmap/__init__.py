"""Cut jurisdictions into proved cells, assign incidents, find hotspots, brief offline.

The face of the package: every public name, loaded when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridmap.compare import compare as compare
    from gridmap.coverage import prove as prove
    from gridmap.coverage import repair as repair
    from gridmap.coverage import validate as validate
    from gridmap.crs import from_datum as from_datum
    from gridmap.crs import metric_crs as metric_crs
    from gridmap.crs import to_datum as to_datum
    from gridmap.examples import example_city as example_city
    from gridmap.grid import Grid as Grid
    from gridmap.grid import adopt as adopt

__version__ = "0.1.0"

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
    "gridmap.incidents": ("assign", "tally"),
    "gridmap.hotspots": ("accuracy", "density", "emerging", "hotspots", "rates"),
    "gridmap.compare": ("compare",),
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
