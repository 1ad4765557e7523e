"""Maps and briefings: one file each, no network, nothing false."""
