"""Incidents: each in exactly one cell, counted, and followed until they are closed."""
