"""Exports a snapshot, or the pictures of a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.brief import briefly
from vstore.disk import target
from vstore.errors import UsageError
from vstore.export.pictures import Found, Pictures
from vstore.format.canonical import Json, named
from vstore.paths import as_text
from vstore.progress import Progress, Stages
from vstore.repository.repository import Repository

LINKS = "links"
OF_SEARCHES = (LINKS, "csv", "jsonl", "parquet")


@briefly
class ExportReport(NamedTuple):
    """The result of an export.

    snapshot: the snapshot exported.
    format:   the format of the files.
    out:      the file or folder written.
    images:   distinct pictures in it.
    paths:    paths in it.
    bytes:    bytes of all files.
    missing:  pictures of a search without a link: their file no longer exists.
    notes:    remarks on what an expression could not know, or on how the words of a search were taken.
    """

    snapshot: str
    format: str
    out: str
    images: int
    paths: int
    bytes: int
    missing: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value = {name: one for name, one in self._asdict().items() if name != "notes"}
        return {**value, **named("out", self.out)}


Writer = Callable[[Repository, Pictures, Path], None]


def _writers() -> dict[str, Writer]:
    from vstore.export import clipretrieval, csv, jsonl, npz, parquet, triple

    return {
        "triple": triple.write,
        "npz": npz.write,
        "parquet": parquet.write,
        "jsonl": jsonl.write,
        "csv": csv.write,
        "clip-retrieval": clipretrieval.write,
    }


def snapshot_export(
    repo: Repository,
    snap: str,
    out: Path,
    format: str = "jsonl",
    *,
    where: str | None = None,
    found: Sequence[Found] | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a snapshot to a file or a folder, or only the pictures that a search found in it.

    jsonl:    a line per picture, in the order of the keys: `key`, `paths`, `files`, `facts`, `fields`, `vector`.
    csv:      a row per path: `path`, `file`, `key`, facts and fields as columns; no vectors.
    npz:      `keys` (hex), `vectors` (the store's dtype, (n, dim)), `paths` and `files` (the first of each picture),
              and lines of JSON as bytes: `all_paths`, `all_files`, `facts`, `fields`.
    parquet:  a row per picture: `key`, `paths`, `files`, facts and fields as columns, `vector` (float32).
    triple:   a folder with `index.faiss`, `embeddings.npy`, `metadata.json`, `pictures.jsonl`, a row per path, and
              `vstore.json`.
    clip-retrieval: a folder with `img_emb/img_emb_0.npy` and `metadata/metadata_0.parquet`, a row per path.
    where:  only paths for which this expression is true.
    Raises: UsageError if `out` exists, or for an unknown format; SnapshotNotFound; MissingPackage; DiskTrouble; Damage,
            before a byte of a damaged segment is used.
    """
    writers = _writers()
    if as_text(format, "the format") not in writers:
        raise UsageError(f"unknown format {format!r}", f"choose one of: {', '.join(writers)}")
    target.look(out)
    pictures = Pictures(repo, repo.snapshot(snap), Stages(progress), where=where, found=found)
    target.make(out, lambda made: writers[format](repo, pictures, made))
    return ExportReport(
        snapshot=pictures.snapshot.name,
        format=format,
        out=str(out),
        images=len(pictures.keys),
        paths=len(pictures.aliases),
        bytes=_size(out),
        notes=pictures.notes,
    )


def is_search(format: str, operands: object, options: Mapping[str, object]) -> bool:
    """Tell whether the words of an export ask for the pictures of a search.

    Raises: UsageError for a format of whole snapshots, and for a search without operands; TypeError for an unknown
            word: a slip would be lost otherwise.
    """
    narrowing = ("under", "min_score", "min_p", "new_since", "collapse", "exact")
    for name in options:
        if name not in ("k", "at", "where", *narrowing):
            raise TypeError(f"export() got an unexpected keyword argument {name!r}")
    given = [name for name in narrowing if (word := options.get(name)) is not None and word is not False]
    has_operands = not (isinstance(operands, (tuple, list)) and not operands)  # an array has no truth
    if (has_operands or given) and format not in OF_SEARCHES:
        raise UsageError(
            f"the format {format} takes no search",
            f"leave its words out, or choose one of: {', '.join(OF_SEARCHES)}",
        )
    if given and not has_operands and format != LINKS:
        raise UsageError(f"{given[0]} only applies to a search", "add what to look for, or leave it out")
    return has_operands or format == LINKS


def export_links(
    snapshot: str, hits: Sequence[tuple[float, Sequence[bytes | None], Collection[bytes]]], out: Path
) -> ExportReport:
    """Make a folder of links to the pictures of a search, best first by their names.

    hits:   score, files, and the files that must not be looked at, of each picture.
    Raises: UsageError if `out` exists; DiskTrouble.
    """
    found = [(score, file) for score, files, unseen in hits for file in [_existing(files, unseen)] if file is not None]

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


def _existing(files: Sequence[bytes | None], unseen: Collection[bytes]) -> bytes | None:
    return next((file for file in files if file is not None and (file in unseen or os.path.exists(file))), None)


def _size(out: Path) -> int:
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) if out.is_dir() else out.stat().st_size
