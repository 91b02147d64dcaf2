"""Merges the small packs, small neighbouring segments and runs of facts left by many commits. Deletes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.format.entries import FileRef
from vstore.format.small_files import small_neighbours, small_packs
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows
    from vstore.sync.merge_facts import MergedFacts


def merge_small(repo: Repository, space: str, command: str) -> None:
    """Merge small packs and small neighbouring segments of a space, if there are too many, and runs of facts by level.

    Holds `ingest`. All files are written before `commit` is taken, as that may take longer than others would wait.
    Meanwhile others may add packs, and merge some of these too: their blobs are in both then. Only holders of `ingest`
    change segments and runs of facts.
    """
    packs, runs = small_packs(repo.state.packs), small_neighbours(repo.state.segments(space))
    facts = _merged_facts(repo)
    if not packs and not runs and facts is None:
        return
    from vstore.disk.pack_writer import write_pack  # most syncs merge nothing

    added = [_merged_pack(repo, packs)] if packs else []
    if facts is not None:
        added.append(write_pack(repo.layout.packs, repo.hash, facts.pages, "ingest"))
    listed = _merged_segments(repo, space, runs) if runs else None
    about = f"{counted(len(packs), 'pack')}, {counted(sum(map(len, runs)), 'segment')}"
    with repo.committing(command):
        changes: dict[str, object] = {}
        if added:
            changes["packs"] = repo.state.packs_changed(added, packs)
        if listed is not None:
            changes["segments"] = repo.state.segments_changed(space, listed)
        if facts is not None:
            changes["facts"] = repo.state.facts_changed(facts.refs)
            about += f", {facts.merged} runs of facts"
        repo.publish("merge", changes, about=about)


def _merged_facts(repo: Repository) -> MergedFacts | None:
    if len(repo.state.facts) < 2:
        return None
    from vstore.sync.merge_facts import merged_facts  # a sync without news pays for every import

    facts = merged_facts(repo)
    return facts if facts.merged else None


def _merged_pack(repo: Repository, refs: list[FileRef]) -> FileRef:
    from vstore.disk.pack_writer import merge_packs

    packs = repo.packs.opened({ref.name for ref in refs})
    return merge_packs(repo.layout.packs, repo.hash, packs, "ingest")


def _merged_segments(repo: Repository, space: str, runs: list[list[FileRef]]) -> list[FileRef]:
    """Replace each run of segments, in its place, by one segment of its winning rows. Returns: the new list."""
    refs = repo.state.segments(space)
    taken: set[bytes] = set()
    winners: dict[str, list[int]] = {}
    for ref in refs:  # of two rows with one key the first wins, wherever the other one is
        segment = repo.segment(ref)
        keys = segment.key_list()
        winners[ref.name] = [row for row, key in enumerate(keys) if key not in taken]
        taken.update(keys)
    replaced: dict[str, FileRef | None] = {}
    for run in runs:
        keys = [repo.segment(ref).key(row) for ref in run for row in winners[ref.name]]
        merged = None
        if keys:
            merged = repo.write_segment(space, keys, _rows(repo, run, winners))
        replaced |= {ref.name: None for ref in run}
        replaced[run[0].name] = merged
    listed = (replaced.get(ref.name, ref) for ref in refs)
    return [ref for ref in listed if ref is not None]


def _rows(repo: Repository, run: list[FileRef], winners: dict[str, list[int]]) -> Iterator[Rows]:
    for ref in run:
        segment = repo.segment(ref)
        segment.verify()
        if winners[ref.name]:
            yield segment.rows()[winners[ref.name]]
