"""Times as they are written, read alike in every room."""

from __future__ import annotations

from gridmap.times.column import DateOrder, moments

__all__ = ["DateOrder", "moments"]
