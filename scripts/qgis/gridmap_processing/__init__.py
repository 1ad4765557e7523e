"""The QGIS plugin: gridmap as a Processing provider."""

from __future__ import annotations

from typing import Any


def classFactory(_: Any) -> Any:
    """Return the plugin; QGIS calls this name."""
    from .provider import Plugin

    return Plugin()
