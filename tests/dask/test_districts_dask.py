"""Districts cut on a Dask cluster: the same bytes, whoever dies, and no district done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gridmap.cli import main
from tests.unit.test_districts import command, dataset, same_bytes, town

__all__ = ["dataset", "town"]

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Start two worker processes of one thread, which are watched and replaced."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
        host="127.0.0.1", silence_logs=60,
    ) as made:  # fmt: skip
        yield made


def _wait_for(folder: Path, count: int, run: subprocess.Popen[str]) -> None:
    """Wait until so many districts are done."""
    until = time.monotonic() + 300
    while len(list(folder.glob("*.json"))) < count and time.monotonic() < until:
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)


def _start(town: Path, output: Path, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gridmap", *command(town, output, f"--dask={address}")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_killed_worker_changes_nothing(
    town: Path, dataset: Path, tmp_path: Path, cluster: Any
) -> None:
    run = _start(town, tmp_path / "grid", cluster.scheduler_address)
    _wait_for(tmp_path / ".gridmap-grid" / "drafts", 1, run)
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
    said = run.communicate(timeout=400)
    assert run.returncode in (0, 1), said
    assert same_bytes(dataset, tmp_path / "grid")


def test_a_killed_scheduler_is_one_line_and_the_rest_is_done_later(
    town: Path, dataset: Path, tmp_path: Path
) -> None:
    """Scheduler and workers in processes of their own, so that all can be killed."""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    ready = tmp_path / "scheduler.json"
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
             "--port", "0", "--no-dashboard", "--scheduler-file", str(ready)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
        ),
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(ready),
             "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
        ),
    ]  # fmt: skip
    try:
        until = time.monotonic() + 120
        while not ready.exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        address = json.loads(ready.read_text())["address"]
        run = _start(town, tmp_path / "grid", address)
        _wait_for(tmp_path / ".gridmap-grid" / "drafts", 1, run)
        started[0].kill()
        started[1].kill()
        said = run.communicate(timeout=400)[1].strip().splitlines()
    finally:
        for one in started:
            one.kill()
            one.wait()
    assert run.returncode == 2
    assert len(said) == 1, said
    assert "did not finish" in said[0]
    assert "the same command goes on with the rest" in said[0]
    assert not (tmp_path / "grid").exists()
    done = len(list((tmp_path / ".gridmap-grid" / "drafts").glob("*.json")))
    again = CliRunner().invoke(main, command(town, tmp_path / "grid", "--workers=1"))
    assert again.exit_code in (0, 1), again.output
    assert done > 0
    assert f"Districts done before, and not again: {done}." in again.stderr
    assert same_bytes(dataset, tmp_path / "grid")
