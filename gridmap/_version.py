"""The version, for every room to print."""

__version__ = "0.1.0"
