"""Moves the current snapshot: rollback, undo, redo."""

from __future__ import annotations

import os

from vstore.brief import briefly
from vstore.errors import CommitRace, Damage, NothingToUndo, UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.listing import Listing
from vstore.format.records import Record
from vstore.format.state import State
from vstore.format.undo import next_redo, next_undo, restoring
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.repository import Repository
from vstore.versions.undo_notes import folders_kept, passed_over


@briefly
class MoveReport(NamedTuple):
    """The result of a rollback, an undo or a redo.

    op:      rollback, undo or redo.
    current: the current snapshot.
    before:  the current snapshot before.
    hold:    the snapshot that holds syncing, or None.
    changed: the log was written.
    about:   a line for people.
    notes:   what an undo left as it is, or which pictures a rollback brought back without their folders, and what to do
             about it.
    """

    op: str
    current: str | None
    before: str | None
    hold: str | None
    changed: bool
    about: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value = {**self._asdict(), "notes": list(self.notes)}
        if not self.notes:
            del value["notes"]
        return value


class Moves(NamedTuple):
    """The moves that can be made now.

    newest:  the number of the newest operation.
    current: the current snapshot.
    hold:    the snapshot that holds syncing, or None.
    undo:    the operation that `undo` takes back, for people; None if there is none.
    redo:    the operation that `redo` brings back, for people; None if there is none.
    """

    newest: int
    current: str | None
    hold: str | None
    undo: str | None
    redo: str | None

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def moves(repo: Repository) -> Moves:
    """Tell which operation an undo and a redo would be about, and whether syncing is held. Raises: Damage."""
    state = repo.state
    undone, _ = next_undo(repo.records_backwards())
    redone = next_redo(repo.records_backwards())
    return Moves(
        newest=repo.tip.number,
        current=state.current,
        hold=state.hold,
        undo=None if undone is None else _about(undone),
        redo=None if redone is None else _about(redone),
    )


def _about(record: Record) -> str:
    return f"{record.op} of {record.time}" + (f" ({record.about})" if record.about else "")


def _refuse_newer(repo: Repository, newest: int | None) -> None:
    """Refuse to go on from a state that is not the one which a caller has seen. Raises: CommitRace."""
    if newest is not None and newest != repo.tip.number:
        last = next(repo.records_backwards())
        raise CommitRace(f"the store has changed meanwhile: {_about(last)}", "look at it, and decide again")


def rollback(
    repo: Repository,
    snap: str | None = None,
    *,
    hold: bool = False,
    release: bool = False,
    newest: int | None = None,
) -> MoveReport:
    """Make a snapshot current, or (release) allow syncing again. Pictures are not touched.

    hold:   syncs refuse until the release.
    newest: the number of the newest operation that the caller knows; None for whichever it is.
    Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot; CommitRace if there is a newer operation.
    """
    if release == (snap is not None):
        raise UsageError("rollback takes a snapshot, or --release alone", "see: vstore rollback --help")
    if release and hold:
        raise UsageError("--hold and --release cannot be combined", "leave out one of them")
    with repo.committing("rollback"):
        _refuse_newer(repo, newest)
        before = repo.state.current
        if snap is None:
            return _release(repo)
        snapshot = repo.snapshot(snap)
        changes: dict[str, Json] = {}
        if snapshot.name != before:
            changes["current"] = snapshot.name
        if hold and repo.state.hold != snapshot.name:
            changes["hold"] = snapshot.name
        if changes:
            repo.publish("rollback" if "current" in changes else "hold", changes, about=f"to {snapshot.name}")
        about = f"{snapshot.name} is current" if changes else f"{snapshot.name} is already current"
        return MoveReport(
            op="rollback",
            current=snapshot.name,
            before=before,
            hold=repo.state.hold,
            changed=bool(changes),
            about=about,
            notes=_without_folders(repo, snapshot) if "current" in changes else (),
        )


def _without_folders(repo: Repository, snapshot: Snapshot) -> tuple[str, ...]:
    """Say which pictures of a snapshot are of folders that were taken out. No picture is read, nor the list of all."""
    state = repo.state
    if not state.retired:
        return ()
    labels = repo.labels_in(snapshot)
    try:
        tops = [top for top, _ in repo.tree(snapshot).children(b"") if os.fsdecode(top) in state.retired]
    except (Damage, FileNotFoundError):  # the rollback is done; whoever reads the snapshot is told
        return ()
    names = [os.fsdecode(labels.today(top).partition(b"/")[0]) for top in tops]
    return tuple(
        f"no folder has the label {name} any more: syncs leave its pictures as they are; to take them out: "
        f"vstore root remove {quoted(name)}"
        for name in names
        if name not in state.roots
    )


