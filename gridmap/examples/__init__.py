"""A made-up city to try everything on: seeded, believable, nobody's data."""

from __future__ import annotations

from gridmap.examples.city import HEADINGS, ExampleCity, example_city, shaped_city

__all__ = ["HEADINGS", "ExampleCity", "example_city", "shaped_city"]
