"""Units: the pieces of ground that are never split, and that tile the jurisdictions exactly."""

from __future__ import annotations

from gridmap.partition.units.attach import attach
from gridmap.partition.units.subdivide import subdivide

__all__ = ["attach", "subdivide"]
