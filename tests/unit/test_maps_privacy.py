"""What looks personal reaches no map, by whichever door."""

from __future__ import annotations

import pytest

import gridmap as gm


@pytest.mark.parametrize(
    ("heading", "value"), [("联系电话", "see roster"), ("note", "13812345678"), ("姓名", "某")]
)
def test_a_personal_column_is_refused_by_name(grid, heading, value):
    cells = grid.cells.assign(**{heading: value})
    marked = gm.Grid(cells, grid.boundary, grid.levels, jurisdictions=grid.jurisdictions)
    with pytest.raises(gm.InputError, match=heading):
        gm.coverage_map(marked, color=heading)
    page = gm.coverage_map(marked)._repr_html_()
    assert value not in page


def test_a_person_among_the_categories_reaches_no_briefing(grid, town):
    placed = gm.assign(town.incidents, grid)
    spoilt = placed.assign(category=placed["category"].astype(str))
    spoilt.loc[spoilt.index[7], "category"] = "市容环境 请回电13812345678"
    with pytest.raises(gm.InputError, match=r"category \(mobile number\)"):
        gm.briefing(grid, spoilt)
