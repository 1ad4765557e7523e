"""The one door for files, tables and databases."""

from __future__ import annotations

from gridmap.io.gridfile import read_grid, write_grid
from gridmap.io.tables import read_table, write_table
from gridmap.io.vector import read_layer, write_layer

__all__ = ["read_grid", "read_layer", "read_table", "write_grid", "write_layer", "write_table"]
