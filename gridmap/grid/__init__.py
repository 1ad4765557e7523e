"""The one noun: cells that are proved to tile their boundary."""
