"""The methods of a store about its snapshots, and about the operations that made them current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from vstore.paths import AnyPath
    from vstore.versions.diff import DiffReport
    from vstore.versions.forget import ForgetReport
    from vstore.versions.log import LogRow
    from vstore.versions.moves import MoveReport, Moves
    from vstore.versions.names import Names
    from vstore.versions.policy import KeepWords
    from vstore.versions.show import SnapshotDetail, SnapshotRow
    from vstore.versions.tags import TagReport


class Versions(Opened):
    """A store with its snapshots."""

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

    def snapshot_named(self, snap: str = "current") -> SnapshotRow:
        """Find the snapshot that a name means, at little cost. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        from vstore.versions.show import snapshot_named

        return self._read(lambda repo: snapshot_named(repo, snap))

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

    def moves(self) -> Moves:
        """Tell which operation `undo` and `redo` would be about, and whether syncing is held."""
        from vstore.versions.moves import moves

        return self._read(moves)

    def rollback(
        self, snap: str | None = None, *, hold: bool = False, release: bool = False, newest: int | None = None
    ) -> MoveReport:
        """Make a snapshot current, or let held syncs go on. Touches no picture.

        hold:    refuse to sync until `release`.
        newest:  the number of the newest operation that the caller knows, as `moves` tells; None for whichever it is.
        Raises:  SnapshotNotFound, AmbiguousSnapshot, UsageError; CommitRace if there is a newer operation.
        """
        from vstore.versions.moves import rollback

        return self._use(lambda repo: rollback(repo, snap, hold=hold, release=release, newest=newest))

    def undo(self, *, newest: int | None = None) -> MoveReport:
        """Take back the newest operation. newest: as for `rollback`. Raises: NothingToUndo, CommitRace."""
        from vstore.versions.moves import undo

        return self._use(lambda repo: undo(repo, newest))

    def redo(self, *, newest: int | None = None) -> MoveReport:
        """Restore the operation taken back by the newest undo. newest: as for `rollback`.

        Raises: NothingToUndo, CommitRace.
        """
        from vstore.versions.moves import redo

        return self._use(lambda repo: redo(repo, newest))

    def log(self, limit: int | None = None) -> list[LogRow]:
        """List the operations, newest first. limit: of the newest alone. Raises: UsageError."""
        from vstore.versions.log import log

        return self._read(lambda repo: log(repo, limit))

    @property
    def why_log_is_cut(self) -> str | None:
        """The reason why `log` is incomplete, if records or old lines are lost."""
        from vstore.versions.log import why_log_is_cut

        return self._read(why_log_is_cut)
