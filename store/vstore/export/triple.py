"""The three files that scripts keep: `index.faiss`, `embeddings.npy`, `metadata.json`, a row per path, in one order.

Beside them lie `pictures.jsonl`, with what is known of each row, and `vstore.json`, from which an import makes the same
snapshot again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import xxhash

from vstore.disk.file_hash import hash_file
from vstore.disk.segment_writer import index_header
from vstore.disk.target import create, folder
from vstore.export.details import DetailsFile
from vstore.export.npz import write_array
from vstore.export.pictures import Pictures
from vstore.format.exported import NAME, PICTURES, Exported
from vstore.packages import faiss_module
from vstore.repository.repository import Repository

FAISS, NPY, JSON = "index.faiss", "embeddings.npy", "metadata.json"


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    import numpy as np

    faiss = faiss_module()
    folder(out)
    keys = [key for _, key in pictures.aliases]
    with create(out / FAISS) as flat:
        flat.write(index_header(faiss, faiss.IndexFlatIP(pictures.dim), "float32", len(keys)))
        for _, rows in pictures.blocks(keys):
            flat.write(rows.astype("<f4").tobytes())
    with create(out / NPY) as npy:
        descr = np.dtype(pictures.dtype).newbyteorder("<").str
        write_array(npy, descr, (len(keys), pictures.dim), (rows.tobytes() for _, rows in pictures.blocks(keys)))
    file_of = pictures.file_of
    paths = [os.fsdecode(file_of(path) or path) for path, _ in pictures.aliases]
    with create(out / JSON) as listed:
        listed.write(json.dumps(paths, indent=0).encode("ascii") + b"\n")
    with DetailsFile(pictures, out.parent) as details, create(out / PICTURES) as lines:
        for path, key in pictures.every_path():
            line = {"key": key.hex(), **pictures.named_path(path), **details.of(key)}
            lines.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    snapshot = pictures.snapshot
    labels = {path.partition(b"/")[0] for path, _ in pictures.aliases}
    exported = Exported(
        hash=repo.hash.name,
        dtype=repo.dtype,
        recipe=repo.recipe(snapshot.space),
        space_name=repo.state.spaces[snapshot.space].name,
        snapshot=snapshot.name,
        id=snapshot.id,
        paths=[path for path, _ in pictures.aliases],
        keys=keys,
        places={os.fsdecode(label): file_of(label + b"/") or b"/" + label for label in sorted(labels)},
        files={name: hash_file(out / name, xxhash.xxh3_128()).hexdigest() for name in (FAISS, NPY, JSON, PICTURES)},
    )
    with create(out / NAME) as about:
        about.write(exported.to_bytes())
