"""Errors: one class for each thing that a caller may want to handle. The exit code stands on the class."""

from __future__ import annotations


class VstoreError(Exception):
    """Base of all errors of vstore: it says what happened, and what to do next.

    code:      a stable word for `--json`.
    exit_code: the exit code of the command line. Never renumbered.
    message:   what happened.
    next_step: what to do next; may be empty.
    """

    code = "failure"
    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(f"{message}; {next_step}" if next_step else message)
        self.message = message
        self.next_step = next_step


class UsageError(VstoreError):
    """A mistake of the caller: arguments that contradict one another, or that name something that does not exist."""

    code = "usage"
    exit_code = 2


class LabelTaken(UsageError):
    """A label that belongs to another folder. Two folders cannot share the label of their stored paths."""

    code = "label_taken"


class Damage(VstoreError):
    """A file of the store that is not as it was written. The message names the file."""

    code = "damage"
    exit_code = 4


class Refused(VstoreError):
    """A refusal by a guard, before anything was written."""

    code = "refused"
    exit_code = 5


class NoStore(VstoreError):
    """A store that does not exist."""

    code = "no_store"
    exit_code = 10


class Locked(VstoreError):
    """A store that another process is changing."""

    code = "locked"
    exit_code = 11


class FormatTooNew(VstoreError):
    """A store that a later version of vstore wrote."""

    code = "format_too_new"
    exit_code = 12


class ModelError(VstoreError):
    """A model that is missing, cannot be used, or differs from the one that the space was made with."""

    code = "model"
    exit_code = 13


class SnapshotNotFound(VstoreError, LookupError):
    """A name that matches no snapshot, tag or id of this store."""

    code = "no_such_snapshot"


class AmbiguousSnapshot(VstoreError, LookupError):
    """An id prefix that several snapshots share."""

    code = "ambiguous_snapshot"


class NothingToUndo(VstoreError):
    """A log without an operation to undo, or to redo."""

    code = "nothing_to_undo"


class ReadOnly(VstoreError):
    """A store that cannot be written, or a disk under it that cannot."""

    code = "read_only"


class DiskTrouble(VstoreError):
    """A write or a flush that the operating system refused."""

    code = "disk"


class MissingPackage(VstoreError):
    """An optional package that is not installed, or is broken."""

    code = "missing_package"


class CommitRace(VstoreError):
    """A commit that came too late: another process changed the current snapshot meanwhile."""

    code = "moved_on"


class Interrupted(VstoreError):
    """An interruption by the user."""

    code = "interrupted"
    exit_code = 130
