"""Keeps the facts of a damaged store, as far as their pages exist. What is lost is read again from the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.fact_cut import FactCut
from vstore.format.fact_pages import FactPage
from vstore.format.fact_runs import Run, merged, new_run
from vstore.format.facts import Column, Fact, is_handed_on
from vstore.format.run_entry import RunRef
from vstore.format.state import merge_patch
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def keep_facts(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch all pages of the runs. A run with lost pages is rewritten with the facts of the others."""
    refs = found.state.facts
    kept = [left for ref in refs if (left := _kept(repo, found, blobs, ref)) is not None]
    if kept != refs or found.gap:
        recovered = _recovered(repo, blobs, kept)
        if recovered is not None:
            found.did(f"recovered {counted(recovered.rows, 'fact')} from pages that no record lists")
            kept.insert(0, recovered)  # of equal readers the later place wins: what the log lists
    if kept != refs or len({ref.root for ref in refs}) < len(refs):  # twice, as a lost record had moved it
        found.document = merge_patch(found.document, {"facts": found.state.facts_changed(kept)})


def _kept(repo: Repository, found: Findings, blobs: Blobs, ref: RunRef) -> RunRef | None:
    """Keep a run, or write one of what is left of it. Returns: that run; None if nothing is left."""
    run = Run(repo.hash, blobs.read, ref)
    left, cut = 0, FactCut()
    for page in run.walk_left():
        cut.note(page)
        left += len(_facts_of(page)) if isinstance(page, FactPage) else 0
    if left == ref.rows and cut.is_right:
        for digest in run.digests():
            blobs.fetch(digest)
        return ref
    rest = "; the rest is read again from the pictures" if left < ref.rows else ""
    found.did(f"facts: {left} of {ref.rows} are intact in a damaged run{rest}")
    new = new_run(repo.hash, _sound_facts(run))
    if new is None:
        return None
    blobs.add(new.pages)
    return new.ref


def _sound_facts(run: Run) -> Iterator[Fact]:
    """Yield the facts of the leaves that can be read."""
    for page in run.walk_left():
        if isinstance(page, FactPage):
            yield from _facts_of(page)


def _facts_of(leaf: FactPage) -> list[Fact]:
    try:
        return leaf.facts()
    except Damage:
        return []


class _Known(NamedTuple):
    """The knowledge of the kept runs about a picture. pixels: the preparations whose digests of pixels they have."""

    reader: int
    pixels: frozenset[Column]


def _recovered(repo: Repository, blobs: Blobs, kept: list[RunRef]) -> RunRef | None:
    """Write a run of the facts that only leaves outside the kept runs hold: their runs, or the pages above, are lost.

    Some may have been merged or freed since: they do no harm, as no fact of an older reader, or in an earlier place,
    wins.
    """
    outside = set(blobs.facts)
    known: dict[bytes, _Known] = {}
    for ref in kept:
        run = Run(repo.hash, blobs.read, ref)
        outside.difference_update(run.digests())  # they hold nothing that is not known
        for fact in run:
            before = known.get(fact.key, _NOTHING)
            known[fact.key] = _Known(max(fact.reader, before.reader), before.pixels.union(_pixels(fact)))
    leaves = [_leaf(repo, blobs, digest) for digest in sorted(outside)]
    try:
        new = new_run(repo.hash, (fact for fact in merged(leaves) if _is_news(fact, known.get(fact.key, _NOTHING))))
    except ValueError:  # columns of programs to come, which are no run together
        return None
    if new is None:
        return None
    blobs.add(new.pages)
    return new.ref


_NOTHING = _Known(-1, frozenset())


def _pixels(fact: Fact) -> list[Column]:
    return [column for column in fact.values if is_handed_on(column)]


def _is_news(fact: Fact, known: _Known) -> bool:
    """Tell whether a fact would win, or brings what the winner does not have, and would be given."""
    return fact.reader > known.reader or not known.pixels.issuperset(_pixels(fact))


def _leaf(repo: Repository, blobs: Blobs, digest: bytes) -> list[Fact]:
    try:
        return FactPage(blobs.read(digest), repo.hash.size).facts()
    except Damage:
        return []
