"""Units: the pieces of ground that are never split, and that tile the jurisdictions exactly."""
