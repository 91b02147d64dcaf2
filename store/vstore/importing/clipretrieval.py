"""The folder that clip-retrieval writes: `img_emb/img_emb_N.npy` beside `metadata/metadata_N.parquet`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vstore.errors import UsageError
from vstore.format.list_columns import Columns, joined
from vstore.importing.bundles import KEY, hash_of_size
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.npy_source import NpySource
from vstore.packages import PARQUET


def read_clip_retrieval(folder: Path, path_field: str | None) -> tuple[NpySource, Listing, bool]:
    """Read all parts in the order of their numbers, each with its own list.

    Returns: the vectors, the list, and whether `vstore export` wrote the folder: its list has the keys then.

    Raises: UsageError if a part has no list, or a list of another length; MissingPackage.
    """
    vectors = _parts(folder / "img_emb", ".npy")
    lists = _parts(folder / "metadata", ".parquet")
    if not vectors:
        raise UsageError(f"{folder} holds no img_emb/*.npy", "name the folder that clip-retrieval inference wrote")
    if vectors.keys() != lists.keys():
        odd = min(vectors.keys() ^ lists.keys())
        raise UsageError(f"{folder} has part {odd} only in one of img_emb/ and metadata/", "both are needed")
    entries: list[Entry] = []
    numbers: dict[str, list[int]] = {}
    notes: tuple[str, ...] = ()
    columns: list[Columns] = []
    for number in sorted(vectors):
        rows = NpySource([vectors[number]]).rows
        listing = read_metadata(lists[number], rows, path_field)
        if len(listing.entries) != rows:
            raise UsageError(
                f"{vectors[number]} has {rows:,} vectors and {lists[number]} {len(listing.entries):,} pictures"
            )
        entries += listing.entries
        columns.append(listing.columns)
        notes = listing.notes
        # Numbers begin again in each part: they say nothing about the whole.
        numbers = listing.numbers if len(vectors) == 1 else {}
    keys = own_keys([lists[number] for number in sorted(lists)])
    if keys is not None:
        entries = [entry._replace(key=key) for entry, key in zip(entries, keys, strict=True)]
        notes = (*notes, "keys are those of an export of vstore")
    source = NpySource([vectors[number] for number in sorted(vectors)])
    # What vstore wrote beside the paths are the keys, which are no fields.
    others = joined(columns) if keys is None else Columns()
    return source, Listing(entries, numbers, notes=notes, columns=others), keys is not None


def own_keys(lists: Sequence[Path]) -> list[bytes] | None:
    """Read the keys that `vstore export` writes beside the paths; None if another tool wrote the lists."""
    pq = PARQUET.load()
    keys: list[bytes] = []
    for path in lists:
        with pq.ParquetFile(path) as file:
            if {field.name for field in file.schema_arrow} != {"image_path", "key"}:
                return None
            texts = file.read(columns=["key"]).column(0).to_pylist()
        if not all(isinstance(text, str) and KEY.fullmatch(text) for text in texts):
            return None
        keys += map(bytes.fromhex, texts)
    return keys


def form_of_folder(folder: Path) -> tuple[str, str] | None:
    """Find the hash and the dtype of the store that exported a folder; None if none did. Raises: UsageError."""
    lists = _parts(folder / "metadata", ".parquet")
    keys = own_keys([lists[number] for number in sorted(lists)]) if lists else None
    hash = hash_of_size(len(keys[0])) if keys else None
    parts = _parts(folder / "img_emb", ".npy")
    return (hash, NpySource(list(parts.values())).dtype) if hash and parts else None


def _parts(folder: Path, ending: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(folder.glob(f"*{ending}")):
        number = re.search(r"(\d+)$", path.stem)
        if number is None:
            raise UsageError(
                f"{path} has no number in its name", "parts are called img_emb_0.npy and metadata_0.parquet"
            )
        if int(number[1]) in found:
            raise UsageError(f"{path} and {found[int(number[1])].name} have the same number")
        found[int(number[1])] = path
    return found
