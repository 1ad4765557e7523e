"""Incidents: each in exactly one cell, and counted."""

from __future__ import annotations

from gridmap.incidents.assign import STATUSES, assign
from gridmap.incidents.tally import tally

__all__ = ["STATUSES", "assign", "tally"]
