"""Solve many communities at once: in this process, in several, or on a Dask cluster.

Each community has dice of its own, so the cells are the same whatever the number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gridmap._arrays import Dice
from gridmap._checks import Progress, silent
from gridmap.errors import PartitionError
from gridmap.io.address import on_cluster
from gridmap.partitioning.energy import Network, Rules
from gridmap.partitioning.problem import Community, Wishes
from gridmap.partitioning.rebalance import Old, keep
from gridmap.partitioning.solve import Outcome, solve, unlinked

PATIENCE = 60  # seconds for kernels that another process compiles; then this one does


def warm(progress: Progress = silent) -> None:
    """Compile the kernels, or load them from disk, before workers start.

    What is not on disk takes a quarter of a minute, so half of it is compiled in another process.
    """
    from gridmap.partitioning import energy

    kept = energy.every_cell.stats.cache_path  # type: ignore[attr-defined]
    fresh = not kept or not any(Path(kept).glob("energy.every_cell-*.nbc"))
    if fresh:
        progress("compile", 0, 1)
        with _meanwhile(_warm_cuts) if kept else nullcontext():
            _warm_annealing()
    _warm_annealing()
    _warm_cuts()
    if fresh:
        progress("compile", 1, 1)


def _warm_annealing() -> None:
    from gridmap.partitioning.annealing import anneal

    rules = Rules(1, 2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    anneal(_pair(), np.arange(2), 2, rules, np.full(2, -1), _dice(), 1.0, 0.1, 4)


def _warm_cuts() -> None:
    from gridmap.partitioning import energy, spanning_tree

    net, rules = _pair(), Rules(1, 2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    spanning_tree.cut(net, *spanning_tree.draw(net, _dice(), 0), rules, 0, False)
    energy.cheapest(energy.every_cell(net, rules, -1), 1)


@contextmanager
def _meanwhile(function: Callable[[], None]) -> Iterator[None]:
    """Run a function in another process too, where one can be forked and a core is idle."""
    forks = "fork" in multiprocessing.get_all_start_methods()
    if not forks or cores() < 2 or multiprocessing.current_process().daemon:
        yield
        return
    process = multiprocessing.get_context("fork").Process(target=function, daemon=True)
    with _undisturbed():  # and so it leaves Ctrl-C to this process
        process.start()
    try:
        yield
        process.join(PATIENCE)
    finally:
        process.kill()
        process.join()


def _dice() -> Dice:
    return np.array([1], dtype=np.uint64)


def _pair() -> Network:
    """Return two units that touch, the smallest network with something to do."""
    one, both, homes = np.ones(2), np.array([1, 0]), np.array([1, 1])
    return Network(np.array([0, 1, 2]), np.array([1, 2]), both, one, one, homes, one, one, 4 * one,
                   one, one)  # fmt: skip


T = TypeVar("T")
HELD = {signal.SIGINT, signal.SIGTERM}
ENOUGH = 20_000  # units whose search takes longer than loading the kernels once more
BATCHES = 16  # batches a worker, so that progress is seen and no worker idles


class Job(NamedTuple):
    """A community, the number of cells wanted in it (0 for any), and what it looked like.

    `band` is its own with its target, where bands differ between jurisdictions.
    """

    community: Community
    cells: int = 0
    old: Old | None = None
    band: tuple[int, int, float] | None = None

    def own(self, wishes: Wishes) -> Wishes:
        """Return what is asked of this community, by its own band where it has one."""
        return wishes if self.band is None else wishes.within(*self.band)

    def done(self, wishes: Wishes) -> Outcome:
        """Solve the community, or keep as much of it as can be."""
        wishes = self.own(wishes)
        if self.old is not None and (self.old.home >= 0).any():
            return keep(self.community, wishes, self.old, self.cells)
        outcome = solve(self.community, wishes, self.cells)
        if not outcome.reasons or self.community.linked is None:
            return outcome
        apart = solve(unlinked(self.community), wishes, self.cells)
        return apart if len(apart.reasons) < len(outcome.reasons) else outcome


def solve_all(
    jobs: Sequence[Job], wishes: Wishes, workers: int | None = None, dask: Any = None
) -> Iterator[tuple[int, Outcome]]:
    """Yield the number and the outcome of each community, in the order in which they are done.

    Parameters
    ----------
    jobs : sequence of Job
        Communities, each alone.
    wishes : Wishes
        What is asked of all.
    workers : int, optional
        Processes; 1 stays in this one. By default as many as there are cores when that pays.
    dask : distributed.Client, optional
        Solves on a cluster instead.
    """
    workers = _worthwhile(jobs) if workers is None else workers
    quiet = replace(wishes, progress=silent)  # nobody listens in another process
    if dask is not None:
        yield from _on_dask(jobs, quiet, dask)
    elif workers > 1 and len(jobs) > 1:
        yield from _in_processes(jobs, quiet, workers)
    else:
        for number, job in enumerate(jobs):
            yield number, job.done(wishes)


def _worthwhile(jobs: Sequence[Job]) -> int:
    """Return the cores of this machine where the work outweighs the start of processes, else 1."""
    forks = "fork" in multiprocessing.get_all_start_methods()
    if not forks or sum(len(job.community) for job in jobs) < ENOUGH:
        return 1
    return cores()


def cores() -> int:
    """Return the cores this process may use."""
    mine = getattr(os, "sched_getaffinity", None)  # on Linux
    return len(mine(0)) if mine else os.cpu_count() or 1


def _batches(jobs: Sequence[Job], count: int) -> list[list[int]]:
    """Deal the jobs into batches of equal work, the largest first."""
    order = sorted(range(len(jobs)), key=lambda number: -len(jobs[number].community))
    count = max(1, min(count, len(jobs)))
    return [order[start::count] for start in range(count)]


def _solve_batch(numbers: list[int], jobs: list[Job], wishes: Wishes) -> list[tuple[int, Outcome]]:
    """Solve a batch; runs in the worker."""
    return [(number, job.done(wishes)) for number, job in zip(numbers, jobs, strict=True)]


def _in_processes(
    jobs: Sequence[Job], wishes: Wishes, workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Solve in processes that share the compiled kernels."""
    batches = _batches(jobs, workers * BATCHES)
    calls = [(batch, [jobs[number] for number in batch], wishes) for batch in batches]
    for done in in_processes(_solve_batch, calls, workers):
        yield from done


class BrokenWorkerError(PartitionError):
    """A process was killed."""


def in_processes(
    function: Callable[..., T], calls: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[T]:
    """Yield what a function returns for each of some calls, as they end; Ctrl-C ends them all."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        with _undisturbed():
            waiting = [pool.submit(function, *call) for call in calls]
        for done in as_completed(waiting):
            yield done.result()
    except BrokenProcessPool as error:
        raise BrokenWorkerError(
            "A worker process was killed, most likely for want of memory. Ask for fewer "
            "workers (`--workers 1`)."
        ) from error
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back while processes are made: one that meets a hook of `fork` would be lost."""
    with warnings.catch_warnings():
        # the children run kernels on arrays and touch no lock of the parent's threads
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, end when it says so, and load the kernels."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)  # inherited from `_undisturbed`
    warm()


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers now, whatever they are doing."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def _on_dask(jobs: Sequence[Job], wishes: Wishes, client: Any) -> Iterator[tuple[int, Outcome]]:
    """Solve on the workers of a Dask client."""
    batches = _batches(jobs, max(1, sum(client.ncores().values())) * BATCHES)
    calls = [(batch, [jobs[number] for number in batch], wishes) for batch in batches]
    for done in on_cluster(_solve_batch, calls, client):
        yield from done
