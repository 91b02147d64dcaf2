"""Plans a sync: scans its targets, and refuses signs of an unmounted disk. Nothing is written."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from vstore.disk.catalogue import Catalogue
from vstore.format.tree import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.survey import GONE, Survey
from vstore.intake.surveyor import Surveyor
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.sync import guards
from vstore.sync.decision import Base
from vstore.sync.edits import Edits, edits_of
from vstore.sync.memory import Memory
from vstore.sync.passing import no_pictures

if TYPE_CHECKING:
    from vstore.pictures.pattern_watch import Watch
    from vstore.sync.disks import Spots
    from vstore.sync.losses import Before


class _Everything:
    """A container of every key."""

    def __contains__(self, key: object) -> bool:
        return True


class Planner:
    """The steps of a sync before it changes anything: scan, guards, and hashing if a guard depends on it.

    allowed: the caller accepts that many pictures have disappeared.
    """

    def __init__(
        self,
        repo: Repository,
        catalogue: Catalogue | None,
        *,
        ingest: Ingest,
        memory: Memory,
        stages: Stages,
        stop: threading.Event,
        allowed: bool,
    ) -> None:
        self._repo = repo
        self._catalogue = catalogue
        self._ingest = ingest
        self._memory = memory
        self._stages = stages
        self._stop = stop
        self._allowed = allowed

    def scan(self, base: Base) -> Survey:
        """Scan the targets.

        Raises: Refused if a folder with stored pictures is gone, unreadable or empty; UsageError if a new one has none.
        """
        targets = guards.present(base.scope.targets, base.tree, allowed=self._allowed)
        labels = {os.fsencode(target.root.label) for target in targets}
        agreed = frozenset(label for label in labels if self._memory.agrees(label, base.parent, base.tree))
        self._stages.begin("listing folders")
        after = self._repo.after_folders(base.scope.changes())
        surveyor = Surveyor(self._repo, self._catalogue, base.tree, stages=self._stages, stop=self._stop, state=after)
        watch = _watch(base.scope.given) if not any(target.under for target in targets) else None
        survey = surveyor.survey(targets, agreed, watch)
        if watch is not None:
            survey.unmatched += watch.unmatched()
        guards.roots_list_something(survey, base.tree, allowed=self._allowed)
        for target in targets:
            if not target.known and not survey.found.get(target.prefix) and not survey.troubled:
                raise no_pictures(target.place, survey.passed)
        return survey

    def is_safe(self, base: Base, survey: Survey) -> bool:
        """Make sure that the sync will not remove too many pictures. Hashes all new files first if it must.

        Returns: False if the run was stopped before it was decided.
        Raises: Refused.
        """
        if self._allowed or not base.tree.leaves:
            return True
        edits = _sighted(base, survey)
        if edits.changes and guards.could_lose_much(edits, survey, self._before(base, survey)):
            self._ingest.hash(survey)
            if self._stop.is_set():
                return False
            self._refuse_losses(base, survey)
        return True

    def hash(self, base: Base, survey: Survey) -> None:
        """Hash all new files. Raises: Refused if the sync would remove too many pictures."""
        self._ingest.hash(survey)
        if not self._allowed:
            self._refuse_losses(base, survey)

    def refuse_spoilt(self, base: Base, survey: Survey, edits: Edits, after: Tree) -> None:
        """Once every picture was tried: make sure that few are spoilt, and few went meanwhile.

        edits: of the survey.
        after: the aliases with them.
        Raises: Refused.
        """
        if self._allowed or not base.tree.leaves:
            return
        guards.spoils_little(edits, survey, base.tree, self._repo.hash.size)
        went = sum(chunk.count(GONE) for chunk in survey.chunks)
        if went:
            guards.went_while_read(survey, base.tree, after)
        if went > guards.LOSS_COUNT:
            self._refuse_losses(base, survey)

    def _refuse_losses(self, base: Base, survey: Survey) -> None:
        guards.loses_little(_sighted(base, survey), survey, self._before(base, survey), self._repo.hash.size)

    def _before(self, base: Base, survey: Survey) -> Before:
        """Collect the ways to what is known of the folders from before the sync."""
        from vstore.repository.acquaintance import KnownFolders
        from vstore.sync.disks import spots_of
        from vstore.sync.losses import Before
        from vstore.sync.week import fullest

        after = self._repo.after_folders(base.scope.changes())
        places = {os.fsencode(target.root.label): target for target in survey.targets}

        finder = functools.cache(lambda: KnownFolders(self._repo).file_finder(None))  # of few syncs pictures are lost

        def now(label: bytes, folders: list[bytes]) -> Spots:
            target = places[label]
            return spots_of(label, target.place, folders, inodes=not target.options.ignore_inode)

        return Before(
            base.tree,
            fullest=lambda label: fullest(self._repo, os.fsdecode(label), after),
            spots=self._memory.spots,
            spots_now=now,
            kept_for=self._kept_for,
            file_of=lambda path: finder()(path),
        )

    def _kept_for(self, keys: Collection[bytes]) -> dict[bytes, set[bytes]]:
        from vstore.repository.decisions import kept_for  # of few syncs pictures are lost

        return kept_for(self._repo, keys)


def _watch(given: Sequence[tuple[str, str]]) -> Watch | None:
    """Watch whether new patterns match anything."""
    if not given:
        return None
    from vstore.pictures.pattern_watch import Watch

    return Watch(given)


def _sighted(base: Base, survey: Survey) -> Edits:
    """Find the changes of the survey as if every known key had a vector."""
    return edits_of(survey, base.tree, _Everything(), (), complete=True)
