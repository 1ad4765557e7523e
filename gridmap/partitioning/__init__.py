"""Units, feasibility and the search for cells: the rooms behind `partition`."""
