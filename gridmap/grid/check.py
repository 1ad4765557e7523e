"""The check that every room which takes a Grid makes at its door."""

from __future__ import annotations


def check_grid(name: str, grid: object, *others: object) -> None:
    """Refuse what is no Grid, cells or a path for instance.

    Parameters
    ----------
    name : str
        What the argument is called.
    grid : object
        What was handed in for it.
    *others : object
        The arguments beside it, among which the Grid may stand by mistake.

    Raises
    ------
    InputError
        When it is none.
    """
    from gridmap.errors import InputError
    from gridmap.grid.grid import Grid

    if isinstance(grid, Grid):
        return
    kind = type(grid).__name__
    if any(isinstance(other, Grid) for other in others):
        raise InputError(f"`{name}` is a {kind}, and the Grid stands elsewhere. Swap the two.")
    raise InputError(
        f"`{name}` is a {kind}, not a Grid. Read a grid file with gridmap.read_grid(path), or make "
        "one of cells with gridmap.adopt(cells, boundary)."
    )
