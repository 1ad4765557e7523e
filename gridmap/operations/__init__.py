"""Running a grid: who works where, what each cell carries, and changes by hand."""
