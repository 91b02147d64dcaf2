"""numpy's .npz: an array each, in the order of the keys, written block by block.

`keys`, `vectors`, and the first path of each picture as `paths` and `files` are arrays of n rows. All else is an array
of bytes, n lines of JSON: an array of texts would have the width of the longest in each row.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vstore.disk.target import nameless
from vstore.export.details import DetailsFile
from vstore.export.pictures import Pictures
from vstore.format.exported_details import TIMES
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIECE = 1 << 20  # bytes that are copied at once


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    count = len(pictures.keys)
    with (
        DetailsFile(pictures, out.parent) as details,
        zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as made,
    ):
        texts(made, "keys", [key.hex() for key in pictures.keys])
        with made.open("vectors.npy", "w", force_zip64=True) as member:
            write_array(
                member,
                "<f2" if pictures.dtype == "float16" else "<f4",
                (count, pictures.dim),
                (rows.tobytes() for _, rows in pictures.blocks(pictures.keys)),
            )
        firsts = [pictures.paths[key][0] for key in pictures.keys]
        texts(made, "paths", [path.decode("utf-8", "replace") for path in firsts])
        texts(made, "files", [(pictures.file_of(path) or b"").decode("utf-8", "replace") for path in firsts])
        for name in pictures.list_names:
            listed = (pictures.listed(key, name) for key in pictures.keys)
            lines(made, f"all_{name}", (json.dumps(one).encode("ascii") for one in listed), out.parent)
        for name in ("facts", "fields", *([TIMES] if details.has_times else [])):
            said = (details.of(key).get(name, []) for key in pictures.keys)
            lines(made, name, (json.dumps(one).encode("ascii") for one in said), out.parent)


def texts(made: zipfile.ZipFile, name: str, values: list[str]) -> None:
    width = max(map(len, values), default=1) or 1
    with made.open(f"{name}.npy", "w", force_zip64=True) as member:
        rows = (value.encode("utf-32-le").ljust(4 * width, b"\0") for value in values)
        write_array(member, f"<U{width}", (len(values),), rows)


def lines(made: zipfile.ZipFile, name: str, values: Iterable[bytes], folder: Path) -> None:
    """Write lines as an array of bytes. folder: of a file that they pass through, as their number comes first."""
    with nameless(folder) as passed:
        passed.writelines(value + b"\n" for value in values)
        size = passed.tell()
        passed.seek(0, os.SEEK_SET)
        with made.open(f"{name}.npy", "w", force_zip64=True) as member:
            write_array(member, "|u1", (size,), iter(lambda: passed.read(_PIECE), b""))


def write_array(file: IO[bytes], descr: str, shape: tuple[int, ...], parts: Iterable[Buffer]) -> None:
    """Write the same bytes as numpy.save, from parts of the array."""
    from numpy.lib import format as npy

    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    for part in parts:
        file.write(part)
