"""The facts of a store: what commits add, and what is found of a picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.builder import Builder, key
from support.facts import PREPARED, made

from vstore.errors import MigrationNeeded
from vstore.format import facts
from vstore.format.facts import Fact
from vstore.repository.facts import added, facts_of, runs_of
from vstore.repository.repository import Repository
from vstore.store import Store

OLD = Path(__file__).parent / "data" / "format-1" / "store"


def test_what_commits_add_is_found_by_its_key(builder: Builder) -> None:
    first, second = made(1, range(3000)), made(2, range(3000, 3010))
    for some in (first, second):
        builder.add_facts(some)
    assert [ref.rows for ref in builder.repo.state.facts] == [3000, 10]
    for repo in (builder.repo, Repository(builder.repo.layout.folder)):
        every = {fact.key: fact for fact in [*first, *second]}
        assert facts_of(repo, every) == every
        assert facts_of(repo, [key(5), key(3005), key(99_999)]) == {k: every[k] for k in (key(5), key(3005))}
        assert facts_of(repo, []) == {}
        widths = facts_of(repo, [key(7), key(3007)], {facts.WIDTH})
        assert widths == {k: Fact(k, 1, {facts.WIDTH: 4000}) for k in (key(7), key(3007))}
    assert [list(run) for run in runs_of(builder.repo)] == [first, second]


def test_a_store_without_facts_has_none(builder: Builder) -> None:
    assert facts_of(builder.repo, [key(1)]) == {} and runs_of(builder.repo) == []


def test_what_is_found_is_the_newest_reading(builder: Builder) -> None:
    builder.add_facts([Fact(key(1), 2, {facts.WIDTH: 2}), Fact(key(2), 1, {facts.WIDTH: 1, PREPARED: b"p" * 16})])
    builder.add_facts([Fact(key(1), 1, {facts.WIDTH: 1, PREPARED: b"q" * 16}), Fact(key(2), 1, {facts.HEIGHT: 5})])
    assert facts_of(builder.repo, [key(1), key(2)]) == {
        key(1): Fact(key(1), 2, {facts.WIDTH: 2, PREPARED: b"q" * 16}),
        key(2): Fact(key(2), 1, {facts.HEIGHT: 5, PREPARED: b"p" * 16}),
    }


def test_facts_that_are_added_again_count_as_the_latest(builder: Builder) -> None:
    one, two = [Fact(key(1), 1, {facts.WIDTH: 1})], [Fact(key(1), 1, {facts.WIDTH: 2})]
    for some in (one, two, one):
        builder.add_facts(some)
    assert [list(run) for run in runs_of(builder.repo)] == [two, one]
    assert facts_of(builder.repo, [key(1)]) == {key(1): one[0]}


def test_a_record_names_only_the_run_that_came(builder: Builder) -> None:
    for number in range(3):
        builder.add_facts(made(1, [number]))
    *_, last = builder.repo.records()
    run = builder.repo.state.facts[2]
    assert last.changes["facts"] == {"2": [run.root.hex(), 1]}
    assert len(last.changes["packs"]) == 1


def test_no_facts_change_nothing(builder: Builder) -> None:
    assert added(builder.repo, []) == ({}, {})


def test_two_facts_of_one_key_are_not_written(builder: Builder) -> None:
    with pytest.raises(ValueError, match="out of order"):
        added(builder.repo, [Fact(key(1), 1, {}), Fact(key(1), 2, {})])


def test_a_store_of_format_1_takes_no_facts(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / ".vstore")
    repo = Repository(tmp_path / ".vstore")
    with pytest.raises(MigrationNeeded, match="facts need store format 2"):
        added(repo, made(1, [1]))
    assert facts_of(repo, [key(1)]) == {}


def test_facts_survive_every_command_that_knows_nothing_about_them(builder: Builder) -> None:
    builder.add_facts(made(1, range(5)))
    before = builder.repo.state.facts
    builder.add_snapshot({})
    with Store(builder.repo.layout.folder) as store:
        store.snapshot_tag("v1", "a")
        store.undo()
    assert Repository(builder.repo.layout.folder).state.facts == before
