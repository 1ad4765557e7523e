"""The briefing: figures, sentences, charts, parts and the page they make."""

from __future__ import annotations

from gridmap.maps.brief.document import Briefing
from gridmap.maps.brief.figures import figures
from gridmap.maps.brief.page import briefing

__all__ = ["Briefing", "briefing", "figures"]
