"""A Dask cluster of two processes, one for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start two worker processes of one thread, which are watched and replaced."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
            host="127.0.0.1", silence_logs=60,
        ) as made,
        Client(made) as client,
    ):  # fmt: skip
        client.wait_for_workers(2)
        yield client
