"""Blobs that are lost: their bytes in packs are overwritten."""

from __future__ import annotations

from vstore.format.table import Table
from vstore.repository.repository import Repository


def lose(repo: Repository, *digests: bytes) -> None:
    """Overwrite blobs wherever they lie in packs."""
    for path in repo.layout.packs.iterdir():
        data = bytearray(path.read_bytes())
        table = data[int.from_bytes(data[-48:-40], "little") : -48]
        for at in range(0, len(table), repo.hash.size + 16):
            if table[at : at + repo.hash.size] in digests:
                place = at + repo.hash.size
                offset = int.from_bytes(table[place : place + 8], "little")
                stored = int.from_bytes(table[place + 8 : place + 12], "little")
                data[offset : offset + stored] = bytes(stored)
        path.write_bytes(data)


def pages_of(repo: Repository, root: bytes | None) -> dict[bytes, int]:
    """List the pages of a table with their levels, the root first."""
    return dict(Table(repo.hash, repo.packs.get, root).pages())
