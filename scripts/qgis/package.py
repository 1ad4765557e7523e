"""Zip the QGIS plugin for "Install from ZIP", the same bytes each time; standard library only.

python scripts/qgis/package.py gridmap_processing.zip
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PLUGIN = Path(__file__).resolve().parent / "gridmap_processing"
SHIPPED = {".py", ".txt", ".svg", ""}
EPOCH = (1980, 1, 1, 0, 0, 0)


def main(target: str) -> None:
    """Write the zip."""
    files = [path for path in PLUGIN.iterdir() if path.is_file() and path.suffix in SHIPPED]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{PLUGIN.name}/{path.name}", EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "gridmap_processing.zip")
