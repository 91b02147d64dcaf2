"""Parquet: `key`, `paths`, `vector`, one row a picture, in the order of the keys."""

from __future__ import annotations

from pathlib import Path

from vstore.export.pictures import Pictures
from vstore.parquet import parquet_module
from vstore.records import named_path
from vstore.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    pq = parquet_module()
    import numpy as np
    import pyarrow as pa

    # float32: not every reader of Parquet knows half floats.
    schema = pa.schema(
        [("key", pa.string()), ("paths", pa.list_(pa.string())), ("vector", pa.list_(pa.float32(), pictures.dim))]
    )
    with pq.ParquetWriter(out, schema) as made:
        for keys, rows in pictures.blocks(pictures.keys):
            flat = pa.array(rows.astype(np.float32).reshape(-1))
            columns = [
                pa.array([key.hex() for key in keys], pa.string()),
                pa.array([[named_path(p)["path"] for p in pictures.paths[key]] for key in keys], schema[1].type),
                pa.FixedSizeListArray.from_arrays(flat, pictures.dim),
            ]
            made.write_table(pa.Table.from_arrays(columns, schema=schema))
