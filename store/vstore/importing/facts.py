"""The facts of an import: those that an export says of the pictures that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.format.fact_runs import new_run
from vstore.format.facts import Fact, chosen
from vstore.importing.old_index import Old
from vstore.importing.verdict import Verdict
from vstore.repository.facts import facts_of
from vstore.repository.repository import Repository


class Facts(NamedTuple):
    """The facts that an import gives.

    added: those that the store lacks, of distinct pictures.
    notes: remarks for the report.
    """

    added: Sequence[Fact] = ()
    notes: tuple[str, ...] = ()


def decided_facts(repo: Repository, old: Old, verdict: Verdict) -> Facts:
    """Choose the facts of the pictures that were found by the key that the export names.

    Raises: UsageError if a value is none of its column; Damage, FileNotFoundError.
    """
    rows = zip(verdict.rows, old.facts, strict=True) if old.facts else ()
    found = {fact.key: fact for row, fact in rows if fact is not None and row.key == fact.key.hex()}
    if not found:
        return Facts()
    if repo.format < 2:
        return Facts(notes=("the facts of the export are not kept: they need format 2; run: vstore migrate",))
    try:
        new_run(repo.hash, [found[key] for key in sorted(found)])
    except ValueError as err:
        raise UsageError(f"the facts of {old.origin} cannot be read: {err}", "export the snapshot again") from err
    known = facts_of(repo, found) if repo.state.facts else {}
    added = [fact for key, fact in found.items() if key not in known or chosen([known[key], fact]) != known[key]]
    return Facts(added, (f"facts of {counted(len(found), 'picture')} are those of the export",))
