"""What a file of incidents is while it streams: batches of columns, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

ROWS = 1 << 18  # rows of a batch, where the reader can choose


class Batch(NamedTuple):
    """Some records, which of them are broken, and how much of the file is read."""

    table: pa.RecordBatch
    broken: list[int]
    done: int


class FileOfPoints(Protocol):
    """A file that can be read more than once, a batch at a time."""

    @property
    def schema(self) -> pa.Schema:
        """Columns, and what is in them."""

    @property
    def crs(self) -> Any:
        """CRS of the geometry; None when there is none."""

    @property
    def size(self) -> int:
        """What `Batch.done` amounts to at the end."""

    @property
    def rows(self) -> int:
        """About how many records there are."""

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
