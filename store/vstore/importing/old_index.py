"""An old index: its vectors and the list of its pictures, opened and checked against each other."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.format.exported import NAME, PICTURES, Exported
from vstore.format.facts import Fact
from vstore.format.list_columns import Columns
from vstore.importing.agreement import disagreement
from vstore.importing.beside import beside, require_same
from vstore.importing.bundles import ENDINGS, Bundle, open_bundle
from vstore.importing.clipretrieval import read_clip_retrieval
from vstore.importing.faiss_source import FaissSource
from vstore.importing.listing import Entry, Listing
from vstore.importing.metadata import read_metadata
from vstore.importing.npy_source import NpySource
from vstore.importing.order import positions
from vstore.importing.own_details import own_listing, readable, triple_details
from vstore.importing.profile import Profile, as_finished, profile
from vstore.importing.rclip import RclipSource
from vstore.importing.report import ImportRefused
from vstore.importing.source import Source, fingerprint, written_at
from vstore.importing.ways import Way
from vstore.near_files import did_you_mean, near_files


class Named(NamedTuple):
    """The files of an old index.

    faiss:          a FAISS index file.
    metadata:       the list of its pictures.
    embeddings:     a file of vectors: .npy, .npz, Parquet or JSON lines.
    clip_retrieval: a folder written by clip-retrieval.
    rclip:          a database of rclip.
    """

    faiss: Path | None = None
    metadata: Path | None = None
    embeddings: Path | None = None
    clip_retrieval: Path | None = None
    rclip: Path | None = None


class Old(NamedTuple):
    """An opened index.

    source:   its vectors.
    entries:  its pictures.
    rows_of:  the row of each entry.
    seen:     the findings of one pass over all rows.
    notes:    remarks for the report.
    starts:   the folders to which its paths may be relative.
    written:  when it was written, in ns since 1970.
    exported: the contents of the `vstore.json` beside it, or None.
    numbers:  the row numbers in the first index, where an earlier import left these rows over.
    ways:     the ways in which the first index moved; None for a whole index.
    finished: a store wrote the rows: those of unit norm are as a store keeps them.
    columns:  what the list says of its pictures besides.
    facts:    of each entry, of every entry or of none, where a store wrote the list.
    """

    source: Source
    entries: list[Entry]
    rows_of: list[int]
    seen: Profile
    notes: tuple[str, ...]
    starts: tuple[bytes, ...] = ()
    written: int = 0
    exported: Exported | None = None
    numbers: list[int] | None = None
    ways: tuple[Way, ...] | None = None
    finished: bool = False
    columns: Columns = Columns()
    facts: Sequence[Fact | None] = ()

    def number(self, row: int) -> int:
        """Find the number of a row in the index that it came from."""
        return row if self.numbers is None else self.numbers[row]

    @property
    def origin(self) -> str:
        """The source of the vectors, for people."""
        if not self.source.files:
            return "the rows that an earlier import set aside"
        return ", ".join(str(path) for path in self.source.files[:3]) + (", …" if len(self.source.files) > 3 else "")

    def fingerprint(self) -> str:
        return fingerprint(self.source.files)


def refuse_missing(paths: Iterable[Path | None]) -> None:
    """Refuse a file or folder that is not there, before any other is read. Raises: UsageError."""
    for path in paths:
        if path is not None and not path.exists():
            near = near_files(os.fsencode(path))
            raise UsageError(
                f"{path} cannot be read: {os.strerror(errno.ENOENT)}", did_you_mean(near, "check the name")
            )


def open_old(named: Named, path_field: str | None, rows_by: str | None, force: bool) -> Old:
    """Open the given files.

    force:  go on although `.faiss` and `.npy` disagree.
    Raises: UsageError, MissingPackage; ImportRefused if the files do not belong together.
    """
    refuse_missing(named)
    given = [field for field, value in zip(named._fields, named, strict=True) if value is not None]
    if named.clip_retrieval is not None or named.rclip is not None:
        if len(given) > 1:
            raise UsageError(
                f"--{given[-1].replace('_', '-')} cannot be combined with another index", "name one index at a time"
            )
        return _open_whole(named, path_field, rows_by)
    if named.faiss is None and named.embeddings is None:
        raise UsageError("no vectors were named", "name them with --faiss or --embeddings")
    flat = FaissSource(named.faiss) if named.faiss is not None else None
    bundle = _open_vectors(named, path_field)
    beside_it = bundle.source if bundle is not None else None
    notes: list[str] = [*(flat.notes if flat is not None else ()), *(beside_it.notes if beside_it is not None else ())]
    if flat is not None and beside_it is not None:
        _compare(flat, beside_it, force, notes)
    source, seen = _chosen(flat, beside_it, notes)
    files = [path for path in (named.faiss, named.metadata, named.embeddings) if path is not None]
    exported = beside(files)
    if exported is not None:
        if len(exported.paths) != source.rows:
            listed, there = counted(len(exported.paths), "row"), counted(source.rows, "vector")
            raise UsageError(f"vstore.json lists {listed}, and the index has {there}")
        entries = [Entry(path) for path in exported.paths]
        rows_of = list(range(source.rows))
        columns, facts = _beside(exported, files[0], notes)
        notes.append(f"paths and keys are those of vstore.json, written by an export of {exported.snapshot}")
    else:
        listing = _listing(named, bundle, source.rows, path_field)
        ids = flat.ids if flat is not None else None
        rows_of, told = positions(listing, source.rows, ids, rows_by)
        entries, columns, facts = listing.entries, listing.columns, listing.facts
        notes += [*listing.notes, *told]
    finished = exported is not None or (bundle is not None and bundle.own)
    _remark(seen, source, flat, notes)
    start = (named.metadata or files[0]).resolve().parent
    starts = (os.fsencode(start), os.getcwdb())
    return Old(
        source=source,
        entries=entries,
        rows_of=rows_of,
        seen=as_finished(seen) if finished else seen,
        notes=tuple(notes),
        starts=starts,
        written=written_at(files),
        exported=exported,
        finished=finished,
        columns=columns,
        facts=facts,
    )


def _beside(exported: Exported, file: Path, notes: list[str]) -> tuple[Columns, Sequence[Fact | None]]:
    """Read the fields and facts that lie beside the files of an export. Raises: UsageError if they are not its own."""
    if PICTURES not in exported.files:
        return Columns(), ()
    path = file.resolve().with_name(PICTURES)
    if not path.exists():
        notes.append(f"{PICTURES} does not lie beside {NAME}: the facts and fields of the pictures are not taken")
        return Columns(), ()
    with readable(path):
        require_same(path, exported)
        listing = own_listing([], triple_details(exported, path), "")
    return listing.columns, listing.facts


def _open_vectors(named: Named, path_field: str | None) -> Bundle | None:
    """Open the file of `--embeddings`. Raises: UsageError, MissingPackage."""
    if named.embeddings is None:
        return None
    if named.embeddings.suffix.lower() not in ENDINGS:
        return Bundle(NpySource([named.embeddings]), None)
    bundle = open_bundle(named.embeddings, path_field, listed=named.metadata is not None)
    if bundle.own and named.faiss is not None:
        raise UsageError(f"{named.embeddings} has rows of its own, not those of a FAISS index", "name one of the two")
    return bundle


def _listing(named: Named, bundle: Bundle | None, rows: int, path_field: str | None) -> Listing:
    """Read the list of the pictures. Raises: UsageError if there is none."""
    if named.metadata is not None:
        return read_metadata(named.metadata, rows, path_field)
    if bundle is None or bundle.listing is None:
        raise UsageError("no list of the pictures was named", "name it with --metadata")
    return bundle.listing


def _open_whole(named: Named, path_field: str | None, rows_by: str | None) -> Old:
    source: Source
    own = False
    if named.rclip is not None:
        source = table = RclipSource(named.rclip)
        listing = table.listing()
        start = named.rclip.resolve().parent
    else:
        assert named.clip_retrieval is not None
        source, listing, own = read_clip_retrieval(named.clip_retrieval, path_field)
        start = named.clip_retrieval.resolve()
    rows_of, told = positions(listing, source.rows, None, rows_by)
    seen = profile(source)
    notes = [*source.notes, *listing.notes, *told]
    _remark(seen, source, None, notes)
    starts = (os.fsencode(start), os.getcwdb())
    return Old(
        source=source,
        entries=listing.entries,
        rows_of=rows_of,
        seen=as_finished(seen) if own else seen,
        notes=tuple(notes),
        starts=starts,
        written=written_at(source.files),
        finished=own,
        columns=listing.columns,
        facts=listing.facts,
    )


def _compare(flat: FaissSource, npy: Source, force: bool, notes: list[str]) -> None:
    if flat.dim != npy.dim:
        raise UsageError(
            f"{flat.files[0]} has {flat.dim} numbers a vector, {npy.files[0]} {npy.dim}", "name files of one index"
        )
    if flat.rows != npy.rows:
        raise UsageError(
            f"{flat.files[0]} has {counted(flat.rows, 'vector')}, {npy.files[0]} {npy.rows:,}",
            "name files of one index",
        )
    apart = disagreement(flat, npy) if flat.rows else None
    if apart is not None:
        what = f"{flat.files[0].name} and {npy.files[0].name} hold different vectors: {apart}"
        if not force:
            raise ImportRefused(what, "name only the right one, or go on with --force")
        notes.append(f"forced: {what}")
    else:
        notes.append(f"{flat.files[0].name} and {npy.files[0].name} agree in every compared row")


def _chosen(flat: FaissSource | None, npy: Source | None, notes: list[str]) -> tuple[Source, Profile]:
    """Choose the rows of the file of arrays if they are half floats of unit norm, else those of the .faiss file."""
    if npy is not None:
        seen = profile(npy)
        fit = npy.dtype == "float16" and seen.unit
        if flat is None or fit:
            if flat is not None:
                notes.append(f"the rows are those of {npy.files[0].name}: half floats of unit norm")
            return npy, seen
        why = f"{npy.dtype}, not half floats" if npy.dtype != "float16" else "not all of unit norm"
        notes.append(f"the rows are those of {flat.files[0].name}: {npy.files[0].name} holds {why}")
    assert flat is not None
    return flat, profile(flat)


def _remark(seen: Profile, source: Source, flat: FaissSource | None, notes: list[str]) -> None:
    if seen.broken:
        rows, have = ("row", "has") if len(seen.broken) == 1 else ("rows", "have")
        no_vector = f"{len(seen.broken):,} {rows} {have} no vector, or one of NaN or infinity"
        notes.append(f"{no_vector}; left out: {_first(seen.broken)}")
    if seen.zero:
        notes.append(f"{_rows(seen.zero)} zero; left out: {_first(seen.zero)}")
    if seen.same:
        notes.append(f"{_rows(seen.same)} equal to an earlier one, bit for bit: {_first(tuple(seen.same))}")
    if not seen.unit and source.rows:
        good = [norm for row, norm in enumerate(seen.norms.tolist()) if row not in seen.unfit]
        if good:
            notes.append(f"norms range from {min(good):.4g} to {max(good):.4g}: every row is normalised")
        if flat is not None and flat.structure.metric == 1:
            notes.append(
                "the index ranked by distance, and its vectors have different lengths; vstore ranks by direction"
            )


def _rows(rows: Collection[int]) -> str:
    return f"{counted(len(rows), 'row')} {'is' if len(rows) == 1 else 'are'}"


def _first(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
