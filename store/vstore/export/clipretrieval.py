"""The folder of clip-retrieval: `img_emb/img_emb_0.npy` beside `metadata/metadata_0.parquet`, a row per path."""

from __future__ import annotations

from pathlib import Path

from vstore.export.npz import write_array
from vstore.export.pictures import Pictures
from vstore.export.target import create, folder
from vstore.packages import PARQUET
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    pq = PARQUET.load()
    import pyarrow as pa

    keys = [key for _, key in pictures.aliases]
    for path in (out, out / "img_emb", out / "metadata"):
        folder(path)
    with create(out / "img_emb" / "img_emb_0.npy") as file:
        descr = "<f2" if pictures.dtype == "float16" else "<f4"
        write_array(file, descr, (len(keys), pictures.dim), (rows.tobytes() for _, rows in pictures.blocks(keys)))
    file_of = repo.file_finder(pictures.snapshot)
    paths = [(file_of(path) or path).decode("utf-8", "replace") for path, _ in pictures.aliases]
    table = pa.table({"image_path": paths, "key": [key.hex() for key in keys]})
    pq.write_table(table, out / "metadata" / "metadata_0.parquet")
