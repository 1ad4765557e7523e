"""Compile the catalogues when gridmap is built, so that a wheel needs the standard library only."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages import mofile, pofile
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DAY = datetime(2020, 1, 1, tzinfo=UTC)  # in place of the minute of the build


class Catalogues(BuildHookInterface[Any]):
    """Write a .mo beside each .po."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered."""
        for source in Path(self.root, "gridmap", "locale").glob("*/LC_MESSAGES/*.po"):
            with source.open("rb") as text, source.with_suffix(".mo").open("wb") as compiled:
                catalogue = pofile.read_po(text)
                catalogue.creation_date = catalogue.revision_date = DAY
                mofile.write_mo(compiled, catalogue)
