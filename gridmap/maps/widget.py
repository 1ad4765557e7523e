"""The page for redrawing cells as a Jupyter widget."""

from __future__ import annotations

from collections.abc import Mapping

import anywidget
import traitlets

from gridmap.grid.grid import Grid
from gridmap.language import Lang
from gridmap.maps.offline import asset, module_of
from gridmap.partitioning.apply import apply

RENDER = """
export default {
  render({ model, el }) {
    const root = document.createElement('div');
    root.style.height = model.get('height') + 'px';
    el.append(root);
    let waiting = 0;
    const send = (document_) => { model.set('changes', document_); model.save_changes(); };
    const editor = mount(root, model.get('data'), {
      saved: send,
      changed: (plan) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => send(plan.changes()), 150);
      },
    });
    const drawn = model.get('changes');
    if (drawn && drawn.schema) editor.open(JSON.stringify(drawn));
    root.gridmapEditor = editor;
    return () => clearTimeout(waiting);
  },
};
"""


class PlanEditor(anywidget.AnyWidget):
    """A grid being redrawn.

    Attributes
    ----------
    changes : dict
        What was drawn so far, as a change file holds it; set it to show another plan.
    height : int
        Pixels.
    """

    _esm = module_of("varints.js", "edit_engine.js", "search.js", "edit_page.js") + RENDER
    _css = asset("edit.css") + asset("search.css")
    data = traitlets.Dict().tag(sync=True)
    changes = traitlets.Dict().tag(sync=True)
    height = traitlets.Int(640).tag(sync=True)

    def __init__(self, grid: Grid, data: Mapping[str, object]) -> None:
        super().__init__(data=dict(data))
        self._grid = grid

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
