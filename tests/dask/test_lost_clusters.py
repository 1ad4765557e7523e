"""A cluster that is lost: the same bytes as without the loss, or one clear line and no folder."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import gridmap as gm
from gridmap.io.address import on_cluster, results
from tests.coverages import frame, mosaic, moved

if TYPE_CHECKING:
    from distributed import Client, Future

pytestmark = pytest.mark.dask
PARTS, ROWS = 40, 20_000
SECONDS = 240


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.scheduler = self._start("scheduler", *options, "--scheduler-file", str(self.file))
        _until(self.file.exists)

    def worker(self, *before: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, which nobody starts again."""
        return self._start("worker", "--scheduler-file", str(self.file), "--no-nanny",
                           "--nthreads", "1", "--no-dashboard", before=before)  # fmt: skip

    def _start(self, part: str, *options: str, before: tuple[str, ...] = ()) -> Any:
        command = [*before, sys.executable, "-m", f"distributed.cli.dask_{part}", *options]
        started = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.file.parent
        )
        self.processes.append(started)
        return started

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        import json

        return str(json.loads(self.file.read_text())["address"])

    def end(self) -> None:
        """End every process, by its own handle."""
        for process in self.processes:
            process.kill()
            process.wait()


def _until(true: Any, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a scheduler without workers."""
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    yield made
    made.end()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a grid, and a folder of Parquet that takes some seconds."""
    folder = tmp_path_factory.mktemp("place")
    table = frame(moved(mosaic(4), 50.0, 500_000.0, 3_400_000.0))
    gm.write_grid(gm.adopt(table, table.union_all("coverage"), code="code"), folder / "grid.gpkg")
    (folder / "in").mkdir()
    dice = np.random.default_rng(0)
    for part in range(PARTS):
        x, y = 500_000 + 3000 * dice.random(ROWS), 3_400_000 + 3000 * dice.random(ROWS)
        made = pd.DataFrame({"n": np.arange(ROWS) + part * ROWS, "x": x, "y": y})
        made.to_parquet(folder / f"in/part{part:02d}.parquet", index=False)
    return folder


def _assign(place: Path, out: Path, cluster: Cluster) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gridmap", "--lang", "en", "assign", str(place / "grid.gpkg"),
         str(place / "in"), "-o", str(out), "--dask", cluster.address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _begun(out: Path) -> bool:
    return len(list(out.with_name(f".gridmap-{out.name}").glob("part-*"))) > 1


def _bytes(out: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())]


@pytest.fixture(scope="module")
def whole(place: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what a cluster writes that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    cluster = Cluster(folder)
    try:
        cluster.worker()
        process = _assign(place, folder / "out", cluster)
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said
        return _bytes(folder / "out")
    finally:
        cluster.end()


def _is_refused(process: subprocess.Popen[str], out: Path, why: str) -> None:
    """Expect one clear line, exit code 2, and nothing left."""
    _, said = process.communicate(timeout=SECONDS)
    lines = [line for line in said.splitlines() if not line.startswith("Read:")]
    assert process.returncode == 2, said
    assert len(lines) == 1 and why in lines[0] and "did not finish" in lines[0], said
    assert [path.name for path in out.parent.iterdir() if "out" in path.name] == []


def test_all_workers_are_killed(cluster: Cluster, place: Path, tmp_path: Path) -> None:
    workers = [cluster.worker(), cluster.worker()]
    process = _assign(place, tmp_path / "out", cluster)
    _until(lambda: _begun(tmp_path / "out"))
    for worker in workers:
        worker.kill()
    _is_refused(process, tmp_path / "out", "no worker is left")


def connected(cluster: Cluster) -> Client:
    """Return a client of a cluster."""
    from distributed import Client

    return Client(cluster.address)


def _lost_results(cluster: Cluster, client: Client) -> list[Future]:
    """Return what is done, and lies on a worker that is no more."""
    from distributed import wait

    worker = cluster.worker()
    done = [client.submit(pow, 2, number, pure=False) for number in range(3)]
    wait(done, timeout=60)
    worker.kill()
    worker.wait()
    return done


def test_results_that_die_with_their_worker_are_told(cluster: Cluster) -> None:
    with connected(cluster) as client:
        lost = _lost_results(cluster, client)
        with pytest.raises(OSError, match="no worker is left"):
            list(results(lost, client, patience=2))


def test_results_that_die_with_their_worker_come_from_another(cluster: Cluster) -> None:
    with connected(cluster) as client:
        lost = _lost_results(cluster, client)
        cluster.worker()
        assert sorted(results(lost, client, patience=60)) == [1, 2, 4]


def test_a_call_that_runs_out_of_time_is_not_called_again(cluster: Cluster) -> None:
    def late() -> None:
        raise TimeoutError("of the call itself")

    cluster.worker()
    with (
        connected(cluster) as client,
        pytest.raises(TimeoutError, match="of the call itself"),
    ):
        list(on_cluster(late, [()], client))


def test_all_workers_are_killed_and_others_come(
    cluster: Cluster, place: Path, tmp_path: Path, whole: list[str]
) -> None:
    workers = [cluster.worker(), cluster.worker()]
    process = _assign(place, tmp_path / "out", cluster)
    _until(lambda: _begun(tmp_path / "out"))
    for worker in workers:
        worker.kill()
    cluster.worker()
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert _bytes(tmp_path / "out") == whole


def test_the_scheduler_is_killed(cluster: Cluster, place: Path, tmp_path: Path) -> None:
    cluster.worker()
    process = _assign(place, tmp_path / "out", cluster)
    _until(lambda: _begun(tmp_path / "out"))
    cluster.scheduler.kill()
    _is_refused(process, tmp_path / "out", cluster.address)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_client_is_interrupted(
    cluster: Cluster, place: Path, tmp_path: Path, sent: signal.Signals, whole: list[str]
) -> None:
    cluster.worker()
    process = _assign(place, tmp_path / "out", cluster)
    _until(lambda: _begun(tmp_path / "out"))
    process.send_signal(sent)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    time.sleep(1)  # what a worker would still write
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
    again = _assign(place, tmp_path / "out", cluster)
    _, said = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, said
    assert _bytes(tmp_path / "out") == whole


@pytest.mark.namespaces
@pytest.mark.parametrize("hidden", ["in", "out"])
def test_workers_that_see_other_folders_are_told(
    hidden: str, cluster: Cluster, place: Path, tmp_path: Path
) -> None:
    """A worker whose folder of incidents, or of the output, is another than that of the client."""
    (tmp_path / "far").mkdir()
    out = tmp_path / "far" / "out"
    covered = place / "in" if hidden == "in" else out.parent
    script = f'mount -t tmpfs tmpfs {covered} && exec "$@"'
    cluster.worker("unshare", "-rm", "sh", "-c", script, "sh")
    process = _assign(place, out, cluster)
    _is_refused(process, out, "every worker can read the incidents and write beside the output")


def test_a_cluster_without_workers_is_told(cluster: Cluster, place: Path, tmp_path: Path) -> None:
    _is_refused(_assign(place, tmp_path / "out", cluster), tmp_path / "out", "no worker is left")
