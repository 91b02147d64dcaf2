"""The folder that clip-retrieval writes: `img_emb/img_emb_N.npy` beside `metadata/metadata_N.parquet`."""

from __future__ import annotations

import re
from pathlib import Path

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.format.exported_details import EXPORT, Details
from vstore.format.facts import Fact
from vstore.format.list_columns import Columns, joined
from vstore.importing.bundles import NOTE, hash_of_size
from vstore.importing.listing import Entry, Listing, encoded
from vstore.importing.metadata import read_metadata
from vstore.importing.npy_source import NpySource
from vstore.importing.own_details import KEY, arrow_details, own_entries, own_listing, readable
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
    facts: list[Fact | None] = []
    for number in sorted(vectors):
        rows = NpySource([vectors[number]]).rows
        own = own_list(lists[number]) if path_field is None else None
        listing = own or read_metadata(lists[number], rows, path_field)
        if len(listing.entries) != rows:
            raise UsageError(
                f"{vectors[number]} has {counted(rows, 'vector')}, and {lists[number]} "
                f"{counted(len(listing.entries), 'picture')}"
            )
        entries += listing.entries
        columns.append(listing.columns if listing.columns.said else listing.columns._replace(said=[{}] * rows))
        facts += listing.facts or [None] * rows
        notes = listing.notes
        # Numbers begin again in each part: they say nothing about the whole.
        numbers = listing.numbers if len(vectors) == 1 else {}
    source = NpySource([vectors[number] for number in sorted(vectors)])
    finished = bool(entries) and all(entry.key is not None for entry in entries)
    return source, Listing(entries, numbers, notes=notes, columns=joined(columns), facts=facts), finished


def own_list(path: Path) -> Listing | None:
    """Read a list that `vstore export` wrote; None if another tool did. Raises: UsageError, MissingPackage."""
    pq = PARQUET.load()
    import pyarrow

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            old = set(schema.names) == {"image_path", "key"}
            if not (old or EXPORT in (schema.metadata or {})):
                return None
            names = ["image_path", "key"] if old else ["path", "path_b64", "key"]
            rows = file.read(columns=[name for name in names if name in schema.names]).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as err:
        reason = " ".join(str(err).split())[:200]
        raise UsageError(f"{path} cannot be read as a list of pictures ({reason})", "write the folder again") from err
    keys = [row.get("key") for row in rows]
    if not all(isinstance(key, str) and KEY.fullmatch(key) for key in keys):
        return None
    with readable(path):
        if old:
            entries = [Entry(encoded(row["image_path"]), key=bytes.fromhex(row["key"])) for row in rows]
            return own_listing(entries, [Details()] * len(rows), NOTE)
        listed = [{"key": row["key"], "paths": [row["path"]], "paths_b64": [row.get("path_b64")]} for row in rows]
        entries = [entry for number, row in enumerate(listed) for entry in own_entries(number, row)]
        return own_listing(entries, arrow_details(path, keys), NOTE)


def form_of_folder(folder: Path) -> tuple[str, str] | None:
    """Find the hash and the dtype of the store that exported a folder; None if none did. Raises: UsageError."""
    lists = _parts(folder / "metadata", ".parquet")
    own = own_list(lists[min(lists)]) if lists else None
    hash = hash_of_size(len(own.entries[0].key or b"")) if own and own.entries else None
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
