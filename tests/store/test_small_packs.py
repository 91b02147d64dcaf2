"""Operations without a sync: the packs that they leave are merged, or a store would run out of open files."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable, Iterator

import pytest
from support.builder import Builder, aliases, key

from vstore.format import listing
from vstore.format.small_files import TOO_MANY
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.repository.fields import every_field, set_fields
from vstore.repository.repository import Repository
from vstore.store import Store

OPERATIONS = 3 * TOO_MANY

Do = Callable[[Repository, int], object]


@pytest.fixture
def repo(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A store whose snapshots all stand in the tree, but the newest."""
    monkeypatch.setattr(listing, "PENDING", 2)
    monkeypatch.setattr(listing, "WINDOW", 1)
    for number in range(5):
        builder.add_pictures(aliases(*range(number + 1)))
    return Repository(builder.repo.layout.folder)


@pytest.fixture
def few_files() -> Iterator[None]:
    """No more open files than a process needs that merges, beside those that are open already."""
    gc.collect()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/dev/fd")))  # the limit is one of numbers
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], highest + 2 * TOO_MANY + 40), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def forget_and_undo(repo: Repository, number: int) -> None:
    with Store(repo.layout.folder) as store:
        store.snapshot_forget([f"v{number % 3 + 1}"])
        store.undo()


@pytest.mark.parametrize(
    "do",
    [
        lambda repo, number: decide(repo, [Choice("same", [key(number), key(number + 1)])]),
        lambda repo, number: set_fields(repo, {(key(number), "name"): number}),
        forget_and_undo,
    ],
    ids=["decide", "fields", "forget"],
)
def test_operations_without_a_sync_leave_few_packs(repo: Repository, few_files: None, do: Do) -> None:
    for number in range(OPERATIONS):
        do(repo, number)
    repo.reload()
    assert len(repo.state.packs) <= TOO_MANY + 3
    with Store(repo.layout.folder) as opened:
        assert opened.check(read_data=True).ok
    assert "merge" in {record.op for record in repo.records()}


def test_an_operation_is_done_even_if_the_merge_after_it_fails(repo: Repository) -> None:
    oldest = min((repo.layout.packs / ref.name for ref in repo.state.packs), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(oldest.read_bytes())
    data[12] ^= 1  # in its first blob, which is not asked for
    oldest.write_bytes(data)
    for number in range(TOO_MANY + 3):
        decide(repo, [Choice("same", [key(number), key(number + 1)])])
    assert len(list(newest_decisions(repo))) == TOO_MANY + 3
    assert "merge" not in {record.op for record in repo.records()}


def test_a_merge_loses_nothing_and_undo_goes_on(repo: Repository) -> None:
    for number in range(OPERATIONS):
        decide(repo, [Choice("same", [key(number), key(number + 1)])])
        set_fields(repo, {(key(number), "name"): number})
    assert len(list(newest_decisions(repo))) == OPERATIONS
    assert len(list(every_field(repo, repo.state.current_snapshot))) == OPERATIONS
    with Store(repo.layout.folder) as opened:
        for _ in range(2 * OPERATIONS):
            opened.undo()
        assert opened.check().ok
    repo.reload()
    assert list(newest_decisions(repo)) == []
    assert repo.state.current == "v5"
