"""Merges the small packs, small neighbouring segments and runs of facts left by many commits. Deletes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.packs import write_pack
from vstore.format.entries import FileRef, RunRef
from vstore.format.fact_levels import to_merge
from vstore.format.small_files import small_neighbours, small_packs
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows


def merge_small(repo: Repository, space: str, command: str) -> None:
    """Merge small packs and small neighbouring segments of a space, if there are too many, and runs of facts by level.

    Holds `ingest`. All files are written before `commit` is taken, as that may take longer than others would wait.
    Meanwhile others may add packs; only holders of `ingest` change segments, runs of facts and the places of listed
    packs.
    """
    packs, segments = small_packs(repo.state.packs), small_neighbours(repo.state.segments(space))
    facts = _merged_facts(repo)
    if not packs and not segments and not facts.merged:
        return
    blobs = {**_blobs_of(repo, packs), **facts.pages}
    pack = [write_pack(repo.layout.packs, repo.hash, blobs, "ingest")] if blobs else []
    listed = _merged_segments(repo, space, segments) if segments else None
    about = f"{len(packs)} packs, {sum(map(len, segments))} segments"
    with repo.committing(command):
        changes: dict[str, object] = {}
        if pack:
            changes["packs"] = repo.state.packs_changed(pack, packs)
        if listed is not None:
            changes["segments"] = repo.state.segments_changed(space, listed)
        if facts.merged:
            changes["facts"] = repo.state.facts_changed(facts.refs)
            about += f", {facts.merged} runs of facts"
        repo.publish("merge", changes, about=about)


def _blobs_of(repo: Repository, refs: list[FileRef]) -> dict[bytes, bytes]:
    names = {ref.name for ref in refs}
    blobs = {}
    for pack in repo.packs.opened() if refs else ():
        if pack.ref.name in names:
            for digest in pack.digests():
                blob = pack.get(digest)
                assert blob is not None
                blobs[digest] = blob
    return blobs


class _MergedFacts(NamedTuple):
    """The runs of facts after a merge.

    refs:   all runs, in order.
    pages:  of the new runs, by digest.
    merged: runs that became others.
    """

    refs: list[RunRef]
    pages: dict[bytes, bytes]
    merged: int


def _merged_facts(repo: Repository) -> _MergedFacts:
    """Replace each group of runs, in its place, by one."""
    refs, pages, count = repo.state.facts, dict[bytes, bytes](), 0
    for group in reversed(to_merge([ref.rows for ref in refs])):
        from vstore.format.fact_runs import Run, merged, new_run  # few syncs merge facts

        runs = [Run(repo.hash, repo.packs.get, ref) for ref in refs[group.start : group.stop]]
        try:
            new = new_run(repo.hash, merged(runs))
        except ValueError:  # columns of programs to come, which are no run together: they stay apart
            continue
        assert new is not None
        refs[group.start : group.stop] = [new.ref]
        pages |= new.pages
        count += len(runs)
    return _MergedFacts(refs, pages, count)


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
