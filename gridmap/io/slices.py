"""A layer larger than memory, read by its rows or by what meets a box."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from pyarrow import dataset
from pyarrow import parquet as pq

from gridmap._checks import check_column
from gridmap.crs.project import parse_crs, reproject
from gridmap.errors import InputError
from gridmap.io.source import BROKEN_PARQUET, GDAL_FAILURES, find_source, quiet, telling
from gridmap.io.vector import choose_layer

_SLICED = (".gpkg", ".fgb", ".gdb", ".parquet", ".geoparquet")
_BATCH = 1024  # rows read at once, of which a part is kept
_NARROWEST = 50_000.0  # metres in a degree of longitude where people live


class Slices:
    """A layer of which one part after the other is read, never the whole.

    Parts of GeoParquet are found quickly where it is sorted and has a column of bounding boxes.
    """

    def __init__(self, spec: str | os.PathLike[str]) -> None:
        self.source = find_source(spec)
        if self.source.suffix not in _SLICED or self.source.member is not None:
            raise InputError(
                "`{source}` cannot be read by district. Give a GeoPackage, FlatGeobuf or "
                "GeoParquet.",
                source=self.source.name,
            )
        self._held = self.source.kind == "parquet"
        if self._held:
            with telling(self.source.name, BROKEN_PARQUET):
                self._file = pq.ParquetFile(self.source.path)
                self.count = int(self._file.metadata.num_rows)
                geo = json.loads((self._file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
            if not geo:
                raise InputError(
                    "`{source}` has no geometries. Name another file.", source=self.source.name
                )
            self._shape = str(geo["primary_column"])
            facts = geo["columns"][self._shape]
            self.crs = parse_crs(facts["crs"]) if facts.get("crs") else None
            self.bounds = tuple(facts["bbox"]) if "bbox" in facts else None
            self._boxes = facts.get("covering", {}).get("bbox")
            self._columns = [str(name) for name in self._file.schema_arrow.names]
            return
        self._layer = choose_layer(self.source)
        with telling(self.source.name, GDAL_FAILURES), quiet():
            info = pyogrio.read_info(
                self.source.gdal_path,
                layer=self._layer,
                force_feature_count=True,
                force_total_bounds=True,
            )
        self.count = int(info["features"])
        self.crs = parse_crs(info["crs"]) if info["crs"] else None
        self.bounds = info["total_bounds"]
        self._columns = [str(name) for name in info["fields"]]

    def groups(self, column: str) -> dict[str, Any]:
        """Return the numbers of the rows by the value of a column, as `through` takes them."""
        check_column(self.source.name, column, self._columns)
        with telling(self.source.name, (*GDAL_FAILURES, *BROKEN_PARQUET)), quiet():
            if self._held:
                values = self._file.read(columns=[column]).column(0).to_pandas()
            else:
                values = pyogrio.read_dataframe(
                    self.source.gdal_path,
                    layer=self._layer,
                    columns=[column],
                    read_geometry=False,
                    fid_as_index=True,
                )[column]
        if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
            values = values.astype("Int64")
        named = values.astype("str").where(values.notna(), "").str.strip()
        if blank := int((named == "").sum()):
            raise InputError(
                "`{source}` has {blank:,} {blank:row|rows} without a value in {column!r}. Fill "
                "them in.",
                source=self.source.name,
                blank=blank,
                column=column,
            )
        rows = values.index.to_numpy(dtype=np.int64)
        return {str(key): np.sort(rows[at]) for key, at in named.groupby(named).indices.items()}

    def through(
        self, reader: Any, *, rows: Any = None, box: gpd.GeoSeries | None = None, around: float = 0
    ) -> Any:
        """Return what a reader of files makes of some rows, or of those that meet a box.

        Its bounds are widened by `around` metres. None where no row is left.
        """
        with tempfile.TemporaryDirectory(prefix="gridmap-") as folder:
            target = Path(folder, f"{self.source.path.stem}.parquet")
            bounds = None if box is None else self._bounds_of(box, around)
            with telling(self.source.name, (*GDAL_FAILURES, *BROKEN_PARQUET)), quiet():
                found = self._write(target, rows, bounds)
            return reader(target) if found else None

    def _bounds_of(self, box: gpd.GeoSeries, around: float) -> tuple[float, ...]:
        """Return the bounds of an area in the CRS of the layer, a little wider if transformed."""
        moved = box if self.crs is None or self.crs == box.crs else reproject(box, self.crs)
        west, south, east, north = (float(v) for v in moved.total_bounds)
        wider = 0.0 if moved is box else 0.01 * max(east - west, north - south)
        degrees = self.crs is not None and self.crs.is_geographic
        wider += around / _NARROWEST if degrees else around
        return west - wider, south - wider, east + wider, north + wider

    def _write(self, target: Path, rows: Any, bounds: Any) -> int:
        if self._held:
            table = self._chosen(rows) if rows is not None else self._within(bounds)
            pq.write_table(table, target)
            return int(table.num_rows)
        arrow = self.source.suffix != ".fgb"  # of which no row would come as half a one
        where = {"fids": rows} if rows is not None else {"bbox": bounds, "use_arrow": arrow}
        frame = pyogrio.read_dataframe(self.source.gdal_path, layer=self._layer, **where)
        frame.to_parquet(target, index=False)
        return len(frame)

    def _chosen(self, rows: Any) -> pa.Table:
        """Return some rows, a batch at a time of the row groups in which they are."""
        about = self._file.metadata
        sizes = [about.row_group(k).num_rows for k in range(about.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        group = np.searchsorted(starts, rows, side="right") - 1
        parts = []
        for k in np.unique(group):
            wanted, first = rows[group == k] - starts[k], 0
            for batch in self._file.iter_batches(_BATCH, row_groups=[int(k)]):
                own = wanted[(first <= wanted) & (wanted < first + len(batch))]
                parts.append(batch.take(pa.array(own - first)))
                first += len(batch)
                if first > wanted[-1]:
                    break
        return pa.Table.from_batches(parts)

    def _within(self, bounds: tuple[float, ...]) -> pa.Table:
        """Return the rows whose bounds meet others, a row group at a time."""
        west, south, east, north = bounds
        if self._boxes is not None:
            side = {name: dataset.field(*path) for name, path in self._boxes.items()}
            meets = (side["xmin"] <= east) & (side["xmax"] >= west)
            meets &= (side["ymin"] <= north) & (side["ymax"] >= south)
            return dataset.dataset(self.source.path, format="parquet").to_table(filter=meets)
        parts = [self._file.schema_arrow.empty_table()]
        for batch in self._file.iter_batches():
            shapes = shapely.from_wkb(batch.column(self._shape).to_numpy(zero_copy_only=False))
            box = shapely.bounds(shapes)
            meets = (box[:, :2] <= (east, north)).all(axis=1)
            meets &= (box[:, 2:] >= (west, south)).all(axis=1)
            parts.append(pa.Table.from_batches([batch.filter(pa.array(meets))]))
        return pa.concat_tables(parts)
