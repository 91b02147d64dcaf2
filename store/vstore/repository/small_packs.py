"""Merges the small packs that operations without a sync leave: a user may decide all day, and never sync."""

from __future__ import annotations

import contextlib

from vstore.errors import Damage, DiskTrouble
from vstore.format.small_files import QUICK, small_packs
from vstore.repository.repository import Repository


def merge_small_packs(repo: Repository) -> None:
    """Merge small packs, if there are too many: 16 MB or so at once. The caller is inside `committing`.

    It deletes nothing. A sync that merges some of them meanwhile does no harm: their blobs are in both packs then.
    """
    refs = small_packs(repo.state.packs, QUICK)
    if refs:
        # The operation itself is recorded. What keeps a merge from being written must not make it look failed.
        with contextlib.suppress(Damage, DiskTrouble, FileNotFoundError):
            _merge(repo, {ref.name for ref in refs})


def _merge(repo: Repository, names: set[str]) -> None:
    from vstore.disk.pack_writer import merge_packs  # most operations merge nothing

    packs = repo.packs.opened(names)
    merged = merge_packs(repo.layout.packs, repo.hash, packs, "commit")
    changes = repo.state.packs_changed([merged], [pack.ref for pack in packs])
    repo.append("merge", {"packs": changes}, about=f"{len(packs)} packs")
