"""Cut jurisdictions into proved cells, assign incidents, find hotspots, brief offline.

The face of the package: every public name stands in ``__init__.pyi`` and is loaded when first used.
"""

from __future__ import annotations

import lazy_loader

from gridmap._version import __version__ as __version__

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_names, "__version__"])
