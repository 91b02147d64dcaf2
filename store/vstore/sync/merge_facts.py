"""Merges the runs of facts left by many commits, by their levels. Deletes nothing: gc does."""

from __future__ import annotations

from vstore.format.fact_levels import to_merge
from vstore.format.run_entry import RunRef
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository


class MergedFacts(NamedTuple):
    """The runs of facts after a merge.

    refs:   all runs, in order.
    pages:  of the new runs, by digest.
    merged: the number of runs that became others.
    """

    refs: list[RunRef]
    pages: dict[bytes, bytes]
    merged: int


def merged_facts(repo: Repository) -> MergedFacts:
    """Replace each group of runs, in its place, by one. Nothing is written. Raises: Damage."""
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
    return MergedFacts(refs, pages, count)
