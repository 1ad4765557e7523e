"""Programs to measure on the public benchmark: one module each, with a function a room."""
