"""A made-up city to try everything on: seeded, believable, nobody's data."""

from __future__ import annotations

from gridmap.examples.city import ExampleCity, example_city

__all__ = ["ExampleCity", "example_city"]
