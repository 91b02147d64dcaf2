"""A snapshot's pictures and vectors in files that other tools read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.export import target
from vstore.export.pictures import Pictures
from vstore.format.canonical import Json
from vstore.repository.repository import Repository

LINKS = "links"


class ExportReport(NamedTuple):
    """What was written: one entry per picture, or per path. bytes: of all files."""

    snapshot: str
    format: str
    out: str
    images: int
    paths: int
    bytes: int
    missing: int = 0

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


Writer = Callable[[Repository, Pictures, Path], None]


def _writers() -> dict[str, Writer]:
    from vstore.export import clipretrieval, jsonl, npz, parquet, triple

    return {
        "triple": triple.write,
        "npz": npz.write,
        "parquet": parquet.write,
        "jsonl": jsonl.write,
        "clip-retrieval": clipretrieval.write,
    }


def snapshot_export(repo: Repository, snap: str, out: Path, format: str = "jsonl") -> ExportReport:
    """Write a snapshot.

    jsonl:    `{"key": hex, "paths": [...], "vector": [...]}` a line, one a picture, in the order of the keys.
    npz:      `keys` (hex), `vectors` (the store's dtype, (n, dim)), `paths` (JSON lists: numpy has no ragged arrays).
    parquet:  `key`, `paths`, `vector` (float32), one row a picture.
    triple:   a folder with `index.faiss`, `embeddings.npy`, `metadata.json`, one row a path, and `vstore.json`.
    clip-retrieval: a folder with `img_emb/img_emb_0.npy` and `metadata/metadata_0.parquet`, one row a path.
    Raises: UsageError if `out` exists, or for another format; MissingPackage; Damage before a byte of a damaged
    segment is used.
    """
    writers = _writers()
    if format not in writers:
        raise UsageError(f"unknown format {format!r}", f"choose one of: {', '.join(writers)}")
    target.look(out)
    pictures = Pictures(repo, repo.snapshot(snap))
    target.make(out, lambda made: writers[format](repo, pictures, made))
    return ExportReport(
        snapshot=pictures.snapshot.name,
        format=format,
        out=str(out),
        images=len(pictures.keys),
        paths=len(pictures.aliases),
        bytes=_size(out),
    )


def export_links(snapshot: str, hits: Sequence[tuple[float, Sequence[bytes | None]]], out: Path) -> ExportReport:
    """Make a folder of links to the pictures of a search, best first by their names.

    hits: score and files of each picture. missing: those whose file is not there any more.
    Raises: UsageError if `out` exists.
    """
    found = [(score, file) for score, files in hits for file in [_there(files)] if file is not None]

    def write(made: Path) -> None:
        target.folder(made)
        for number, (score, file) in enumerate(found, 1):
            name = b"%04d_%.3f_" % (number, score) + os.path.basename(file)
            target.link(file, os.path.join(os.fsencode(made), name[:255]))

    target.make(out, write)
    return ExportReport(
        snapshot=snapshot,
        format=LINKS,
        out=str(out),
        images=len(found),
        paths=len(found),
        bytes=0,
        missing=len(hits) - len(found),
    )


def _there(files: Sequence[bytes | None]) -> bytes | None:
    return next((file for file in files if file is not None and os.path.exists(file)), None)


def _size(out: Path) -> int:
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) if out.is_dir() else out.stat().st_size
