"""Coordinate reference systems: where to measure, and from which datum positions come."""
