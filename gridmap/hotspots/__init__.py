"""Hotspots that do not cry wolf: rates with a denominator, corrected for many tests."""

from __future__ import annotations

from gridmap.hotspots.accuracy import accuracy
from gridmap.hotspots.density import Density, density
from gridmap.hotspots.emerging import emerging
from gridmap.hotspots.opinion import second_opinion
from gridmap.hotspots.rates import rates
from gridmap.hotspots.spots import hotspots

__all__ = ["Density", "accuracy", "density", "emerging", "hotspots", "rates", "second_opinion"]
