"""Cut jurisdictions into proved cells, assign incidents, find hotspots, brief offline.

The face of the package: every public name stands in ``__init__.pyi`` and is loaded when first used.
"""

from __future__ import annotations

from types import FunctionType

import lazy_loader

from gridmap._version import __version__ as __version__

_load, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_names, "__version__"])


def __getattr__(name: str) -> object:
    """Return a public name; a verb tells which of its arguments is of a wrong kind."""
    loaded: object = _load(name)
    if isinstance(loaded, FunctionType):
        from gridmap._checks import at_the_door

        loaded = globals()[name] = at_the_door(loaded)
        loaded.__module__ = __name__  # by which it is pickled
    return loaded
