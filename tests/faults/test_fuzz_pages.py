"""Pages of every kind by a stranger, with right digests: whoever reads them gets a typed error, in bounded time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builder import HASH, key
from support.hostile_pages import Forged, Limited, forged, histories, keys

from vstore.errors import Damage
from vstore.format.entries import RunRef
from vstore.format.fact_runs import Run, merged, new_run
from vstore.format.history import History, Line
from vstore.format.pages import ALIAS, FACTS, TABLE
from vstore.format.table import Table
from vstore.format.tree import Tree

LONG = int(os.environ.get("VSTORE_EXAMPLES", "0"))
QUICK = settings(max_examples=LONG or 300, deadline=None, suppress_health_check=list(HealthCheck))


def each(*reads: Callable[[], object]) -> None:
    """Read in every way; what cannot be read is damage, and nothing else."""
    for read in reads:
        try:
            found = read()
            if isinstance(found, Iterable):
                for _ in found:
                    pass
        except Damage:
            continue


@given(forged(TABLE), keys())
@QUICK
def test_a_table_of_any_pages_is_read_or_damage(tree: Forged, wanted: bytes) -> None:
    def table() -> Table:
        return Table(HASH, Limited(tree.blobs).fetch, tree.root.digest)

    each(
        lambda: table().items(),
        lambda: table().newest(),
        lambda: table().range(wanted, None),
        lambda: table().range(b"", wanted),
        lambda: table().get(wanted),
        lambda: len(table()),
        lambda: table().pages(),
        lambda: table().edited({wanted: b"value", b"": None}).items(),
    )


@given(forged(ALIAS), keys())
@QUICK
def test_aliases_of_any_pages_are_read_or_damage(tree: Forged, wanted: bytes) -> None:
    def aliases() -> Tree:
        return Tree(HASH, Limited(tree.blobs).fetch, tree.root.digest)

    each(
        lambda: aliases(),
        lambda: aliases().every_key(),
        lambda: aliases().under(wanted),
        lambda: len(aliases()),
        lambda: aliases().pages(),
        lambda: aliases().edited({wanted: b"k" * 16, b"": None}),
    )


@given(forged(FACTS), st.lists(st.integers(0, 40).map(key), max_size=20), st.booleans())
@QUICK
def test_facts_of_any_pages_are_read_or_damage(tree: Forged, wanted: list[bytes], is_right: bool) -> None:
    def run() -> Run:
        rows = tree.root.count if is_right else 5
        return Run(HASH, Limited(tree.blobs).fetch, RunRef(tree.root.digest, rows))

    each(
        lambda: run(),
        lambda: run().leaves(),
        lambda: run().digests(),
        lambda: run().find(sorted(set(wanted))),
        lambda: new_run(HASH, merged([run(), run()])),
    )


@given(histories(), histories(), st.booleans())
@QUICK
def test_history_of_any_bytes_is_read_or_lost(listed: bytes, chunk: bytes, found: bool) -> None:
    digest = HASH.digest(chunk)
    if found:
        listed = b'[[1,2,"' + digest.hex().encode() + b'"]]'
    root = HASH.digest(listed)
    history = History(HASH, Limited({digest: chunk, root: listed}).fetch, root)
    more = [Line(9, "sync", "2026-01-02T03:04:05Z", "", None, False)]
    assert next(history.appended(more).newest()) == more[0]
    assert history.without_lost().lost_chunks() == []
    assert len(list(history.newest())) <= 3
    assert history.blobs() >= {root}
