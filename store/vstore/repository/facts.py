"""The facts of a store: the runs of its state, what a commit adds to them, and look-ups over all of them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from vstore.format.canonical import Json
from vstore.format.fact_runs import Run, new_run
from vstore.format.facts import Column, Fact, chosen
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.fact_arrays import FactArrays


class Added(NamedTuple):
    """The changes and blobs of a commit that adds facts.

    changes: of the state.
    blobs:   named by the changes, by digest.
    """

    changes: dict[str, Json]
    blobs: dict[bytes, bytes]


def added(repo: Repository, facts: Iterable[Fact]) -> Added:
    """Write facts as a run at the end of the list. The caller holds `ingest`, and is inside `committing`.

    facts: of distinct keys, in any order. Those of a key that has some stay too: `chosen` says which count.
    Raises: MigrationNeeded; ValueError for a value that is none of its column.
    """
    return added_in_order(repo, sorted(facts, key=lambda fact: fact.key))


def added_in_order(repo: Repository, facts: Iterable[Fact]) -> Added:
    """Write facts as `added` does, few at a time. facts: in rising order of their keys. Raises: as `added`."""
    repo.require_format_2("facts")
    new = new_run(repo.hash, facts)
    if new is None:
        return Added({}, {})
    others = [ref for ref in repo.state.facts if ref.root != new.ref.root]  # the same facts again count as later
    return Added({"facts": repo.state.facts_changed([*others, new.ref])}, new.pages)


def runs_of(repo: Repository) -> list[Run]:
    """Open the runs of the state, in the order of their places."""
    return [Run(repo.hash, repo.packs.get, ref) for ref in repo.state.facts]


def facts_of(repo: Repository, keys: Iterable[bytes], columns: Container[Column] | None = None) -> dict[bytes, Fact]:
    """Find the facts of pictures by their keys. What has none is left out.

    columns: the columns to read; None means all.
    Raises: Damage, FileNotFoundError.
    """
    wanted = sorted(set(keys))
    found: dict[bytes, list[Fact]] = {}
    for run in runs_of(repo):
        for fact in run.find(wanted, columns):
            found.setdefault(fact.key, []).append(fact)
    return {key: chosen(facts) for key, facts in found.items()}


def fact_arrays(repo: Repository, columns: Iterable[Column]) -> FactArrays:
    """Read columns of the facts of all pictures, column by column: a million in a second, where `facts_of` takes many.

    columns: those to read; the others are not.
    Returns: `keys`, uint8 (n, size of a key): every picture with facts once, rising, whether its path is in a snapshot
             or not; `columns`, by column: `there`, bool (n,), and `values`, (n,), numbers in the type of the column and
             0 where there is no value. Texts are int32, numbers of `texts`, the different ones. The rows of other keys
             are found by `rows_of`. Which facts of a key count is as `facts_of` has it.
    Raises:  Damage, FileNotFoundError.
    """
    from vstore.format.fact_arrays import gathered

    leaves = (leaf for run in runs_of(repo) for leaf in run.leaves())
    return gathered(leaves, list(dict.fromkeys(columns)), repo.hash.size)
