"""The folder of clip-retrieval: `img_emb/img_emb_0.npy` beside `metadata/metadata_0.parquet`, a row per path."""

from __future__ import annotations

from pathlib import Path

from vstore.disk.target import create, folder
from vstore.export.arrow import MARK, arrow_array, arrow_field
from vstore.export.columns import columns_of
from vstore.export.details import DetailsFile
from vstore.export.npz import write_array
from vstore.export.pictures import BLOCK, Pictures
from vstore.packages import PARQUET
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    pq = PARQUET.load()
    import pyarrow as pa

    with DetailsFile(pictures, out.parent) as details:
        columns = columns_of(details)
        keys = [key for _, key in pictures.aliases]
        for path in (out, out / "img_emb", out / "metadata"):
            folder(path)
        with create(out / "img_emb" / "img_emb_0.npy") as file:
            descr = "<f2" if pictures.dtype == "float16" else "<f4"
            write_array(file, descr, (len(keys), pictures.dim), (rows.tobytes() for _, rows in pictures.blocks(keys)))
        names = ("image_path", "key", *pictures.path_names)
        schema = pa.schema([*(pa.field(name, pa.string()) for name in names), *map(arrow_field, columns)], MARK)
        with pq.ParquetWriter(out / "metadata" / "metadata_0.parquet", schema) as made:
            for at in range(0, len(keys), BLOCK):
                aliases = pictures.aliases[at : at + BLOCK]
                said = [details.of(key) for _, key in aliases]
                rows = [_named(pictures, path, key) for path, key in aliases]
                arrays = [pa.array([row.get(name) for row in rows], pa.string()) for name in names]
                arrays += [arrow_array(column, said) for column in columns]
                made.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _named(pictures: Pictures, path: bytes, key: bytes) -> dict[str, str | None]:
    named = pictures.named_path(path)
    return {"image_path": named["file"] or named["path"], "key": key.hex(), **named}
