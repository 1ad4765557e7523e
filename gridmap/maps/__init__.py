"""Maps and briefings: one file each, no network, nothing false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridmap.maps.brief import Briefing, briefing, figures
from gridmap.maps.findings import compare_map, defect_map
from gridmap.maps.offline import save_offline
from gridmap.maps.qgis import save_qgis_style
from gridmap.maps.static import figure, save_figure
from gridmap.maps.views import coverage_map, hotspot_map

if TYPE_CHECKING:
    from gridmap.maps.layer import CellLayer as CellLayer

__all__ = [
    "Briefing",
    "CellLayer",
    "briefing",
    "compare_map",
    "coverage_map",
    "defect_map",
    "figure",
    "figures",
    "hotspot_map",
    "save_figure",
    "save_offline",
    "save_qgis_style",
]


def __getattr__(name: str) -> Any:
    """Load the folium layer when it is asked for, as folium is slow to import."""
    if name == "CellLayer":
        from gridmap.maps.layer import CellLayer

        return CellLayer
    raise AttributeError(f"module 'gridmap.maps' has no attribute {name!r}")
