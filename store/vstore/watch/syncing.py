"""The syncs of a watch: of all folders at once, or of each alone where one of them is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from vstore.clock import now
from vstore.errors import (
    DiskTrouble,
    FormatTooNew,
    Interrupted,
    LockLost,
    MissingPackage,
    NoStore,
    Refused,
    StoreClosed,
    UsageError,
    VstoreError,
)
from vstore.watch.report import Watched

if TYPE_CHECKING:
    from vstore.repository.repository import Repository
    from vstore.sync.report import SyncReport

ENDING = (NoStore, StoreClosed, FormatTooNew, LockLost)  # no later sync can go better
_OF_THE_CALLER = (UsageError, MissingPackage)  # at the first sync
_ANYWAY = "add --allow-mass-delete"


class Sync(Protocol):
    """A sync of folders: paths, or none for all that the store knows, without some labels."""

    def __call__(self, paths: Sequence[bytes], leave_out: frozenset[str]) -> SyncReport: ...


class Syncer:
    """The syncs of one watch.

    errors: of the last one; each folder may have one.
    """

    def __init__(self, repo: Repository, paths: Sequence[bytes], sync: Sync) -> None:
        self.errors: list[VstoreError] = []
        self._repo = repo
        self._paths = paths
        self._sync = sync
        self._said: set[str] = set()
        self._is_first = True

    def run(self) -> Iterator[Watched]:
        """Sync. What has been told of the last sync is not told again.

        Raises: StoreGone, StoreClosed, FormatTooNew, LockLost; at first UsageError and MissingPackage, too.
        """
        errors: list[VstoreError] = []
        said: set[str] = set()
        for outcome in self._outcomes():
            if not isinstance(outcome, VstoreError):
                yield Watched(now(), report=outcome)
                continue
            error = _for_a_watch(outcome)
            about = _about(error)
            if about not in self._said | said:
                yield Watched(now(), error=error)
            said.add(about)
            errors.append(error)
        self._said, self.errors, self._is_first = said, errors, False

    def _outcomes(self) -> Iterator[SyncReport | VstoreError]:
        """Sync all folders, or as many of them as can be synced together."""
        parts = self._parts()
        whole = self._attempt(parts)
        is_split = isinstance(whole, (Refused, UsageError)) and self._repo.state.hold is None
        if not is_split or len(parts) < 2:
            yield whole
            return
        # One folder must not hold up the others. Pictures may have moved among these: they are synced together if one
        # is refused, and each alone, in rounds, only if several are.
        for part in parts:
            others = self._attempt([other for other in parts if other != part])
            if not isinstance(others, VstoreError):
                yield others
                yield self._attempt([part])
                return
        yield from self._alone(parts)

    def _alone(self, parts: Sequence[bytes]) -> Iterator[SyncReport | VstoreError]:
        """Sync each folder alone, and those that are refused again, as long as others change."""
        is_going = True
        while is_going:
            is_going, refused = False, []
            for part in parts:
                found = self._attempt([part])
                if isinstance(found, VstoreError):
                    refused.append((part, found))
                else:
                    is_going |= found.snapshot is not None
                    yield found
            parts = [part for part, _ in refused]
        yield from (err for _, err in refused)

    def _parts(self) -> list[bytes]:
        """List what can be synced alone: the paths as given, or the labels of all folders."""
        return list(self._paths) or [os.fsencode(label) for label in self._repo.state.roots]

    def _attempt(self, parts: Sequence[bytes]) -> SyncReport | VstoreError:
        labels = set() if self._paths else {*self._repo.state.roots} - {*map(os.fsdecode, parts)}
        try:
            return self._sync(parts if self._paths else (), frozenset(labels))
        except (*ENDING, Interrupted):
            raise
        except VstoreError as err:
            if self._is_first and isinstance(err, _OF_THE_CALLER):
                raise
            return err
        except OSError as err:
            where = f"{os.fsdecode(err.filename)}: " if err.filename is not None else ""
            return DiskTrouble(f"{where}{err.strerror or err}", "look at the disk")


def _about(error: VstoreError) -> str:
    """Tell what an error is about: those alike but for counts, or the names by chance of new files, are one."""
    return error.about if isinstance(error, Refused) else re.sub(r"[0-9a-f]{16,}", "*", str(error))


def _for_a_watch(error: VstoreError) -> VstoreError:
    """Let an error be one line of a log, and name a command where it names an option of a sync."""
    if isinstance(error, Refused):
        error.message = error.brief
    error.next_step = error.next_step.replace(_ANYWAY, "run once: vstore sync --allow-mass-delete")
    return error