def _release(repo: Repository) -> MoveReport:
    at, current = repo.state.hold, repo.state.current
    if at is not None:
        repo.publish("release", {"hold": None}, about=f"after {at}")
    about = "syncing is allowed again" if at is not None else "syncing was not held"
    return MoveReport(op="release", current=current, before=current, hold=None, changed=at is not None, about=about)


def undo(repo: Repository, newest: int | None = None) -> MoveReport:
    """Take back the newest operation in force: the current snapshot, tags, forgotten snapshots, the hold, and folders.

    newest: as for `rollback`.
    Raises: NothingToUndo, which says why; CommitRace.
    """
    with repo.committing("undo"):
        _refuse_newer(repo, newest)
        record, barrier = next_undo(repo.records_backwards())
        earlier = None if record is None else _state_before(repo, record.number)
        notes = tuple(passed_over(repo.state, repo.records_backwards()))
        if record is None or earlier is None:
            err = _nothing_to_undo(repo, barrier)
            raise NothingToUndo(err.message, "; ".join(filter(None, [*notes, err.next_step]))) if notes else err
        report = _restore(repo, repo.listing_of(earlier), record, "undo")
        return report._replace(notes=(*notes, *report.notes))


def _state_before(repo: Repository, number: int) -> State | None:
    """Fold up to the record before this one; None if the log begins after it."""
    try:
        return repo.log.state_before(number)
    except Damage:
        return None


def _nothing_to_undo(repo: Repository, barrier: Record | None) -> NothingToUndo:
    if barrier is not None and barrier.op != "init":
        return NothingToUndo(f"nothing before the {barrier.op} of {barrier.time} can be undone")
    from vstore.versions.log import why_records_are_cut  # a rollback does without it

    lost = why_records_are_cut(repo)
    if lost is not None:
        return NothingToUndo(f"earlier operations cannot be undone: {lost}", "run: vstore repair")
    if next_redo(repo.records_backwards()):
        return NothingToUndo("everything that can be undone is already undone", "see: vstore log")
    return NothingToUndo("there is nothing to undo yet", "see: vstore log")


def redo(repo: Repository, newest: int | None = None) -> MoveReport:
    """Redo the operation taken back by the newest undo in force. newest: as for `rollback`.

    Raises: NothingToUndo, CommitRace.
    """
    with repo.committing("redo"):
        _refuse_newer(repo, newest)
        record = next_redo(repo.records_backwards())
        later = None if record is None else _state_before(repo, record.number + 1)
        if record is None or later is None:
            raise NothingToUndo("there is nothing to redo", "a new operation ends redo")
        return _restore(repo, repo.listing_of(later), record, "redo")


def _restore(repo: Repository, earlier: Listing, record: Record, op: str) -> MoveReport:
    from vstore.repository.small_packs import merge_small_packs  # a rollback does without it

    before = repo.state.current
    changes = restoring(repo.listing, earlier)
    if "roots" in record.changes or "absorbed" in record.changes:
        from vstore.format.undo_roots import restoring_roots  # few operations change folders
        from vstore.repository.acquaintance import KnownFolders

        folders = KnownFolders(repo)
        undone = _before_undo(repo, record.number) if op == "redo" else None
        changes |= restoring_roots(
            repo.state,
            earlier.state,
            record,
            # A label changes at one place: whether its disk is there now does not matter.
            lambda root: record.op != "root rename" and (not folders.is_known(root) or folders.is_gone(root)),
            undone=undone,
        )
        changes |= _waiting_again(repo, earlier.state, record)
    about = _about(record)
    if op == "undo":
        repo.publish(op, changes, undoes=record.number, about=about)
    else:
        repo.publish(op, changes, redoes=record.number, about=about)
    merge_small_packs(repo)
    return MoveReport(
        op=op,
        current=repo.state.current,
        before=before,
        hold=repo.state.hold,
        changed=True,
        about=about,
        notes=tuple(folders_kept(record, earlier.state, repo.state)) if op == "undo" else (),
    )


def _waiting_again(repo: Repository, earlier: State, record: Record) -> dict[str, Json]:
    """Give back the folders for which rows of imports waited, where a change of folders took them."""
    if record.op not in ("root remove", "root rename"):
        return {}
    known, now = earlier.imports, repo.state.imports
    waiting = [id for id in record.changes.get("imports", {}) if id in known and id in now]
    return {"imports": {id: {"root": known[id].root} for id in waiting}} if waiting else {}


def _before_undo(repo: Repository, number: int) -> State | None:
    """Find the state before the newest undo of a record."""
    undo = next((record.number for record in repo.records_backwards() if record.undoes == number), None)
    return None if undo is None else repo.log.state_before(undo)
