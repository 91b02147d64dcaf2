"""Parquet: `key`, `paths`, `vector`, a row per picture, in the order of the keys.

If a path is not UTF-8, there is `paths_b64` too.
"""

from __future__ import annotations

from pathlib import Path

from vstore.export.pictures import Pictures
from vstore.format.canonical import named_path
from vstore.packages import PARQUET
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    pq = PARQUET.load()
    import numpy as np
    import pyarrow as pa

    # float32: not every reader of Parquet knows half floats.
    texts = pa.list_(pa.string())
    fields = [("key", pa.string()), ("paths", texts), ("vector", pa.list_(pa.float32(), pictures.dim))]
    schema = pa.schema([*fields, ("paths_b64", texts)] if pictures.has_encoded else fields)
    with pq.ParquetWriter(out, schema) as made:
        for keys, rows in pictures.blocks(pictures.keys):
            flat = pa.array(rows.astype(np.float32).reshape(-1))
            columns = [
                pa.array([key.hex() for key in keys], pa.string()),
                pa.array([[named_path(p)["path"] for p in pictures.paths[key]] for key in keys], texts),
                pa.FixedSizeListArray.from_arrays(flat, pictures.dim),
            ]
            if len(schema) > len(columns):
                columns.append(pa.array([pictures.encoded(key) for key in keys], texts))
            made.write_table(pa.Table.from_arrays(columns, schema=schema))
