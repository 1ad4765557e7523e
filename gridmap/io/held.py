"""Incidents that come whole: from a database, an archive, an old workbook or several sheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import shapely

from gridmap.incidents.batches import ROWS, Batch
from gridmap.incidents.sources import marked
from gridmap.io.inputs import layer_or_table
from gridmap.io.plain import plain_table
from gridmap.io.source import Source

Note = tuple[str, str]


@dataclass(frozen=True)
class Held:
    """A table in memory that streams as a file does.

    Attributes
    ----------
    table : RecordBatch
        All records, in order.
    crs : CRS or None
        Of the points, where there are any.
    notes : list of (zh, en)
        What was left out or assumed.
    """

    table: pa.RecordBatch
    crs: Any
    notes: list[Note] = field(default_factory=list)

    @classmethod
    def of(cls, source: Source) -> Held:
        """Read a source whole."""
        frame = layer_or_table(source.text, None)
        geometry = getattr(frame, "_geometry_column_name", None)
        table = pa.Table.from_pandas(plain_table(frame), preserve_index=False)
        if geometry is not None:
            shapes = pa.array(shapely.to_wkb(frame.geometry.to_numpy()), pa.binary())
            table = table.append_column(geometry, shapes)
        schema = marked(table.schema.remove_metadata(), geometry)
        columns = [column.combine_chunks() for column in table.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        return cls(batch, getattr(frame, "crs", None), list(frame.attrs.get("notes", [])))

    @property
    def schema(self) -> pa.Schema:
        """The columns, and which of them holds the points."""
        return self.table.schema

    @property
    def size(self) -> int:
        """Rows."""
        return int(self.table.num_rows)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        for start in range(0, self.size, ROWS):
            batch = self.table.slice(start, ROWS)
            yield Batch(batch, [], start + batch.num_rows)
