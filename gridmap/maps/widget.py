"""The page for redrawing cells as a Jupyter widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from gridmap.grid.grid import Grid
from gridmap.html import FILLS, frame, picture, thumbnail
from gridmap.language import Lang
from gridmap.maps.offline import asset, module_of
from gridmap.partitioning.apply import apply


class PlanEditor(anywidget.AnyWidget):
    """A grid being redrawn.

    Attributes
    ----------
    changes : dict
        What was drawn so far, as a change file holds it; set it to show another plan.
    height : int
        Pixels.
    """

    _esm = module_of(
        "varints.js", "edit_engine.js", "search.js", "edit_page.js", "edit_widget.js"
    )  # fmt: skip
    _css = asset("edit.css") + asset("search.css")
    data = traitlets.Dict().tag(sync=True)
    changes = traitlets.Dict().tag(sync=True)
    height = traitlets.Int(640).tag(sync=True)

    def __init__(
        self, grid: Grid, data: Mapping[str, object], page: Callable[[Mapping[str, object]], str]
    ) -> None:
        super().__init__(data=dict(data))
        self._grid, self._page = grid, page

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Show the widget, and where no kernel runs the page with what was drawn until now."""
        shown, about = super()._repr_mimebundle_(**kwargs) or ({}, {})
        drawn = {"changes": self.changes} if self.changes else {}
        cells = self._grid.cells
        still = picture(thumbnail(cells, cells["kind"].map(FILLS).tolist()))
        page = frame(self._page({**self.data, **drawn}), self.height, still)
        return {**shown, "text/html": page}, about

    def __repr__(self) -> str:
        return f"<PlanEditor of {len(self._grid)} cells>"

    def apply(
        self, *, settle: bool = False, renumber: bool = False, on: str = "", lang: Lang = "zh"
    ) -> Grid:
        """Return the grid with the changes drawn so far; see `gridmap.apply`."""
        if not self.changes:
            return self._grid
        return apply(
            self._grid, dict(self.changes), settle=settle, renumber=renumber, on=on, lang=lang
        )
