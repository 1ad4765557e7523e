"""Incidents: each in exactly one cell, counted, and followed until they are closed."""

from __future__ import annotations

from gridmap.incidents.assign import assign
from gridmap.incidents.duplicates import duplicates
from gridmap.incidents.indicators import indicators, ranking, rates
from gridmap.incidents.ledger import funnel
from gridmap.incidents.near_repeat import near_repeat
from gridmap.incidents.placing import STATUSES
from gridmap.incidents.recurrence import recheck, recurrence
from gridmap.incidents.tally import tally

__all__ = [
    "STATUSES",
    "assign",
    "duplicates",
    "funnel",
    "indicators",
    "near_repeat",
    "ranking",
    "rates",
    "recheck",
    "recurrence",
    "tally",
]
