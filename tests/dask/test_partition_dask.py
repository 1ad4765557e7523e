"""Communities solved on a Dask cluster give the same grid."""

from __future__ import annotations

import pytest

import gridmap as gm
from tests.unit.test_partition import town

pytestmark = pytest.mark.dask


def test_a_cluster_gives_the_same_grid() -> None:
    from distributed import Client, LocalCluster

    units = town(12, 4)
    alone = gm.partition(units, quality="fast")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        spread = gm.partition(units, quality="fast", dask=client)
    assert spread.content_hash == alone.content_hash
