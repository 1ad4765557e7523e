"""A finished page of the briefing: its text, its numbers, its first sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmap.html import render
from gridmap.maps.offline import write_page


@dataclass(frozen=True)
class Briefing:
    """A finished page.

    Attributes
    ----------
    html : str
        The whole page.
    figures : dict
        Every number on it.
    conclusion : str
        Its first sentences.
    """

    html: str
    figures: dict[str, Any]
    conclusion: str

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page as one file that loads nothing.

        Raises
        ------
        InputError
            When the file exists and may not be replaced, or cannot be written.
        """
        return write_page(self.html, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return render("frame.html", page=self.html, height=860)
