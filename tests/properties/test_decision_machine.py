"""Decisions played against a list: they hold, whatever becomes of files, models, versions and the store."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.folders import Unflushed, drawn

import vstore.intake.reader
from vstore.disk import durable
from vstore.errors import ModelError
from vstore.format import cutting
from vstore.format.decisions import Verdicts
from vstore.repository.add_space import add_space
from vstore.repository.decisions import newest_decisions
from vstore.store import Store
from vstore.testing import FakeEmbedder


class Said(NamedTuple):
    """A decision, by the numbers of its pictures."""

    verb: str
    pictures: frozenset[int]
    over: frozenset[int] = frozenset()

    @property
    def about(self) -> frozenset[int]:
        return self.pictures | self.over


NAMES = [f"{folder}{name}.png" for folder in ("", "sub/") for name in "abcd"]
PICTURES = range(1, 8)
SPACES = ("fake-1", "fake-2")
SOME = st.frozensets(st.sampled_from(PICTURES), min_size=2, max_size=4)
DECISIONS = st.one_of(
    st.tuples(st.sampled_from(["same", "different"]), SOME).map(lambda said: Said(*said)),
    SOME.flatmap(
        lambda about: st.frozensets(st.sampled_from(sorted(about)), min_size=1).map(
            lambda kept: Said("keep", kept, about - kept)
        )
    ),
    st.sampled_from(PICTURES).map(lambda picture: Said("keep", frozenset([picture]))),
)


@functools.cache
def content(picture: int) -> bytes:
    return drawn(picture)


class DecisionMachine(RuleBasedStateMachine):
    """disk: path -> picture. versions: vN -> its aliases and space. now: what undo brings back, with the decisions.

    done, undone: the operations in force and those taken back, each as (before, after).
    """

    @initialize()
    def begin(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-decisions-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(durable, "disk", Unflushed())
        self.patch.setattr(vstore.intake.reader, "SETTLED_NS", 0)
        self.patch.setattr(cutting, "TARGET", 3)
        self.fakes = {name: FakeEmbedder(name) for name in SPACES}
        Store.init(self.top / ".vstore", recipe=self.fakes["fake-1"].recipe)
        self.store = self._opened(self.top)
        add_space(self.store._repo, self.fakes["fake-2"].recipe, "fake-2")
        self.hash = self.store._repo.hash
        self.disk: dict[str, int] = {}
        self.clock = 10**18
        self.versions: dict[str, tuple[dict[str, int], str]] = {}
        self.known: dict[str, set[int]] = {name: set() for name in SPACES}
        self.now: dict[str, Any] = {"current": None, "forgotten": frozenset(), "decided": ()}
        self.done: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.undone: list[tuple[dict[str, Any], dict[str, Any]]] = []
        (self.top / "pictures/sub").mkdir(parents=True)
        for number, name in enumerate(NAMES[:6], 1):
            self._write(name, number)
        self._sync()
        self.done.clear()

    def _opened(self, top: Path) -> Store:
        def load_embedder(recipe: Mapping[str, Any]) -> FakeEmbedder:
            return self.fakes[recipe["name"]]

        return Store(top / ".vstore", load_embedder=load_embedder)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.patch.undo()
            shutil.rmtree(self.top, ignore_errors=True)

    def _key(self, picture: int) -> str:
        return self.hash.digest(content(picture)).hex()

    # What happens to the files

    def _write(self, name: str, picture: int) -> None:
        file = self.top / "pictures" / name
        file.write_bytes(content(picture))
        self.clock += 10**9
        os.utime(file, ns=(self.clock, self.clock))
        self.disk[f"pictures/{name}"] = picture

    @rule(name=st.sampled_from(NAMES), picture=st.sampled_from(PICTURES))
    def put(self, name: str, picture: int) -> None:
        self._write(name, picture)

    @precondition(lambda self: len(self.disk) > 1)
    @rule(data=st.data(), to=st.sampled_from(NAMES), stays=st.booleans())
    def move(self, data: st.DataObject, to: str, stays: bool) -> None:
        path, target = data.draw(st.sampled_from(sorted(self.disk))), f"pictures/{to}"
        if path == target:
            return
        if stays:
            shutil.copy2(self.top / path, self.top / target)
            self.disk[target] = self.disk[path]
        else:
            os.replace(self.top / path, self.top / target)
            self.disk[target] = self.disk.pop(path)

    @precondition(lambda self: len(self.disk) > 1)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        (self.top / path).unlink()
        del self.disk[path]

    # What the store does

    def _did(self, changes: dict[str, Any]) -> None:
        before = {name: self.now[name] for name in changes}
        self.now |= changes
        self.done.append((before, changes))
        self.undone.clear()

    def _made(self, name: str | None, aliases: dict[str, int], space: str) -> None:
        if self.now["current"] and self.versions[self.now["current"]] == (aliases, space):
            assert name is None
            return
        assert name is not None and name not in self.versions
        self.versions[name] = aliases, space
        self._did({"current": name})

    @property
    def aliases(self) -> dict[str, int]:
        return self.versions[self.now["current"]][0]

    def _sync(self, space: str | None = None) -> None:
        wanted = space or (self.versions[self.now["current"]][1] if self.now["current"] else SPACES[0])
        report = self.store.sync([self.top / "pictures"], space=space, allow_mass_delete=True)
        self.known[wanted] |= set(self.disk.values())
        self._made(report.snapshot, dict(self.disk), wanted)

    @rule(space=st.sampled_from([None, *SPACES]))
    def sync(self, space: str | None) -> None:
        self._sync(space)

    @rule(space=st.sampled_from(SPACES))
    def use_model(self, space: str) -> None:
        if set(self.aliases.values()) <= self.known[space]:
            self._made(self.store.model_use(space).snapshot, dict(self.aliases), space)
        else:
            with pytest.raises(ModelError):
                self.store.model_use(space)

    @rule(data=st.data(), said=DECISIONS)
    def decide(self, data: st.DataObject, said: Said) -> None:
        pictures, over = ([self._word(one, data) for one in sorted(some)] for some in (said.pictures, said.over))
        self._decided(self.store.decide(said.verb, pictures, over=over), [said])

    @rule(data=st.data(), every=st.lists(DECISIONS, max_size=5))
    def decide_from_a_file(self, data: st.DataObject, every: list[Said]) -> None:
        file = self.top / "decisions.jsonl"
        rows = [
            {
                "verb": said.verb,
                "pictures": [self._word(one, data) for one in said.pictures],
                "over": [self._word(one, data) for one in said.over],
            }
            for said in every
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self._decided(self.store.decide(rows=file), every)
        again = self.store.decide(rows=file)
        assert (again.made, again.known) == (0, len(every))

    def _word(self, picture: int, data: st.DataObject) -> str:
        """A key, or a stored path."""
        paths = [path for path, one in self.aliases.items() if one == picture]
        return data.draw(st.sampled_from([self._key(picture), *paths]))

    def _decided(self, report: Any, every: list[Said]) -> None:
        before, after = self.now["decided"], tuple(self._listed())
        news = after[len(before) :]
        assert (after[: len(before)], report.made, report.known) == (before, len(news), len(every) - len(news))
        rest = iter(every)
        assert all(said in rest for said in news), "some of them, in their order"
        for one, other in combinations_with_replacement(PICTURES, 2):
            assert held(after, one, other) == held((*before, *every), one, other), "as if all had been made"
        about = {one for said in news for one in said.about}
        assert (report.pictures, report.absent) == (len(about), len(about - set(self.aliases.values())))
        if news:
            self._did({"decided": after})

    def _listed(self) -> list[Said]:
        """The decisions in force, oldest first."""
        number = {self._key(one): one for one in PICTURES}
        rows = self.store.decisions().decisions
        return [
            Said(row.verb, *(frozenset(number[one.key.hex()] for one in some) for some in (row.pictures, row.over)))
            for row in reversed(rows)
        ]

    def _kept(self) -> list[str]:
        return sorted(self.versions.keys() - self.now["forgotten"])

    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._kept()))
        self.store.rollback(name)
        if name != self.now["current"]:
            self._did({"current": name})

    @rule(data=st.data())
    def forget_and_gc(self, data: st.DataObject) -> None:
        free = [name for name in self._kept() if name != self.now["current"]]
        gone = data.draw(st.sets(st.sampled_from(free), max_size=2)) if free else set()
        if gone:
            self.store.snapshot_forget(sorted(gone))
            self.now["forgotten"] |= gone
        if self.store.gc().changed:
            self.done.clear()
            self.undone.clear()
            for name in self.now["forgotten"]:
                del self.versions[name]
            self.now["forgotten"] = frozenset()

    @rule()
    def work_with_a_copy(self) -> None:
        """The store goes to another disk, with its pictures; the first one is lost."""
        self.store.close()
        before, self.top = self.top, Path(tempfile.mkdtemp(prefix="vstore-decisions-"))
        shutil.copytree(before, self.top, dirs_exist_ok=True)
        shutil.rmtree(before)
        self.store = self._opened(self.top)

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        self.store.undo()
        before, after = self.done.pop()
        self.now |= before
        self.undone.append((before, after))

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        self.store.redo()
        before, after = self.undone.pop()
        self.now |= after
        self.done.append((before, after))

    @invariant()
    def what_was_decided_holds(self) -> None:
        if not hasattr(self, "store"):
            return
        decided = self.now["decided"]
        assert self._listed() == list(decided)
        rows = self.store.decisions().decisions
        assert sorted((row.time for row in rows), reverse=True) == [row.time for row in rows]
        first = {self._key(one): path for path, one in sorted(self.aliases.items(), reverse=True)}
        for row in rows:
            for picture in (*row.pictures, *row.over):
                path = first.get(picture.key.hex())
                assert picture.path == (None if path is None else os.fsencode(path))
        verdicts = Verdicts(newest_decisions(self.store._repo))
        for one, other in combinations(PICTURES, 2):
            found = verdicts.of(bytes.fromhex(self._key(one)), bytes.fromhex(self._key(other)))
            assert (None if found is None else found.verb) == next(iter(held(decided, one, other)), None)


def held(decided: tuple[Said, ...], one: int, other: int) -> tuple[str, ...]:
    """What holds about two pictures, and which of them are to stay; about one: whether its copies all are."""
    if one == other:
        newest = next((said for said in reversed(decided) if said.verb == "keep" and one in said.about), None)
        return () if newest is None or newest.over else ("keep",)
    found = next((said for said in reversed(decided) if {one, other} <= said.about), None)
    return () if found is None else (found.verb, *(str(picture in found.over) for picture in (one, other)))


DecisionMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "40")),
    derandomize="VSTORE_EXAMPLES" not in os.environ,  # the short form is the same each time
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestDecisionMachine = DecisionMachine.TestCase
