"""The methods of a store about its synced folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened
from vstore.paths import as_bytes

if TYPE_CHECKING:
    from typing import Any

    from vstore.paths import AnyPath
    from vstore.roots.report import RootRemoved, RootRenamed, RootRow


class Folders(Opened):
    """A store with its synced folders."""

    def label_of(self, folder: AnyPath) -> str | None:
        """Find the synced folder at or above this folder. Returns: its label, or None."""
        from vstore.repository.stored_paths import label_of

        return self._use(lambda repo: label_of(repo, as_bytes(folder)))

    def folder_options(self) -> dict[str, dict[str, Any]]:
        """List the options that are kept with the synced folders.

        Returns: label -> those of `UsualWords` that a sync was given."""
        from vstore.pictures.scan_options import ScanOptions

        return self._read(
            lambda repo: {
                label: ScanOptions.from_json(root.options).kept() for label, root in sorted(repo.state.roots.items())
            }
        )

    def root_list(self) -> list[RootRow]:
        """List the folders, and labels of the current snapshot that no folder has any more. Raises: Damage."""
        from vstore.roots.listing import root_list

        return self._read(root_list)

    def root_remove(
        self, root: AnyPath, *, message: str = "", dry_run: bool = False, wait: bool = False
    ) -> RootRemoved:
        """Take a folder out of the index, by its label or its place. `undo` brings it back. Its label is free then.

        Touches no picture, and deletes no vector: gc does, once no snapshot has them.
        message: a note for the snapshot.
        wait:    wait for a sync that is running.
        Raises:  UsageError, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.roots.remove import root_remove

        return self._use(lambda repo: root_remove(repo, root, message=message, dry_run=dry_run, wait=wait))

    def root_rename(
        self, old: AnyPath, new: str, *, message: str = "", dry_run: bool = False, wait: bool = False
    ) -> RootRenamed:
        """Give a folder, named by its label or its place, another label. Nothing is read, nothing embedded.

        message: a note for the snapshot.
        wait:    wait for a sync that is running.
        Raises:  UsageError, LabelTaken, MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
        """
        from vstore.roots.rename import root_rename

        return self._use(lambda repo: root_rename(repo, old, new, message=message, dry_run=dry_run, wait=wait))
