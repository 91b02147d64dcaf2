"""Parquet: a row per picture, with paths, facts, fields and vector as typed columns.

Rows are in the order of the keys; those of a search best first, with the column `score`.
"""

from __future__ import annotations

from pathlib import Path

from vstore.export.arrow import MARK, arrow_array, arrow_field
from vstore.export.columns import columns_of
from vstore.export.details import DetailsFile
from vstore.export.pictures import Pictures
from vstore.packages import PARQUET
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    pq = PARQUET.load()
    import numpy as np
    import pyarrow as pa

    texts = pa.list_(pa.string())
    names, scores = pictures.list_names, pictures.scores
    with DetailsFile(pictures, out.parent) as details:
        columns = columns_of(details)
        schema = pa.schema(
            [
                pa.field("key", pa.string()),
                *([pa.field("score", pa.float64())] if pictures.scores is not None else []),
                *(pa.field(name, texts) for name in names),
                *map(arrow_field, columns),
                # float32: not every reader of Parquet knows half floats.
                pa.field("vector", pa.list_(pa.float32(), pictures.dim)),
            ],
            metadata=MARK,
        )
        with pq.ParquetWriter(out, schema) as made:
            for keys, rows in pictures.blocks(pictures.order):
                said = [details.of(key) for key in keys]
                flat = pa.array(rows.astype(np.float32).reshape(-1))
                arrays = [
                    pa.array([key.hex() for key in keys], pa.string()),
                    *([pa.array([scores[key] for key in keys], pa.float64())] if scores is not None else []),
                    *(pa.array([pictures.listed(key, name) for key in keys], texts) for name in names),
                    *(arrow_array(column, said) for column in columns),
                    pa.FixedSizeListArray.from_arrays(flat, pictures.dim),
                ]
                made.write_table(pa.Table.from_arrays(arrays, schema=schema))
