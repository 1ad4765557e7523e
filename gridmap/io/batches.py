"""Totals and signatures at the foot of a table that streams: no records, and told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridmap.incidents.batches import Batch, FileOfPoints
from gridmap.io.header import MENTIONS_TOTAL, is_total

Note = tuple[str, str]

FOOT = 30  # rows at the end among which totals are looked for
MANY = 200_000  # rows above which subtotals are looked for at the foot only
_TOLD = 5


@dataclass
class WithoutTotals:
    """A streamed table without its totals and signatures.

    Attributes
    ----------
    file : FileOfPoints
        The table as it is.
    notes : list of (zh, en)
        What the last pass left out.
    """

    file: FileOfPoints
    notes: list[Note] = field(default_factory=list)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table."""
        return self.file.schema

    @property
    def crs(self) -> Any:
        """That of the table."""
        return self.file.crs

    @property
    def size(self) -> int:
        """As of the table."""
        return self.file.size

    @property
    def rows(self) -> int:
        """As of the table, its foot included."""
        return self.file.rows

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order, one batch behind the table, so that the last is known."""
        self.notes.clear()
        held: Batch | None = None
        for batch in self.file.batches():
            if held is not None:
                yield self._records(held, last=False)
            held = batch
        if held is not None:
            yield self._records(held, last=True)

    def _records(self, batch: Batch, *, last: bool) -> Batch:
        table = batch.table
        suspects: set[int] = set()
        if self.file.rows <= MANY:
            for column in islice(table.columns, 2):
                found = pc.match_substring_regex(column, MENTIONS_TOTAL).fill_null(False)
                suspects.update(pc.indices_nonzero(found).to_pylist())
        if last:
            suspects.update(range(max(0, table.num_rows - FOOT), table.num_rows))
        rows = {at: [column[at].as_py() for column in table.columns] for at in sorted(suspects)}
        out = [at for at, row in rows.items() if is_total(row)]
        if not out:
            return batch
        self._tell([rows[at] for at in out])
        keep = np.ones(table.num_rows, dtype=bool)
        keep[out] = False
        place = np.cumsum(keep) - 1
        broken = [int(place[at]) for at in batch.broken if keep[at]]
        return Batch(table.filter(pa.array(keep)), broken, batch.done)

    def _tell(self, rows: list[list[str | None]]) -> None:
        for row in rows[: max(0, _TOLD - len(self.notes))]:
            text = " ".join(value for value in row if value)[:120]
            self.notes.append((f"非数据行已略去：{text}", f"Left out, being no record: {text}"))
