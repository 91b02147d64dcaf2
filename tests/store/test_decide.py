"""Decisions of a store: added in one record, newest first, undone as tags are, and kept by gc."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.builder import Builder, aliases, key

from vstore.errors import Damage, MigrationNeeded, UsageError
from vstore.format.decisions import Decision, Verdicts, encode_decision
from vstore.gc.run import gc
from vstore.repository import decisions
from vstore.repository.decisions import Choice, decide, decisions_of, newest_decisions
from vstore.repository.repository import Repository
from vstore.versions.moves import redo, undo

OLD = Path(__file__).parent / "data" / "format-1" / "store"
A, B, C = key(1), key(2), key(3)
NOW = 1_800_000_000_000_000


@pytest.fixture
def repo(builder: Builder) -> Repository:
    builder.add_pictures(aliases(1, 2, 3))
    return builder.repo


def in_force(repo: Repository) -> list[tuple[str, set[bytes], set[bytes]]]:
    """Read the decisions in force, oldest first, from another handle."""
    found = list(newest_decisions(Repository(repo.layout.folder)))
    return [(one.verb, set(one.keys), set(one.kept)) for one in reversed(found)]


def test_a_store_begins_without_decisions(repo: Repository) -> None:
    assert (decisions_of(repo).root, list(newest_decisions(repo))) == (None, [])


def test_decisions_are_read_back_newest_first(repo: Repository) -> None:
    first = decide(repo, [Choice("different", [A, B]), Choice("keep", [C, A, B], [B])])
    second = decide(repo, [Choice("same", [B, C])])
    again = Repository(repo.layout.folder)
    assert list(newest_decisions(again)) == [*second, *first[::-1]]
    assert in_force(repo) == [("different", {A, B}, set()), ("keep", {A, B, C}, {B}), ("same", {B, C}, set())]
    assert [(record.op, record.about) for record in again.records()][-2:] == [
        ("decide", "2 decisions"),
        ("decide", "1 decision"),
    ]
    assert len({one.id for one in (*first, *second)}) == 3
    assert Verdicts(newest_decisions(again)).of(B, C) == second[0]


def test_a_later_decision_is_newer_though_the_clock_went_back(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([NOW, NOW - 10, NOW + 10])
    monkeypatch.setattr(decisions, "microseconds", lambda: next(moments))
    made = [decide(repo, [Choice("same", [A, B]), Choice("different", [A, B])]) for _ in range(3)]
    assert [[one.time - NOW for one in some] for some in made] == [[0, 1], [2, 3], [10, 11]]
    assert [one.time - NOW for one in newest_decisions(repo)] == [11, 10, 3, 2, 1, 0]


def test_time_is_that_of_the_clock(repo: Repository) -> None:
    before = decisions.microseconds()
    (made,) = decide(repo, [Choice("same", [A, B])])
    assert before <= made.time <= decisions.microseconds()
    assert before > NOW / 2 and before < NOW * 10, "microseconds since 1970"


def test_undo_takes_decisions_back_and_redo_brings_them_again(repo: Repository) -> None:
    decide(repo, [Choice("same", [A, B])])
    decide(repo, [Choice("different", [A, B])])
    undo(repo)
    assert [verb for verb, _, _ in in_force(repo)] == ["same"]
    undo(repo)
    assert in_force(repo) == []
    assert "trees" not in repo.state.document or "decisions" not in repo.state.document["trees"]
    redo(repo)
    redo(repo)
    assert [verb for verb, _, _ in in_force(repo)] == ["same", "different"]


def test_gc_keeps_the_decisions_in_force(repo: Repository) -> None:
    for n in range(40):
        decide(repo, [Choice("same", [A, key(100 * n + i)]) for i in range(10, 60)])
    expected = in_force(repo)
    gc(repo)
    assert in_force(repo) == expected
    assert len(expected) == 2000


def test_a_record_of_decisions_is_small_however_many_there_are(repo: Repository) -> None:
    decide(repo, [Choice("same", [A, key(n)]) for n in range(10, 3010)])
    size = list(repo.records())[-1].size
    assert size < 1000
    before = set(repo.layout.packs.iterdir())
    decide(repo, [Choice("different", [A, B])])
    assert list(repo.records())[-1].size < 1000
    (pack,) = set(repo.layout.packs.iterdir()) - before
    assert pack.stat().st_size < 20_000


def test_no_choice_writes_nothing(repo: Repository) -> None:
    number = repo.tip.number
    assert decide(repo, []) == []
    assert Repository(repo.layout.folder).tip.number == number


@pytest.mark.parametrize(
    "choice",
    [
        Choice("other", [A, B]),
        Choice("same", [A]),
        Choice("keep", [A, B]),
        Choice("keep", [A, B], [C]),
        Choice("same", [A[:15], B[:15]]),
    ],
)
def test_what_is_no_decision_is_refused_and_nothing_written(repo: Repository, choice: Choice) -> None:
    number = repo.tip.number
    with pytest.raises(UsageError):
        decide(repo, [Choice("same", [A, B]), choice])
    assert Repository(repo.layout.folder).tip.number == number


def test_a_decision_that_cannot_be_read_is_damage(repo: Repository) -> None:
    put(repo, {b"k" * 24: b"?"})
    with pytest.raises(Damage):
        list(newest_decisions(repo))


def test_nothing_can_be_newer_than_the_end_of_time(repo: Repository) -> None:
    last = Decision.of("same", [A, B], id=b"i" * 16, time=2**64 - 1)
    put(repo, dict([encode_decision(last)]))
    with pytest.raises(Damage, match="no time is later"):
        decide(repo, [Choice("different", [A, B])])


def put(repo: Repository, entries: dict[bytes, bytes]) -> None:
    """Put entries into the table of decisions, whatever they are."""
    table = decisions_of(repo).edited(entries)
    assert table.root is not None
    with repo.committing("decide"):
        repo.publish("decide", {"trees": {"decisions": table.root.hex()}}, blobs=table.fresh)


def test_a_store_of_format_1_says_what_to_run(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    with pytest.raises(MigrationNeeded, match=r"decisions need store format 2.*run: vstore migrate"):
        decide(Repository(tmp_path / "store"), [Choice("same", [A, B])])
