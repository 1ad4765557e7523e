"""The two languages of the plugin: that of QGIS, Chinese or else English."""

from __future__ import annotations

import os

from qgis.core import QgsApplication


def lang() -> str:
    """Return "zh" or "en", as GRIDMAP_LANG or QGIS says."""
    chosen = os.environ.get("GRIDMAP_LANG")
    if chosen in ("zh", "en"):
        return chosen
    return "zh" if QgsApplication.instance().locale().startswith("zh") else "en"


def pick(zh: str, en: str) -> str:
    """Return the text in the language of QGIS."""
    return zh if lang() == "zh" else en
