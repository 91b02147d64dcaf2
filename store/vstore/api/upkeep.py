"""The methods of a store about itself: its health, its room on the disk, its format, the trust in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened, consent_of
from vstore.disk.owner import User
from vstore.paths import absolute

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Unpack

    from vstore.approximate.summary import IndexStatus
    from vstore.check.report import CheckReport
    from vstore.disk.typed_words import UserWords
    from vstore.doctor.report import DoctorReport, Finding
    from vstore.embed.embedder import Embedder
    from vstore.embed.typed_words import ModelWords
    from vstore.facts.fill import FillWords
    from vstore.facts.report import FactsReport
    from vstore.format.recipes import Recipe
    from vstore.gc.run import GcReport
    from vstore.indexing.run import IndexBuilt, IndexDropped
    from vstore.migrate import MigrateReport
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repair.report import RepairReport
    from vstore.repository.repository import Repository
    from vstore.repository.running import Running
    from vstore.stats import StatsReport
    from vstore.trust import TrustReport


class Upkeep(Opened):
    """A store that is looked after."""

    def running(self) -> Running | None:
        """Tell which command is changing the store now, in any process, and how far it is. Waits for nobody.

        A sync, an import, a gc, a repair, … A command that was killed is not among them. What it says is for display.
        """
        from vstore.repository.running import running

        return running(self._repo.layout.locks)

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

        fill:    read what the headers of pictures say: sizes, time, camera, place, rating.
        pixels:  with `fill`: compute the digests of prepared pixels, too: with them an edit of a picture's metadata
                 costs no embedding.
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

    def index_build(
        self,
        *,
        space: str | None = None,
        recall: float | None = None,
        exact_below: int | None = None,
        retrain: bool = False,
        device: str = "auto",
        wait: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> IndexBuilt:
        """Build the approximate index of a model space, or bring it up to date. It answers for all snapshots.

        space:       by default that of the current snapshot.
        recall:      the share of the ten nearest pictures to find: 0.97 by default, or what was asked before.
        exact_below: bytes of the vectors of a snapshot up to which all are compared, and the index is not asked:
                     400,000,000 by default, or what was asked before. Of a smaller space nothing is built.
        retrain:     make the lists new, although they fit.
        device:      a GPU of faiss that finds the lists, such as `cuda`; else the CPU does.
        stop:        if it is set, the run ends; the next one goes on from there.
        Raises: UsageError, SnapshotNotFound, MigrationNeeded, Locked, Damage, DiskTrouble, MissingPackage, Interrupted.
        """
        from vstore.indexing.run import index_build

        return self._use_newest(
            lambda repo: index_build(
                repo,
                space=space,
                recall=recall,
                exact_below=exact_below,
                retrain=retrain,
                device=device,
                wait=wait,
                progress=progress,
                stop=stop,
            )
        )

    def index_status(self) -> tuple[IndexStatus, ...]:
        """Tell what there is of the approximate index of each model space with vectors, by name."""
        from vstore.indexing.run import index_list

        return self._read(index_list)

    def index_drop(self, *, space: str | None = None, wait: bool = False) -> IndexDropped:
        """Delete the approximate indexes of all model spaces, or of one. Searches compare all vectors again.

        Raises: UsageError, Locked, DiskTrouble, ReadOnly.
        """
        from vstore.indexing.run import index_drop

        return self._use_newest(lambda repo: index_drop(repo, space=space, wait=wait))

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
            settings=settings_of(device, offline=offline)._replace(consent=consent_of(asker.config)),
            user=asker,
            progress=progress,
        )

    @staticmethod
    def doctor(
        folder: AnyPath | None = None,
        *,
        found: Callable[[Finding], None] | None = None,
        **user: Unpack[UserWords],
    ) -> DoctorReport:
        """Check the installation and suggest fixes.

        folder: a store to check too.
        found:  is given each finding as soon as it is known.
        user:   the words of `UserWords`.
        """
        from vstore.doctor.run import doctor

        asker = User.of(**user)
        return doctor(None if folder is None else absolute(folder), consent_of(asker.config), asker, found)

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
