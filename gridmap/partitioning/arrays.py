"""What the compiled kernels share: how they are compiled, their arrays, their dice."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from gridmap.progress import Progress, silent

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Dice = npt.NDArray[np.uint64]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


class Network(NamedTuple):
    """One community or component as arrays; a unit is its position.

    Unit `u` has its contacts at `start[u]:start[u + 1]`; those that connect come first, up to
    `bond[u]`. The others (too short, or across a hard barrier) only count in perimeters.
    """

    start: Ints
    bond: Ints
    neighbour: Ints
    length: Floats
    cost: Floats
    households: Ints
    load: Floats
    area: Floats
    perimeter: Floats
    x: Floats
    y: Floats


class Rules(NamedTuple):
    """The band, the target and what each wish weighs in the energy."""

    low: int
    high: int
    target: float
    load_target: float
    shape: float
    border: float
    balance: float
    excess: float
    price: float


def compiled(function: Kernel) -> Kernel:
    """Compile a kernel on its first call and keep the machine code on disk."""
    import numba

    if not numba.config.CACHE_DIR and not _cache_can_be_written():
        numba.config.CACHE_DIR = os.path.join(tempfile.gettempdir(), f"gridmap-numba-{_user()}")
    kernel: Kernel = numba.njit(cache=True, nogil=True)(function)
    return kernel


def warm(progress: Progress = silent) -> None:
    """Compile the kernels, or load them from disk, before workers start."""
    from gridmap.partitioning import annealing, exact, spanning_tree

    fresh = not any(Path(exact.least.stats.cache_path).glob("optimum.least-*.nbc"))  # type: ignore[attr-defined]
    if fresh:
        progress("compile", 0, 1)
    dice = np.array([1], dtype=np.uint64)
    net = _pair()
    parent, order = spanning_tree.draw(net, dice, 0)
    label, _, _ = spanning_tree.cut(
        net, parent, order, Rules(1, 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0), 0, False
    )
    rules = Rules(1, 2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    annealing.anneal(net, label, 2, rules, np.full(2, -1), dice, 1.0, 0.1, 4)
    exact.least(net, rules, 2)
    if fresh:
        progress("compile", 1, 1)


def _pair() -> Network:
    """Return two units that touch, the smallest network with something to do."""
    one, both, homes = np.ones(2), np.array([1, 0]), np.array([1, 1])
    return Network(np.array([0, 1, 2]), np.array([1, 2]), both, one, one, homes, one, one, 4 * one,
                   one, one)  # fmt: skip


def _cache_can_be_written() -> bool:
    """Tell whether machine code can be kept beside the source or in the user's cache."""
    folders = [Path(__file__).parent, Path(os.path.expanduser("~")) / ".cache"]
    return any(_writable(folder) for folder in folders)


def _writable(folder: Path) -> bool:
    """Tell whether a file can be made in the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _user() -> int:
    """Return a number that keeps the caches of two users apart."""
    return os.getuid() if hasattr(os, "getuid") else 0
