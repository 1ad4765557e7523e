"""Two grids beside each other: what moved, and how cells of one lie in cells of the other."""
