"""Errors: one class for each thing a caller may handle. The exit code stands on the class."""

from __future__ import annotations


class VstoreError(Exception):
    """Base of all errors of vstore: it says what happened, and what to do next.

    code:      a stable word for `--json`.
    exit_code: the exit code of the command line. Never renumbered.
    message:   what happened.
    next_step: what to do next; may be empty.
    instead:   a mistyped name, and the nearest one that there is: `next_step` asks whether that is meant.
    """

    code = "failure"
    exit_code = 1

    def __init__(self, message: str, next_step: str = "", *, instead: tuple[str, str] | None = None) -> None:
        if instead is not None:
            next_step = f"did you mean {instead[1]}? {next_step}"
        super().__init__(f"{message}; {next_step}" if next_step else message)
        self.message = message
        self.next_step = next_step
        self.instead = instead


class UsageError(VstoreError):
    """A mistake of the caller: contradictory arguments, or the name of something missing."""

    code = "usage"
    exit_code = 2


class LabelTaken(UsageError):
    """The label of another folder. Two folders cannot share the label of their stored paths."""

    code = "label_taken"


class Damage(VstoreError):
    """A damaged file of the store. The message names the file."""

    code = "damage"
    exit_code = 4


class Refused(VstoreError):
    """A refusal by a guard, before anything was written.

    brief: the message without names of pictures, for the line of a log.
    about: the guard and its folder: refusals that differ in counts alone are one to whoever is told each once.
    """

    code = "refused"
    exit_code = 5

    def __init__(self, message: str, next_step: str = "", *, named: str = "", about: str = "") -> None:
        """named: the first of the pictures that it is about."""
        super().__init__(f"{message}: {named}" if named else message, next_step)
        self.brief = message
        self.about = about or str(self)


class Untrusted(Refused):
    """A wish of the store to which this user has not consented at this machine."""

    code = "untrusted"


class ForeignStore(Untrusted):
    """A write into a store of another user, which this user does not trust."""

    code = "foreign_store"


class NoStore(VstoreError):
    """A missing store."""

    code = "no_store"
    exit_code = 10


class StoreGone(NoStore):
    """A store that was open, and is no longer where it was: its disk was unmounted, or another store took its place."""

    code = "store_gone"


class StoreClosed(VstoreError):
    """A use of a store after its `close`."""

    code = "store_closed"


class Locked(VstoreError):
    """A store in use: another process, or another thread, is changing it."""

    code = "locked"
    exit_code = 11


class LockLost(Locked):
    """A lock that was removed from `locks/` while it was held: another process may have changed the store meanwhile."""

    code = "lock_lost"


class FormatTooNew(VstoreError):
    """A store written by a later version of vstore."""

    code = "format_too_new"
    exit_code = 12


class MigrationNeeded(VstoreError):
    """The store has an older format than what is asked of it needs."""

    code = "migration_needed"
    exit_code = 12


class ModelError(VstoreError):
    """A missing or unusable model, or not the model of the space."""

    code = "model"
    exit_code = 13


class SnapshotNotFound(VstoreError, LookupError):
    """A name without a snapshot, tag or id in this store."""

    code = "no_such_snapshot"


class AmbiguousSnapshot(VstoreError, LookupError):
    """An id prefix of several snapshots."""

    code = "ambiguous_snapshot"


class NothingToUndo(VstoreError):
    """A log without an operation to undo, or to redo."""

    code = "nothing_to_undo"


class ReadOnly(VstoreError):
    """A read-only store or disk."""

    code = "read_only"


class DiskTrouble(VstoreError):
    """A write, a flush, or a look into a store, refused by the operating system."""

    code = "disk"


class SystemLimit(VstoreError):
    """A limit of the system: this process may open no more files, or has no memory left."""

    code = "system_limit"


class MissingPackage(VstoreError):
    """A missing or broken optional package."""

    code = "missing_package"


class CommitRace(VstoreError):
    """A commit too late: another process changed the current snapshot meanwhile."""

    code = "moved_on"


class Interrupted(VstoreError):
    """An interruption by the user."""

    code = "interrupted"
    exit_code = 130
