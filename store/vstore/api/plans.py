"""The methods of a store that move copies of pictures away, by a plan that can be read, edited and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened
from vstore.paths import as_bytes, as_path

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from typing import Literal

    from vstore.paths import AnyPath
    from vstore.plans.report import DupesApplied, DupesPlanned, DupesRestored
    from vstore.progress import Progress
    from vstore.repository.repository import Repository


class Plans(Opened):
    """A store whose duplicates are moved away."""

    def dupes_plan(
        self,
        out: AnyPath,
        *,
        at: str | None = None,
        under: AnyPath | None = None,
        near: float | Literal["auto"] | None = None,
        bursts: bool = False,
        prefer: Sequence[AnyPath] = (),
        keep_by: str | Sequence[str] | None = None,
        where: str | None = None,
        progress: Progress | None = None,
    ) -> DupesPlanned:
        """Write a plan: of each group that `dupes` finds the best file stays, and the others go. Nothing is moved.

        What was decided is heeded: what is to stay does, and pictures that are different go for none of one another.

        out:    a new file, JSON; it may be edited before `dupes_apply` carries it out.
        at, under, near, bursts, prefer, keep_by, where: as in `dupes`. The best file of a group stays.
        Raises: UsageError if the file is there, or cannot be written; SnapshotNotFound, Damage, DiskTrouble.
        """
        from vstore.plans.write import look, write
        from vstore.search.dupes import dupes

        file = as_path(out)
        look(file)
        found = self._read(
            lambda repo: dupes(
                repo,
                at=at,
                under=under,
                near=near,
                bursts=bursts,
                all=True,
                prefer=prefer,
                keep_by=keep_by,
                where=where,
                progress=progress,
            )
        )
        return self._use(lambda repo: write(repo, found.snapshot, found.groups, file))

    def dupes_apply(
        self,
        plan: AnyPath,
        *,
        link: bool = False,
        wait: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> DupesApplied:
        """Carry out a plan: move the files that are to go to `.vstore-trash/<plan id>` in their folders.

        Each file is compared with its key just before it is moved, and moved only while one that stays for it is there.
        No file is deleted or replaced. A row that no longer fits the disk is refused, with its reason. After a kill or
        an error, run it again: it goes on.

        plan: the file of a plan.
        link: make a hard link to the file that stays in the place of each: only for files of the same bytes, on one
              disk. The others are refused, and stay.
        wait: for another process that is changing the store.
        stop: if it is set, this ends after the file at hand.
        Raises: UsageError if it is no plan of this store; Locked, Interrupted, ForeignStore; MigrationNeeded if
                pictures that only look alike are to go from a store of format 1; Damage, DiskTrouble, ReadOnly.
        """
        from vstore.plans.apply import apply, read_plan

        def run(repo: Repository) -> DupesApplied:
            repo.refuse_writing()
            return apply(repo, read_plan(as_path(plan)), link=link, wait=wait, progress=progress, stop=stop)

        return self._use(run)

    @staticmethod
    def dupes_restore(
        trash: AnyPath, *, progress: Progress | None = None, stop: threading.Event | None = None
    ) -> DupesRestored:
        """Move the files of a trash folder back to their places, as far as these are free. No store is needed.

        trash: the trash folder of a plan: `FOLDER/.vstore-trash/<plan id>`.
        stop:  if it is set, this ends after the file at hand.
        Raises: UsageError if it is none; Locked, DiskTrouble.
        """
        from vstore.plans.restore import restore

        return restore(as_bytes(trash), progress=progress, stop=stop)
