"""Communities solved on a Dask cluster give the same grid."""

from __future__ import annotations

from typing import Any

import pytest

import gridmap as gm
from tests.unit.test_partition import town

pytestmark = pytest.mark.dask


def test_a_cluster_gives_the_same_grid(cluster: Any) -> None:
    units = town(12, 4)
    alone = gm.partition(units, quality="fast")
    spread = gm.partition(units, quality="fast", dask=cluster)
    assert spread.content_hash == alone.content_hash
