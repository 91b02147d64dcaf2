"""What can go wrong, one class per thing that a caller may want to handle; the exit code stands on the class."""

from __future__ import annotations


class VstoreError(Exception):
    """What happened and what to do next.

    code:      a stable word for `--json`.
    exit_code: what the command line exits with. Never renumbered.
    """

    code = "failure"
    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(f"{message}; {next_step}" if next_step else message)
        self.message = message
        self.next_step = next_step


class UsageError(VstoreError):
    """The words of a command do not fit together, or name something that is not there."""

    code = "usage"
    exit_code = 2


class LabelTaken(UsageError):
    """Two folders cannot share the label under which a store keeps their paths."""

    code = "label_taken"


class Damage(VstoreError):
    """A file of the store is not what was written; the message names it."""

    code = "damage"
    exit_code = 4


class Refused(VstoreError):
    """A guard stopped the run before anything was written."""

    code = "refused"
    exit_code = 5


class NoStore(VstoreError):
    """There is no store where one was looked for."""

    code = "no_store"
    exit_code = 10


class Locked(VstoreError):
    """Another process is changing the store."""

    code = "locked"
    exit_code = 11


class FormatTooNew(VstoreError):
    """The store was written by a later vstore."""

    code = "format_too_new"
    exit_code = 12


class ModelError(VstoreError):
    """The model that a space needs is missing, or is another one."""

    code = "model"
    exit_code = 13


class SnapshotNotFound(VstoreError, LookupError):
    """No snapshot, tag or id answers to this name."""

    code = "no_such_snapshot"


class AmbiguousSnapshot(VstoreError, LookupError):
    """Several snapshots answer to this id prefix."""

    code = "ambiguous_snapshot"


class NothingToUndo(VstoreError):
    """The log holds no operation in force that could be undone, or redone."""

    code = "nothing_to_undo"


class ReadOnly(VstoreError):
    """The store, or the disk under it, cannot be written."""

    code = "read_only"


class DiskTrouble(VstoreError):
    """The operating system refused a write, a flush or a publication."""

    code = "disk"


class MissingPackage(VstoreError):
    """An optional package is not installed, or is broken."""

    code = "missing_package"


class CommitRace(VstoreError):
    """Somebody else made another state current while this run was working."""

    code = "moved_on"


class Interrupted(VstoreError):
    """The user stopped the run."""

    code = "interrupted"
    exit_code = 130
