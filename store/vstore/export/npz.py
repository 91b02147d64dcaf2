"""numpy's .npz: `keys`, `vectors`, `paths`, in the order of the keys, each written block by block.

If a path is not UTF-8, there is `paths_b64` too.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vstore.export.pictures import Pictures
from vstore.format.canonical import named_path
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from typing_extensions import Buffer


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    count = len(pictures.keys)
    paths = [json.dumps([named_path(path)["path"] for path in pictures.paths[key]]) for key in pictures.keys]
    with zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as made:
        texts(made, "keys", [key.hex() for key in pictures.keys])
        with made.open("vectors.npy", "w", force_zip64=True) as member:
            write_array(
                member,
                "<f2" if pictures.dtype == "float16" else "<f4",
                (count, pictures.dim),
                (rows.tobytes() for _, rows in pictures.blocks(pictures.keys)),
            )
        texts(made, "paths", paths)
        if pictures.has_encoded:
            texts(made, "paths_b64", [json.dumps(pictures.encoded(key)) for key in pictures.keys])


def texts(made: zipfile.ZipFile, name: str, values: list[str]) -> None:
    width = max(map(len, values), default=1)
    with made.open(f"{name}.npy", "w", force_zip64=True) as member:
        rows = (value.encode("utf-32-le").ljust(4 * width, b"\0") for value in values)
        write_array(member, f"<U{width}", (len(values),), rows)


def write_array(file: IO[bytes], descr: str, shape: tuple[int, ...], parts: Iterable[Buffer]) -> None:
    """Write the same bytes as numpy.save, from parts of the array."""
    from numpy.lib import format as npy

    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    for part in parts:
        file.write(part)
