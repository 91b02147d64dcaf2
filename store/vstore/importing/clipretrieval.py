"""The folder that clip-retrieval writes: `img_emb/img_emb_N.npy` beside `metadata/metadata_N.parquet`."""

from __future__ import annotations

import re
from pathlib import Path

from vstore.errors import UsageError
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.npy_source import NpySource


def read_clip_retrieval(folder: Path, path_field: str | None) -> tuple[NpySource, Listing]:
    """Read all parts in the order of their numbers, each with its own list.

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
    for number in sorted(vectors):
        rows = NpySource([vectors[number]]).rows
        listing = read_metadata(lists[number], rows, path_field)
        if len(listing.entries) != rows:
            raise UsageError(
                f"{vectors[number]} has {rows:,} vectors and {lists[number]} {len(listing.entries):,} pictures"
            )
        entries += listing.entries
        notes = listing.notes
        # Numbers begin again in each part: they say nothing about the whole.
        numbers = listing.numbers if len(vectors) == 1 else {}
    return NpySource([vectors[number] for number in sorted(vectors)]), Listing(entries, numbers, notes=notes)


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
