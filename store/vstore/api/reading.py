"""The methods of a store that answer questions about pictures: searches, lists, exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened
from vstore.paths import as_path, several

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal, Unpack

    from vstore.browse.find import FindReport
    from vstore.browse.ls import LsReport
    from vstore.browse.show import ShowReport
    from vstore.embed.embedder import Embedder
    from vstore.export.run import ExportReport
    from vstore.format.recipes import Recipe
    from vstore.gallery.previews import Previews
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.repository import Repository
    from vstore.search.dupes import DupesReport
    from vstore.search.index import Index
    from vstore.search.report import SearchReport
    from vstore.search.typed_words import SearchWords
    from vstore.search.view import View
    from vstore.search.wanted import Wanted
    from vstore.vectors.given import AnyPicture
    from vstore.vectors.report import Embedded, VectorIndex, Vectors


class Reading(Opened):
    """A store that is asked about pictures."""

    _placed: Index | None = None  # what the last search had on a device

    def search(
        self,
        operands: Wanted | Iterable[Wanted],
        *,
        device: str = "auto",
        offline: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchWords],
    ) -> SearchReport:
        """Find the pictures of a snapshot most similar to one thing, or to several at once.

        operands: a text, or the path of a picture, as a person types them (`str`); a path (`pathlib.Path`); the key of
                  a picture (`bytes`, or its hex); a picture of Pillow; a vector (a 1-D array or a list of numbers); an
                  `Operand`, which gives one of these a weight; or a list of any of these.
        device:   for the model of a query. With `keep_model`, a GPU that is named also has the vectors, as in `view`.
        offline:  download no model.
        options:  the words of `SearchWords`.
        Raises:   UsageError, SnapshotNotFound, Damage, Untrusted, ModelError; VstoreError if a picture cannot be
                  decoded.
        """
        from vstore.embed.model_words import settings_of
        from vstore.progress import Stages
        from vstore.search.search import search

        settings, stages = settings_of(device, offline=offline), Stages(progress)

        def to_device(index: Index) -> None:
            if self._keeps_model and device != "auto":  # one search is answered before the vectors are on a GPU
                from vstore.search.on_device import place

                place(index, settings, self._placed)
                self._placed = index

        def run(repo: Repository) -> SearchReport:
            embedders = self._embedders_of(repo)
            return search(
                repo,
                operands,
                load_embedder=lambda recipe: embedders.load_for_query(recipe, settings, stages),
                place=to_device,
                **options,
            )

        with self._turn:
            return self._use_newest(run)

    def view(
        self, at: str = "current", *, device: str = "auto", offline: bool = False, isolate_decoding: bool = False
    ) -> View:
        """Open a snapshot for many searches: only opening it reads its paths, and checks its vectors.

        Fixed from then on: the pictures, their paths, the places of their files, and which are of one colour. A view
        that is closed, or no longer referred to, lets go of some 100 bytes of memory for each picture.

        at:      the snapshot.
        device:  for the model of a query. A GPU that is named also has the vectors of the snapshot, from 400 MB on, and
                 scores all of them for each query.
        offline: download no model.
        isolate_decoding: decode pictures of queries in processes of their own, with limits of time and memory: for
                 those of strangers. They are kept for the next query while the store or such a view is there.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage; ModelError if a named device is not there.
        """
        from vstore.embed.model_words import settings_of
        from vstore.search.open_snapshot import OpenSnapshot
        from vstore.search.view import View

        settings = settings_of(device, offline=offline)

        def run(repo: Repository) -> OpenSnapshot:
            opened = OpenSnapshot(repo, at)
            opened.hold(repo)
            if device != "auto":
                from vstore.search.on_device import place

                place(opened.rows, settings)
            opened.decoder = self._decoder if isolate_decoding else None
            return opened

        def load(repo: Repository, recipe: Recipe) -> Embedder:
            return self._embedders_of(repo).load_for_query(recipe, settings)

        return View(self._read(run), self._pool.one, load, self._turn)

    def previews(self) -> Previews:
        """Give what makes pictures small, to show them: thumbnails, and large views.

        It keeps up to 8 processes that decode, so close it. It follows the store: pictures of new folders are shown.
        """
        from vstore.gallery.previews import Previews

        return Previews(self._pool.one)

    def vectors(self, at: str = "current") -> Vectors:
        """Give the vectors of the pictures of a snapshot, with their keys and paths, checked against the checksums.

        They come in the order in which the store holds them, which gc and a merge of segments may change: `keys` says
        whose each row is. Where the rows are one run of one segment, they are mapped and not copied; rows of a segment
        begin at an odd offset, so copy them (`rows.astype("float32")`) before BLAS, torch or a GPU. The array is
        read-only, and stays as it is whatever becomes of the store.

        at:     the snapshot.
        Raises: SnapshotNotFound, AmbiguousSnapshot, Damage.
        """
        from vstore.vectors.snapshot_rows import SnapshotRows

        return self._read(lambda repo: SnapshotRows(repo, at)).all()

    def batches(self, at: str = "current", *, size: int = 1024) -> Iterator[Vectors]:
        """Yield the vectors of a snapshot a few at a time, in the order of `vectors`; never all are in memory.

        The snapshot stays as it was when it was asked for. The rows of a batch are a copy, aligned and writable.

        at:     the snapshot.
        size:   pictures in a batch; the last one may have fewer.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot; Damage, as batches are asked for too.
        """
        from vstore.vectors.snapshot_rows import SnapshotRows

        return self._read(lambda repo: SnapshotRows(repo, at)).batches(size)

    def index(self, at: str = "current") -> VectorIndex:
        """Copy the vectors of a snapshot into a FAISS index that belongs to the caller; the store does not see it.

        It may be searched, changed, written to a file and moved to a GPU. The ids that it gives are places in `keys`.

        at:     the snapshot.
        Raises: SnapshotNotFound, AmbiguousSnapshot, Damage, MissingPackage.
        """
        from vstore.vectors.own_index import own_index
        from vstore.vectors.snapshot_rows import SnapshotRows

        return own_index(self._read(lambda repo: SnapshotRows(repo, at)))

    def embed(
        self,
        pictures: Iterable[AnyPicture] | AnyPicture,
        *,
        space: str | None = None,
        device: str = "auto",
        offline: bool = False,
        progress: Progress | None = None,
    ) -> Embedded:
        """Give the vectors of pictures, prepared and embedded as a space does it. The store stays as it is.

        A picture whose bytes the space knows gets its stored vector; a model is loaded only for others. One that fails
        costs itself alone. Only a few pictures are in memory at once: give a generator of many.

        pictures: paths (`str`, `Path`), files in memory (`bytes`), or pictures of Pillow, whose pixels are taken as
                  they are now; for exactly the vector of a file, name the file.
        space:    by default the current one.
        offline:  download no model.
        Raises:   UsageError, ModelError, MissingPackage, Untrusted, Damage, SystemLimit.
        """
        from vstore.embed.model_words import settings_of
        from vstore.progress import Stages
        from vstore.vectors.embed import embed

        settings, stages = settings_of(device, offline=offline), Stages(progress)

        def run(repo: Repository) -> Embedded:
            embedders = self._embedders_of(repo)
            return embed(
                repo,
                pictures,
                space,
                load=lambda recipe: embedders.load_for_query(recipe, settings, stages),
                stages=stages,
            )

        with self._turn:
            return self._use_newest(run)

    def dupes(
        self,
        *,
        at: str | None = None,
        under: AnyPath | None = None,
        verify: bool = False,
        near: float | Literal["auto"] | None = None,
        loose: bool = False,
        bursts: bool = False,
        all: bool = False,
        prefer: Sequence[AnyPath] = (),
        keep_by: str | Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = False,
        progress: Progress | None = None,
    ) -> DupesReport:
        """Find groups of identical pictures, or (near) of look-alikes.

        Groups of look-alikes depend on the set of pictures alone: not on names, order, or how the store grew.

        at:     the snapshot to look in; by default the current one.
        under:  a stored path (LABEL/FOLDER), or a folder on disk: only paths below it.
        verify: compare the files byte for byte.
        near:   also find look-alikes: every two of a group reach this cosine; "auto" for the default of the space.
        loose:  let each picture of a group reach it with the representative alone.
        bursts: count pictures that were taken one after the other as copies, too.
        all:    also the groups about which all is decided: see `decide`.
        prefer: folders whose files are better than others, in this order; named as in `under`.
        keep_by: the rules for the best file of a group, in this order, with commas or as a list: complete, pixels,
                format, metadata, bytes, oldest; by default all of these, so.
        where:  only paths for which this SQL expression over facts, fields and paths is true.
        exact:  compare every pair, although the index of `index_build` could choose some.
        Raises: UsageError, SnapshotNotFound, Damage; Untrusted, for `verify`.
        """
        from vstore.search.dupes import dupes

        return self._read(
            lambda repo: dupes(
                repo,
                at=at,
                under=under,
                verify=verify,
                near=near,
                loose=loose,
                bursts=bursts,
                all=all,
                prefer=prefer,
                keep_by=keep_by,
                where=where,
                exact=exact,
                progress=progress,
            )
        )

    def ls(
        self,
        words: Sequence[AnyPath] = (),
        *,
        at: str | None = None,
        recursive: bool = False,
        long: bool = False,
        failed: bool = False,
        new_since: str | None = None,
        space_missing: str | None = None,
        where: str | None = None,
    ) -> LsReport:
        """List the folders and pictures of a snapshot. The lines are read from the store as they are asked for.

        words:         the snapshot, by default the current one; a stored path (LABEL/FOLDER) or a path on disk, by
                       default the top, where the labels are; or first the one and then the other.
        at:            the snapshot.
        recursive:     the pictures at any depth, instead of folders and what lies directly in them.
        long:          with what is known of each picture, and how many a folder holds.
        failed:        the files that the newest sync could not read, which are in no snapshot, and why.
        new_since:     only pictures that this snapshot lacks, at any depth.
        space_missing: only pictures without a vector in this space, at any depth.
        where:         only pictures for which this SQL expression over facts, fields and the path is true, at any
                       depth.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage; Damage and StoreGone as lines are asked for.
        """
        from vstore.browse.ls import Filters, ls

        filters = Filters(recursive, long, failed, new_since, space_missing, where)
        return self._read(lambda repo: ls(repo, several(words), at, filters, self._stream))

    def show(self, picture: AnyPath, *, at: str | None = None, no_neighbours: bool = False) -> ShowReport:
        """Show what the store knows of a picture.

        picture:       a path on disk, a stored path, or the key of a picture or the first 6 digits of it or more.
        at:            the snapshot; by default the current one.
        no_neighbours: leave out the 5 most similar pictures of the snapshot, and facts that only the catalogue has.
        Raises: UsageError if nothing is known of it, or the words mean several; SnapshotNotFound, AmbiguousSnapshot,
                Damage; VstoreError if a file cannot be read.
        """
        from vstore.browse.show import show

        def run(repo: Repository) -> ShowReport:
            if no_neighbours:
                return show(repo, picture, at=at, neighbours=None)
            from vstore.search.neighbours import neighbours

            return show(repo, picture, at=at, neighbours=lambda snap, key: neighbours(repo, snap, key))

        return self._read(run)

    def show_key(self, key: bytes, *, at: str | None = None) -> ShowReport:
        """Show what the store knows of the picture with a key, as `show` does without neighbours.

        key:    the hash of its bytes. It is not taken for the name of a file; one that is nowhere has status `unknown`.
        at:     the snapshot; by default the current one.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage.
        """
        from vstore.browse.show import show_key
        from vstore.format.hashing import as_key

        known = as_key(key)
        return self._read(lambda repo: show_key(repo, known, at=at))

    def find_pictures(
        self,
        glob: str,
        *,
        at: str | None = None,
        all: bool = False,
        ignore_case: bool = False,
        long: bool = False,
        where: str | None = None,
    ) -> FindReport:
        """Find the pictures whose names match a shell pattern: `*.jpg`, `2024/**/cat*`.

        glob:        without a slash it is matched against names; with one against the end of stored paths, from any
                     folder on; beginning with one against whole stored paths. `*` and `?` match no slash.
        at:          the snapshot; by default the current one.
        all:         look through all snapshots, and say which hold each picture.
        ignore_case: match in any letter case.
        long:        with what is known of each picture.
        where:       only pictures for which this SQL expression over facts, fields and the path is true.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage.
        """
        from vstore.browse.find import find

        return self._read(
            lambda repo: find(repo, glob, at=at, all=all, ignore_case=ignore_case, long=long, where=where)
        )

    def snapshot_export(
        self, snap: str, out: AnyPath, *, format: str = "jsonl", progress: Progress | None = None
    ) -> ExportReport:
        """Write a snapshot's pictures and vectors to a file for other tools. Raises: UsageError, Damage."""
        from vstore.export.run import snapshot_export

        return self._read(lambda repo: snapshot_export(repo, snap, as_path(out), format, progress=progress))

    def export(
        self,
        out: AnyPath,
        *,
        format: str = "triple",
        operands: Wanted | Iterable[Wanted] = (),
        device: str = "auto",
        offline: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchWords],
    ) -> ExportReport:
        """Write a snapshot (`at`) in a format for other tools, or only the pictures that a search finds, best first.

        format:  of a search `csv`, `jsonl` or `parquet`, with a score for each picture; or `links`, which is a folder
                 of links to the pictures.
        offline: download no model.
        options: the words of `SearchWords`.
        Raises:  UsageError if `out` exists, or if a search is given for another format; Damage.
        """
        from vstore.disk import target
        from vstore.export.pictures import Found
        from vstore.export.run import LINKS, export_links, is_search, snapshot_export

        place = as_path(out)
        if not is_search(format, operands, options):
            snap, where = options.get("at") or "current", options.get("where")
            return self._read(lambda repo: snapshot_export(repo, snap, place, format, where=where, progress=progress))
        target.look(place)
        hits = self.search(operands, device=device, offline=offline, progress=progress, **options)
        if format == LINKS:
            links = export_links(hits.snapshot, [(hit.score, hit.files, hit.unnamed) for hit in hits.hits], place)
            return links._replace(notes=hits.notes)
        found = [Found(hit.key, hit.score, hit.paths) for hit in hits.hits]
        made = self._read(
            lambda repo: snapshot_export(repo, hits.snapshot, place, format, found=found, progress=progress)
        )
        return made._replace(notes=hits.notes)
