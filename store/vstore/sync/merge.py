"""Merges the small packs, small neighbouring segments and runs of facts left by many commits. Deletes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.disk.packs import write_pack
from vstore.format.entries import FileRef, RunRef
from vstore.format.fact_levels import Group, to_merge
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
    groups = to_merge([ref.rows for ref in repo.state.facts])
    if not packs and not segments and not groups:
        return
    facts, pages = _merged_facts(repo, groups) if groups else ([], {})
    blobs = {**_blobs_of(repo, packs), **pages}
    pack = [write_pack(repo.layout.packs, repo.hash, blobs, "ingest")] if blobs else []
    listed = _merged_segments(repo, space, segments) if segments else None
    with repo.committing(command):
        changes: dict[str, object] = {}
        if pack:
            changes["packs"] = repo.state.packs_changed(pack, packs)
        if listed is not None:
            changes["segments"] = repo.state.segments_changed(space, listed)
        if groups:
            changes["facts"] = repo.state.facts_changed(facts)
        repo.publish("merge", changes, about=_about(packs, segments, groups))


def _about(packs: list[FileRef], segments: list[list[FileRef]], groups: list[Group]) -> str:
    about = f"{len(packs)} packs, {sum(map(len, segments))} segments"
    runs = sum(group.stop - group.start for group in groups)
    return f"{about}, {runs} runs of facts" if runs else about


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


def _merged_facts(repo: Repository, groups: list[Group]) -> tuple[list[RunRef], dict[bytes, bytes]]:
    """Replace each group of runs, in its place, by one. Returns: the new list; the pages of the new runs."""
    from vstore.format.fact_runs import Run, merged, new_run  # few syncs merge facts

    refs, pages = repo.state.facts, dict[bytes, bytes]()
    for group in reversed(groups):
        runs = [Run(repo.hash, repo.packs.get, ref) for ref in refs[group.start : group.stop]]
        new = new_run(repo.hash, merged(runs))
        assert new is not None
        refs[group.start : group.stop] = [new.ref]
        pages |= new.pages
    return refs, pages


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
