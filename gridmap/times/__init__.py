"""Times as they are written, read alike in every room."""
