"""Hotspots that do not cry wolf: rates with a denominator, corrected for many tests."""
