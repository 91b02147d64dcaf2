"""The methods of a store that take pictures in: syncs, watches, imports."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from vstore.api.opened import Opened, consent_of, silent
from vstore.disk.owner import User
from vstore.paths import absolute, lasting, several

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Unpack

    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe
    from vstore.format.usual_words import UsualWords
    from vstore.importing.options import ImportWords
    from vstore.importing.report import ImportReport
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.init import InitReport
    from vstore.sync.report import SyncReport
    from vstore.sync.typed_words import FirstSyncWords, SyncWords
    from vstore.watch.report import Watched
    from vstore.watch.typed_words import WatchWords


class Updating(Opened):
    """A store that takes pictures in."""

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
            consent_of(config),
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
            note=note or silent,
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
            consent=consent_of(config),
            user=User.of(config=config, cache=cache, trust=trust, sudo_uid=sudo_uid, usual=usual),
            dry_run=dry_run,
            progress=progress,
            stop=stop,
        )
