"""A store as a program uses it: one object, one thin method per command.

Longer than other modules because it lists them all, with their arguments and errors: it is the Python reference.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from vstore.disk.owner import User
from vstore.format.layout import FOLDER
from vstore.paths import AnyPath, absolute, as_bytes, as_path, lasting, several
from vstore.repository.discovery import find_store, is_store
from vstore.repository.embedders import Embedders, KeptModel
from vstore.repository.pool import Pool
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from vstore.browse.entries import PathEntry
    from vstore.browse.find import FindReport
    from vstore.browse.ls import LsReport
    from vstore.browse.show import ShowReport
    from vstore.check.report import CheckReport
    from vstore.disk.typed_words import UserWords
    from vstore.doctor.report import DoctorReport
    from vstore.embed.consent import Consent
    from vstore.embed.embedder import Embedder
    from vstore.embed.recommended import RecommendedModel
    from vstore.embed.typed_words import ModelWords
    from vstore.export.run import ExportReport
    from vstore.facts.fill import FillWords
    from vstore.facts.report import FactsReport
    from vstore.format.recipes import Recipe
    from vstore.format.usual_words import UsualWords
    from vstore.gc.run import GcReport
    from vstore.importing.options import ImportWords
    from vstore.importing.report import ImportReport
    from vstore.migrate import MigrateReport
    from vstore.models.report import (
        ModelAdded,
        ModelAllowed,
        ModelConverted,
        ModelDetail,
        ModelDropped,
        ModelRow,
        ModelServed,
        ModelUsed,
    )
    from vstore.progress import Progress
    from vstore.repair.report import RepairReport
    from vstore.repository.init import InitReport
    from vstore.roots.report import RootRemoved, RootRenamed, RootRow
    from vstore.search.dupes import DupesReport
    from vstore.search.operand import Operand
    from vstore.search.search import SearchReport
    from vstore.search.typed_words import SearchWords
    from vstore.stats import StatsReport
    from vstore.sync.report import SyncReport
    from vstore.sync.typed_words import FirstSyncWords, SyncWords
    from vstore.trust import TrustReport
    from vstore.versions.diff import DiffReport
    from vstore.versions.forget import ForgetReport
    from vstore.versions.log import LogRow
    from vstore.versions.moves import MoveReport
    from vstore.versions.names import Names
    from vstore.versions.policy import KeepWords
    from vstore.versions.show import SnapshotDetail, SnapshotRow
    from vstore.versions.tags import TagReport
    from vstore.watch.report import Watched
    from vstore.watch.typed_words import WatchWords

T = TypeVar("T")


def _silent(text: str) -> None:
    pass


def _opened(
    kind: type[Store],
    folder: Path,
    store_id: str,
    given: Callable[[Recipe], Embedder] | None,
    user: User,
    keep_model: bool,
) -> Store:
    """Open a store that another process had open. Raises: StoreGone, NoStore, Damage."""
    store = kind(folder, load_embedder=given, keep_model=keep_model, **user._asdict())
    if store._repo.store_id != store_id:
        from vstore.errors import StoreGone

        raise StoreGone(f"another store lies at {folder} now than the one that was opened there", "open it again")
    return store


def _consent(config: AnyPath | None) -> Consent:
    """Find the consents of the user. config: the folder for configurations."""
    from vstore.embed.consent import Consent

    return Consent.of_user(None if config is None else absolute(config))


class Store:
    """An open store. Usable as a context manager, from several threads, and after a fork.

    Calls in several threads do not disturb one another: reading goes on beside a sync, a tag or a gc, each answer is
    that of one state, and of two calls that change the store the second waits, or raises Locked, as it would between
    two processes. `load_embedder`, `progress` and `note` are called in the thread of the call.

    Every method raises StoreGone if the folder no longer holds the store that was opened, and StoreClosed after
    `close`.

    Where a method takes a snapshot, it takes any name of one: `v12`, the first digits of its id, a tag, `current`,
    `latest`, `v12~2` (two parents up), `@{3}` (an earlier value of `current`), a date (`2026-11-20`: the newest made by
    then) or `@{2026-11-20}`, `@{yesterday}` (what was current then). Dates without a zone are in that of this machine.

    FOLDER: the name of a store's folder, unless its maker chooses another.
    """

    FOLDER = FOLDER

    def __init__(
        self,
        folder: AnyPath,
        *,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        damaged: bool = False,
        keep_model: bool = False,
        **user: Unpack[UserWords],
    ) -> None:
        """Open the store in a folder.

        A store that belongs to another user is only read, unless it is trusted: what would change it raises
        ForeignStore.

        load_embedder: loads the model of a recipe, instead of the store's own models; with several threads, in any.
        damaged:       open it despite missing files, for `check`.
        keep_model:    let a model that a search loads stay loaded for the next ones; searches take turns then.
        user:          the words of `UserWords`.
        Raises: NoStore, FormatTooNew, Damage.
        """
        asker = User.of(**user)
        self._repo = Repository(absolute(folder), damaged=damaged, user=asker)
        self._pool = Pool(self._repo)
        self._given = load_embedder
        kept = KeptModel() if keep_model else None
        self._turn = threading.Lock() if keep_model else nullcontext()  # of searches
        self._embedders = Embedders(self._repo, load_embedder, cache(lambda: _consent(asker.config)), kept)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    @classmethod
    def init(
        cls,
        folder: AnyPath,
        *,
        hash: str = "xxh3_128",
        store_dtype: str = "float16",
        recipe: Recipe | None = None,
        name: str | None = None,
        device: str = "auto",
        offline: bool = False,
        config: AnyPath | None = None,
        cache: AnyPath | None = None,
        trust: bool = False,
        sudo_uid: int | None = None,
        usual: UsualWords | None = None,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        **model: Unpack[ModelWords],
    ) -> InitReport:
        """Make an empty store for one embedding space: the built-in one, unless a recipe or a model is given.

        offline: download no model.
        config, cache, trust, sudo_uid, usual: as in `UserWords`.
        note:    receives a line for each thing done without being asked for.
        model:   the words of `ModelWords`.
        Raises: UsageError if there is a store already; ForeignStore if its folder is there, and another user's;
                ModelError, and nothing is made then.
        """
        from vstore.embed.model_words import Words, settings_of
        from vstore.repository.init import init

        return init(
            absolute(folder),
            Words.of(**model),
            hash=hash,
            store_dtype=store_dtype,
            recipe=recipe,
            name=name,
            settings=settings_of(device, offline=offline)._replace(consent=_consent(config)),
            user=User.of(config=config, cache=cache, trust=trust, sudo_uid=sudo_uid, usual=usual),
            note=note or _silent,
            progress=progress,
        )

    @staticmethod
    def exists(folder: AnyPath) -> bool:
        """Tell whether a folder is a store. Raises: DiskTrouble if it is there and may not be entered."""
        return is_store(as_path(folder))

    @staticmethod
    def find(start: AnyPath = ".") -> Path | None:
        """Find the nearest store: `.vstore` in a folder, or in those above it.

        Raises: DiskTrouble if the nearest one may not be entered.
        """
        return find_store(start)

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return self._repo.layout.folder

    @property
    def complaint(self) -> str | None:
        """The reason why the newest record of the log cannot be used; answers come from an older one then."""
        return self._repo.tip.complaint

    def label_of(self, folder: AnyPath) -> str | None:
        """Find the synced folder at or above this folder. Returns: its label, or None."""
        from vstore.repository.stored_paths import label_of

        return self._use(lambda repo: label_of(repo, as_bytes(folder)))

    def folder_options(self) -> dict[str, dict[str, Any]]:
        """List the options that are kept with the synced folders.

        Returns: label -> those of `UsualWords` that a sync was given."""
        from vstore.pictures.scan_options import ScanOptions

        return self._read(
            lambda repo: {
                label: ScanOptions.from_json(root.options).kept() for label, root in sorted(repo.state.roots.items())
            }
        )

    # Bringing up to date

    def sync(
        self,
        paths: Sequence[AnyPath] = (),
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[SyncWords],
    ) -> SyncReport:
        """Embed the new pictures of folders, and write a snapshot if anything changed.

        paths:   folders to take in, or parts of known ones; none means all known folders.
        stop:    if it is set, the run ends after the current batch, with a partial snapshot. A `Stop` tells what the
                 run finishes.
        options: the words of `SyncWords`.
        Raises:  UsageError, LabelTaken, Refused, Locked, Interrupted, Untrusted, Damage, ModelError, MissingPackage,
                 DiskTrouble.
                 Damage that is found by reading stored vectors again comes last: the snapshot is written then.
        """
        from vstore.sync.begin import sync
        from vstore.sync.options import Options

        chosen = Options(**options)
        return self._use(
            lambda repo: sync(
                repo, self._embedders_of(repo), paths, chosen, dry_run=dry_run, progress=progress, stop=stop
            )
        )

    @classmethod
    def sync_new(
        cls,
        folder: AnyPath,
        paths: Sequence[AnyPath],
        *,
        recipe: Recipe | None = None,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        dry_run: bool = False,
        config: AnyPath | None = None,
        cache: AnyPath | None = None,
        trust: bool = False,
        sudo_uid: int | None = None,
        usual: UsualWords | None = None,
        note: Callable[[str], None] | None = None,
        made: Callable[[InitReport], None] | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[FirstSyncWords],
    ) -> SyncReport:
        """Make a store by a first sync of folders. No store is made if the sync would fail.

        config, cache, trust, sudo_uid, usual: as in `UserWords`.
        made:    receives the report of the new store, before the sync begins.
        options: the words of `FirstSyncWords`.
        dry_run: plan it: no model is loaded and no store is made, and the report has `store_exists` False.
        Raises:  NoStore without a folder; UsageError if a folder holds no picture, or the store exists; ModelError; and
                 the errors of `sync`.
        """
        from vstore.embed.model_words import Words
        from vstore.sync.first import look_first, make_for
        from vstore.sync.options import Options

        given: dict[str, Any] = dict(options)
        words, chosen = Words.taken_from(given), Options(**given)
        path, consent, user = (
            absolute(folder),
            _consent(config),
            User.of(config=config, cache=cache, trust=trust, sudo_uid=sudo_uid, usual=usual),
        )
        if dry_run:
            return look_first(path, words, paths, chosen, recipe=recipe, user=user, progress=progress, stop=stop)
        report = make_for(
            path,
            words,
            paths,
            chosen,
            recipe=recipe,
            consent=consent,
            user=user,
            note=note or _silent,
            progress=progress,
            stop=stop,
        )
        if made is not None:
            made(report)
        with cls(path, load_embedder=load_embedder, **user._asdict()) as store:
            store._embedders.consent_of_user = lambda: consent  # the model was named just now
            return store.sync(paths, progress=progress, stop=stop, **given)._replace(created_store=True)

    def status(self, paths: Sequence[AnyPath] = (), *, progress: Progress | None = None) -> SyncReport:
        """Plan a sync, and estimate its time. Writes nothing. Raises: UsageError, Untrusted, Damage."""
        return self.sync(paths, dry_run=True, progress=progress)

    def watch(
        self,
        paths: Sequence[AnyPath] = (),
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[WatchWords],
    ) -> Iterator[Watched]:
        """Sync now, and whenever pictures change, until `stop` is set. Yields each sync, each refusal once, and notes.

        A sync waits for other commands that are changing the store, and lets no guard go. While this waits it uses
        hardly any time; its model stays loaded, and answers searches.

        paths:   as in `sync`; none means all folders that the store knows, those of later syncs included.
        stop:    if it is set, a sync ends after the current batch, and the iterator too.
        options: the words of `WatchWords`.
        Raises:  UsageError, MissingPackage, ForeignStore; Locked if another watch of this store is running; StoreGone,
                 FormatTooNew, LockLost.
        """
        from vstore.embed.model_words import settings_of
        from vstore.sync.begin import sync
        from vstore.sync.options import Options
        from vstore.watch.kept_model import KeptModel
        from vstore.watch.options import WatchOptions
        from vstore.watch.run import watch

        chosen, end = WatchOptions(**options), stop or threading.Event()
        words = Options(**chosen.of_sync())
        settings_of(chosen.device, chosen.batch_size, offline=chosen.offline)
        named = [lasting(path) for path in several(paths)]
        with self._pool.one() as repo:
            model = KeptModel(repo, self._given, self._embedders.consent_of_user)

            def run(paths: Sequence[bytes], leave_out: frozenset[str]) -> SyncReport:
                asked = words._replace(leave_out=leave_out)
                return sync(repo, model, [os.fsdecode(path) for path in paths], asked, progress=progress, stop=end)

            yield from watch(repo, named, chosen, sync=run, model=model, stop=end)

    # Indexes of other tools

    def import_index(
        self,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[ImportWords],
    ) -> ImportReport:
        """Import an index that another tool made: match its rows with the files under a folder. Nothing is embedded.

        options: the words of `ImportWords`.
        Raises:  UsageError, ImportRefused, ModelError, Locked, MissingPackage, Damage, DiskTrouble; the store is
                 unchanged then.
        """
        from vstore.importing.begin import import_index

        return self._use(
            lambda repo: import_index(
                repo, options, consent=self._embedders.consent, dry_run=dry_run, progress=progress, stop=stop
            )
        )

    @classmethod
    def import_new(
        cls,
        folder: AnyPath,
        *,
        hash: str | None = None,
        store_dtype: str | None = None,
        dry_run: bool = False,
        config: AnyPath | None = None,
        cache: AnyPath | None = None,
        trust: bool = False,
        sudo_uid: int | None = None,
        usual: UsualWords | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[ImportWords],
    ) -> ImportReport:
        """Make a store by an import. If the import fails, or with `dry_run`, no store is left behind.

        hash, store_dtype: by default those of the `vstore.json` beside the old index, else xxh3_128 and float16.
        config, cache, trust, sudo_uid, usual: as in `UserWords`.
        options: the words of `ImportWords`.
        Raises:  UsageError if the store exists; and the errors of `import_index`.
        """
        from vstore.importing.begin import import_new

        return import_new(
            absolute(folder),
            options,
            hash=hash,
            dtype=store_dtype,
            consent=_consent(config),
            user=User.of(config=config, cache=cache, trust=trust, sudo_uid=sudo_uid, usual=usual),
            dry_run=dry_run,
            progress=progress,
            stop=stop,
        )

    # Searching

    def search(
        self,
        operands: Sequence[Operand],
        *,
        device: str = "auto",
        offline: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchWords],
    ) -> SearchReport:
        """Find the pictures of a snapshot most similar to the operands.

        offline: download no model.
        options: the words of `SearchWords`.
        Raises:  UsageError, SnapshotNotFound, Damage, Untrusted, ModelError; VstoreError if a picture cannot be
                 decoded.
        """
        from vstore.embed.model_words import settings_of
        from vstore.progress import Stages
        from vstore.search.search import search

        settings, stages = settings_of(device, offline=offline), Stages(progress)

        def run(repo: Repository) -> SearchReport:
            embedders = self._embedders_of(repo)
            return search(
                repo,
                operands,
                load_embedder=lambda recipe: embedders.load_for_query(recipe, settings, stages),
                **options,
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
        progress: Progress | None = None,
    ) -> DupesReport:
        """Find groups of identical pictures, or (near) of look-alikes.

        at:     the snapshot to look in; by default the current one.
        under:  a stored path (LABEL/FOLDER), or a folder on disk: only paths below it.
        verify: compare the files byte for byte.
        near:   also find look-alikes, from this cosine on; "auto" for the default of the space.
        Raises: UsageError, SnapshotNotFound, Damage; Untrusted, for `verify`.
        """
        from vstore.search.dupes import dupes

        return self._read(lambda repo: dupes(repo, at=at, under=under, verify=verify, near=near, progress=progress))

    # Looking at what snapshots hold

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
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage; Damage and StoreGone as lines are asked for.
        """
        from vstore.browse.ls import Filters, ls

        filters = Filters(recursive, long, failed, new_since, space_missing)
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

    def find_pictures(
        self,
        glob: str,
        *,
        at: str | None = None,
        all: bool = False,
        ignore_case: bool = False,
        long: bool = False,
    ) -> FindReport:
        """Find the pictures whose names match a shell pattern: `*.jpg`, `2024/**/cat*`.

        glob:        without a slash it is matched against names; with one against the end of stored paths, from any
                     folder on; beginning with one against whole stored paths. `*` and `?` match no slash.
        at:          the snapshot; by default the current one.
        all:         look through all snapshots, and say which hold each picture.
        ignore_case: match in any letter case.
        long:        with what is known of each picture.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage.
        """
        from vstore.browse.find import find

        return self._read(lambda repo: find(repo, glob, at=at, all=all, ignore_case=ignore_case, long=long))

    # Snapshots

    def snapshot_list(self) -> list[SnapshotRow]:
        """List the snapshots, newest first."""
        from vstore.versions.show import snapshot_list

        return self._read(snapshot_list)

    def names(self, begin: str | None = "") -> Names:
        """List the names that commands take: tags, spaces, folders, and the newest snapshots.

        begin: only snapshots whose names begin like this; None means no snapshots.
        """
        from vstore.versions.names import names

        return self._read(lambda repo: names(repo, begin))

    def snapshot_show(self, snap: str = "current") -> SnapshotDetail:
        """Show one snapshot. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        from vstore.versions.show import snapshot_show

        return self._read(lambda repo: snapshot_show(repo, snap))

    def snapshot_diff(
        self, a: str, b: str = "current", *, under: AnyPath | None = None, only: Sequence[str] = (), stat: bool = False
    ) -> DiffReport:
        """Compare snapshot b with snapshot a.

        under:  a stored path, or a folder or file on disk: only paths below it count; of a rename, either one.
        only:   the kinds that count, of: added, removed, changed, renamed, copied; none means all.
        stat:   count them by folder too.
        Raises: SnapshotNotFound, AmbiguousSnapshot, UsageError.
        """
        from vstore.versions.diff import snapshot_diff

        return self._read(lambda repo: snapshot_diff(repo, a, b, under=under, only=only, stat=stat))

    def snapshot_tag(self, snap: str, name: str) -> TagReport:
        """Give a snapshot a name of its own. Raises: SnapshotNotFound, UsageError."""
        from vstore.versions.tags import snapshot_tag

        return self._use(lambda repo: snapshot_tag(repo, snap, name))

    def snapshot_untag(self, name: str) -> TagReport:
        """Remove a tag. The snapshot stays. Raises: UsageError."""
        from vstore.versions.tags import snapshot_untag

        return self._use(lambda repo: snapshot_untag(repo, name))

    def snapshot_forget(
        self, snaps: Sequence[str] = (), *, dry_run: bool = False, **rules: Unpack[KeepWords]
    ) -> ForgetReport:
        """Forget the named snapshots, or all that the rules do not keep. `undo` brings them back, until gc.

        rules:  the words of `KeepWords`.
        Raises: UsageError without names and rules, with both, or for a snapshot that must stay.
        """
        from vstore.versions.forget import snapshot_forget
        from vstore.versions.policy import Policy

        policy = Policy.of(**rules)
        return self._use_newest(lambda repo: snapshot_forget(repo, snaps, policy, dry_run=dry_run))

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
        operands: Sequence[Operand] = (),
        device: str = "auto",
        offline: bool = False,
        progress: Progress | None = None,
        **options: Unpack[SearchWords],
    ) -> ExportReport:
        """Write a snapshot (`at`) in a format for other tools, or, with the format `links`, a folder of links to the
        pictures found by a search.

        offline: download no model.
        options: the words of `SearchWords`.
        Raises:  UsageError if `out` exists, or if a search is given for another format than `links`; Damage.
        """
        from vstore.export.run import LINKS, export_links, refuse_search, snapshot_export

        if format == LINKS:
            found = self.search(operands, device=device, offline=offline, progress=progress, **options)
            return export_links(
                found.snapshot, [(hit.score, hit.files, hit.unnamed) for hit in found.hits], as_path(out)
            )
        snap = options.get("at") or "current"
        refuse_search(operands, options)
        return self._read(lambda repo: snapshot_export(repo, snap, as_path(out), format, progress=progress))

    def rollback(self, snap: str | None = None, *, hold: bool = False, release: bool = False) -> MoveReport:
        """Make a snapshot current, or let held syncs go on. Touches no picture.

        hold:    refuse to sync until `release`.
        Raises:  SnapshotNotFound, AmbiguousSnapshot, UsageError.
        """
        from vstore.versions.moves import rollback

        return self._use(lambda repo: rollback(repo, snap, hold=hold, release=release))

    def undo(self) -> MoveReport:
        """Take back the newest operation. Raises: NothingToUndo."""
        from vstore.versions.moves import undo

        return self._use(undo)

    def redo(self) -> MoveReport:
        """Restore the operation taken back by the newest undo. Raises: NothingToUndo."""
        from vstore.versions.moves import redo

        return self._use(redo)

    def log(self, limit: int | None = None) -> list[LogRow]:
        """List the operations, newest first. limit: of the newest alone. Raises: UsageError."""
        from vstore.versions.log import log

        return self._read(lambda repo: log(repo, limit))

    @property
    def why_log_is_cut(self) -> str | None:
        """The reason why `log` is incomplete, if records or old lines are lost."""
        from vstore.versions.log import why_log_is_cut

        return self._read(why_log_is_cut)

    # Folders

    def root_list(self) -> list[RootRow]:
        """List the folders, and labels of the current snapshot that no folder has any more. Raises: Damage."""
        from vstore.roots.listing import root_list

        return self._read(root_list)

    def root_remove(
        self, root: AnyPath, *, message: str = "", dry_run: bool = False, wait: bool = False
    ) -> RootRemoved:
        """Take a folder out of the index, by its label or its place. `undo` brings it back. Its label is free then.

        Touches no picture, and deletes no vector: gc does, once no snapshot has them.
        message: a note for the snapshot.
        wait:    wait for a sync that is running.
        Raises:  UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.roots.remove import root_remove

        return self._use(lambda repo: root_remove(repo, root, message=message, dry_run=dry_run, wait=wait))

    def root_rename(
        self, old: AnyPath, new: str, *, message: str = "", dry_run: bool = False, wait: bool = False
    ) -> RootRenamed:
        """Give a folder, named by its label or its place, another label. Nothing is read, nothing embedded.

        message: a note for the snapshot.
        wait:    wait for a sync that is running.
        Raises:  UsageError, LabelTaken, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.roots.rename import root_rename

        return self._use(lambda repo: root_rename(repo, old, new, message=message, dry_run=dry_run, wait=wait))

    # Embedding spaces

    def model_list(self) -> list[ModelRow]:
        """List the embedding spaces."""
        from vstore.models.show import model_list

        return self._read(model_list)

    def model_show(self, space: str) -> ModelDetail:
        """Show one embedding space, with its recipe. Raises: UsageError."""
        from vstore.models.show import model_show

        return self._read(lambda repo: model_show(repo, space))

    def model_add(
        self,
        name: str | None = None,
        *,
        same_as: str | None = None,
        device: str = "auto",
        offline: bool = False,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        **model: Unpack[ModelWords],
    ) -> ModelAdded:
        """Add an embedding space; a sync with `space=name` fills it. Or prove that a space's model lies elsewhere now.

        name:    of the space; needed unless `same_as` is given.
        same_as: a space whose own files are gone: its probes and 32 of its pictures prove that this is its model.
        offline: download no model.
        model:   the words of `ModelWords`.
        Raises:  UsageError, ModelError, MigrationNeeded.
        """
        from vstore.embed.model_words import Words, settings_of

        words = Words.of(**model)
        settings = settings_of(device, offline=offline)._replace(consent=self._embedders.consent)
        if same_as is not None:
            from vstore.models.same import model_add_same

            wanted = same_as
            return self._use_newest(
                lambda repo: model_add_same(repo, wanted, words, settings=settings, name=name, progress=progress)
            )
        from vstore.models.add import model_add

        if name is None:
            from vstore.errors import UsageError

            raise UsageError("the space has no name", f"name it: {words.command('NAME')}")
        own = name
        return self._use_newest(
            lambda repo: model_add(repo, own, words, settings, note=note or _silent, progress=progress)
        )

    @staticmethod
    def model_recommend() -> list[RecommendedModel]:
        """List the recommended models; their short names are words of `model`."""
        from vstore.embed.recommended import RECOMMENDED

        return list(RECOMMENDED)

    def model_allow(self, space: str | None = None, *, trust_remote_code: bool = False) -> ModelAllowed:
        """Allow the model of a space at this machine: its place, its download, and its code. The store stays as it is.

        space:             by default the current one.
        trust_remote_code: allow code of its own to run, if it has some.
        Raises: UsageError; Untrusted if it has code of its own, and that is not trusted; DiskTrouble, ReadOnly.
        """
        from vstore.models.allow import model_allow

        consent, trust = self._embedders.consent, trust_remote_code
        return self._read(lambda repo: model_allow(repo, space, consent, trust_remote_code=trust))

    def model_use(self, space: str, *, message: str = "") -> ModelUsed:
        """Make a space current: write a snapshot of the current paths in it. Raises: UsageError, ModelError."""
        from vstore.models.use import model_use

        return self._use(lambda repo: model_use(repo, space, message))

    def model_serve(
        self,
        space: str | None = None,
        *,
        device: str = "auto",
        offline: bool = False,
        idle: float | None = None,
        ready: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> ModelServed:
        """Load the model of a space, and answer the searches of this user's other processes with it until it ends.

        space:   by default the current one.
        offline: download no model.
        idle:    end after so many minutes without a search.
        ready:   called with the name of the space once searches are answered.
        stop:    ends it when set.
        Raises:  UsageError, ModelError, MissingPackage, Damage; Locked if another process serves this model.
        """
        from vstore.embed.model_words import settings_of
        from vstore.models.serve import model_serve

        settings = settings_of(device, offline=offline)
        return self._use_newest(
            lambda repo: model_serve(
                repo,
                self._embedders_of(repo),
                space,
                settings,
                idle=idle,
                ready=ready or _silent,
                stop=stop,
                progress=progress,
            )
        )

    def model_drop(self, space: str, *, dry_run: bool = False, wait: bool = False) -> ModelDropped:
        """Forget a space that no snapshot uses. Raises: UsageError, Refused, Locked."""
        from vstore.models.drop import model_drop

        return self._use(lambda repo: model_drop(repo, space, dry_run=dry_run, wait=wait))

    @staticmethod
    def model_convert(
        name: str,
        *,
        output: AnyPath | None = None,
        revision: str | None = None,
        cache: AnyPath | None = None,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> ModelConverted:
        """Convert the pickled weights of a model or an adapter to safetensors, in a process of their own.

        name:   a folder or a hub id.
        output: the new folder; None makes one in the user's cache.
        cache:  the user's folder for caches; None is ~/.cache.
        note:   receives a line for each file.
        Raises: UsageError, ModelError, DiskTrouble, ReadOnly.
        """
        from vstore.models.convert import model_convert

        place, caches = (None if path is None else absolute(path) for path in (output, cache))
        notes = note or _silent
        return model_convert(name, place, revision=revision, cache=caches, note=notes, progress=progress)

    @staticmethod
    def devices(words: str) -> tuple[str, ...]:
        """List the devices that words such as `cuda:0,cuda:1` name; they need not exist. Raises: UsageError."""
        from vstore.embed.model_words import device_words

        return device_words(words)

    @staticmethod
    def doctor(folder: AnyPath | None = None, **user: Unpack[UserWords]) -> DoctorReport:
        """Check the installation and suggest fixes.

        folder: a store to check too.
        user:   the words of `UserWords`.
        """
        from vstore.doctor.run import doctor

        asker = User.of(**user)
        return doctor(None if folder is None else absolute(folder), _consent(asker.config), asker)

    @staticmethod
    def trust(
        folder: AnyPath | None = None, *, remove: bool = False, list_only: bool = False, config: AnyPath | None = None
    ) -> TrustReport:
        """Trust a store of another user at this machine: it may be changed from now on. The store stays as it is.

        folder:    of the store, or of `remove`.
        remove:    take the trust back.
        list_only: list the stores that are trusted, and change nothing.
        config:    the user's folder for configurations; None is ~/.config.
        Raises: NoStore, UsageError, DiskTrouble, ReadOnly.
        """
        from vstore.trust import change

        return change(
            None if folder is None else absolute(folder), User.of(config=config), remove=remove, list_only=list_only
        )

    # The store itself

    def stats(self) -> StatsReport:
        """Show disk usage."""
        from vstore.stats import stats

        return self._read(stats)

    def check(
        self,
        *,
        read_data: bool = False,
        read_data_subset: str | None = None,
        max_duration: float | None = None,
        source: bool = False,
        reembed: int | None = None,
        recipe: Recipe | None = None,
        device: str = "auto",
        adopt: str | None = None,
        progress: Progress | None = None,
        **model: Unpack[ModelWords],
    ) -> CheckReport:
        """Verify the store. Damage is reported, not raised.

        read_data:        read every byte.
        read_data_subset: read a part of the bytes: `1/7` or `10%`.
        max_duration:     seconds of reading, the longest unread first.
        source:           read the pictures too, and find changed bytes behind an unchanged size and unchanged times.
        reembed:          the number of pictures to embed again and compare with the stored vectors, by the model of the
                          current space, or of `recipe`, or by the one that is named.
        adopt:            the name of a likely cause to adopt if it fits.
        model:            the words of `ModelWords`.
        Raises: UsageError, ModelError, SnapshotNotFound; Untrusted, for `source` and `reembed`.
        """
        from vstore.check.request import sample_of
        from vstore.check.run import check
        from vstore.embed.model_words import Words, settings_of

        words, settings = Words.of(**model), settings_of(device)

        def run(repo: Repository) -> CheckReport:
            embedders = self._embedders_of(repo)
            sample = sample_of(repo, embedders, reembed, words, recipe=recipe, adopt=adopt, settings=settings)
            return check(
                repo,
                read_data=read_data,
                subset=read_data_subset,
                max_duration=max_duration,
                source=source,
                sample=sample,
                progress=progress,
            )

        return self._use(run)

    def facts(
        self,
        *,
        fill: bool = False,
        pixels: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[FillWords],
    ) -> FactsReport:
        """Count the pictures whose facts the store lacks; with `fill`, read them and fill these in. No model is loaded.

        fill:    fill facts in; say which.
        pixels:  the digests of prepared pixels: with them an edit of a picture's metadata costs no embedding.
        stop:    if it is set, the run ends with what it has, and the next one goes on from there.
        options: the words of `FillWords`.
        Raises:  UsageError, MigrationNeeded, Locked, Untrusted, Damage, ModelError, DiskTrouble, ReadOnly.
        """
        from vstore.facts.fill import FillOptions
        from vstore.facts.run import facts

        chosen = FillOptions(**options)
        return self._use(lambda repo: facts(repo, chosen, fill=fill, pixels=pixels, progress=progress, stop=stop))

    def migrate(self, *, dry_run: bool = False, wait: bool = False, progress: Progress | None = None) -> MigrateReport:
        """Bring a store of an older format up to date. No snapshot, id, tag or vector changes.

        Programs that know only the older format refuse the store afterwards, and undo goes no further back than this.
        After a kill or an error, run it again.
        Raises: Damage, Locked, DiskTrouble, ReadOnly.
        """
        from vstore.migrate import migrate

        return self._use_newest(lambda repo: migrate(repo, dry_run=dry_run, wait=wait, progress=progress))

    def gc(
        self,
        *,
        dry_run: bool = False,
        drop_unnamed: bool = False,
        wait: bool = False,
        progress: Progress | None = None,
    ) -> GcReport:
        """Delete data that no snapshot uses. Undo goes no further back than this; the log still does.

        drop_unnamed: delete unused vectors even if they are younger than 14 days.
        Raises: Damage, Locked, DiskTrouble.
        """
        from vstore.gc.run import gc

        return self._use_newest(
            lambda repo: gc(repo, dry_run=dry_run, drop_unnamed=drop_unnamed, wait=wait, progress=progress)
        )

    @classmethod
    def repair(
        cls,
        folder: AnyPath,
        *,
        dry_run: bool = False,
        no_embed: bool = False,
        wait: bool = False,
        device: str = "auto",
        offline: bool = False,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        progress: Progress | None = None,
        **user: Unpack[UserWords],
    ) -> RepairReport:
        """Repair a store, even one too damaged to open.

        no_embed: do not embed the pictures of lost vectors again.
        offline:  download no model.
        user:     the words of `UserWords`.
        Raises:   NoStore, FormatTooNew, ForeignStore, Locked, DiskTrouble.
        """
        from vstore.embed.model_words import settings_of
        from vstore.repair.run import repair

        asker = User.of(**user)
        return repair(
            absolute(folder),
            load_embedder,
            dry_run=dry_run,
            embed=not no_embed,
            wait=wait,
            settings=settings_of(device, offline=offline)._replace(consent=_consent(asker.config)),
            user=asker,
            progress=progress,
        )

    # Life

    def _use(self, operation: Callable[[Repository], T]) -> T:
        """Run an operation on a repository that no other thread has meanwhile."""
        with self._pool.one() as repo:
            return operation(repo)

    def _use_newest(self, operation: Callable[[Repository], T]) -> T:
        def run(repo: Repository) -> T:
            repo.reload()
            return operation(repo)

        return self._use(run)

    def _read(self, operation: Callable[[Repository], T]) -> T:
        return self._use_newest(lambda repo: repo.reading(lambda: operation(repo)))

    def _stream(self, walk: Callable[[Repository], Iterator[PathEntry]]) -> Iterator[PathEntry]:
        """Read lines from the store while they are asked for. What was collected meanwhile is looked up again."""
        done = 0
        with self._pool.one() as repo:
            repo.reload()
            while True:
                try:
                    for line in islice(walk(repo), done, None):
                        done += 1
                        yield line
                    return
                except FileNotFoundError as err:
                    repo.catch_up(err)

    def _embedders_of(self, repo: Repository) -> Embedders:
        known = self._embedders
        return known if repo is self._repo else Embedders(repo, self._given, known.consent_of_user, known.kept)

    def close(self) -> None:
        """Close its files. Calls under way in other threads end as they would, later ones raise StoreClosed.

        A second time nothing happens.
        """
        self._pool.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Let a process pool take a store along: it is opened there once more. Raises: StoreGone there."""
        keeps = self._embedders.kept is not None
        return _opened, (type(self), self.folder, self._repo.store_id, self._given, self._repo.user, keeps)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
