"""Plans the runs of facts: those of which most facts are of unused keys are rewritten without these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vstore.format.canonical import Json
from vstore.format.fact_runs import new_run
from vstore.format.run_entry import RunRef
from vstore.repository.cut_facts import marked
from vstore.repository.facts import runs_of
from vstore.repository.repository import Repository


class FactPlan(NamedTuple):
    """The runs of facts after a gc.

    changes: of the state; none if all runs stay.
    pages:   of the rewritten runs, by digest.
    used:    digests of the pages of the runs that stay.
    freed:   facts to delete.
    """

    changes: dict[str, Json]
    pages: dict[bytes, bytes]
    used: set[bytes]
    freed: int


def plan_facts(repo: Repository, named: Iterable[set[bytes]], *, rewrite: bool) -> FactPlan:
    """Plan the runs of facts of a state. Marks of cut pictures stay.

    named:   the keys in use.
    rewrite: rewrite runs; without it only those without any fact of a key in use go.
    Raises: Damage, FileNotFoundError.
    """
    refs: list[RunRef] = []
    pages: dict[bytes, bytes] = {}
    used: set[bytes] = set()
    freed = 0
    keys = set().union(*named) if repo.state.facts else set()
    for ref, run in zip(repo.state.facts, runs_of(repo), strict=True):
        marks: set[bytes] = set()
        live = 0
        for leaf in run.leaves():
            # The vector of a picture that nothing names may stay, and be taken again: never without its mark.
            some = marked(leaf)
            live += len(keys.intersection(leaf.keys()) | some)
            marks |= some
        if live and (2 * live >= ref.rows or not rewrite):
            refs.append(ref)
            used.update(run.digests())
            continue
        freed += ref.rows - live
        new = new_run(repo.hash, (fact for fact in run if fact.key in keys or fact.key in marks)) if live else None
        if new is not None:
            refs.append(new.ref)
            pages |= new.pages
    changes = {"facts": repo.state.facts_changed(refs)} if refs != repo.state.facts else {}
    return FactPlan(changes, pages, used, freed)
