"""Folders that come, go, and get one another's labels: no path of a snapshot ever leads to a file of another folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.folders import put

from vstore.errors import NothingToUndo, UsageError
from vstore.format.canonical import canonical
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

FOLDERS = ("one/p", "two/p", "three/q")  # two of them have one name, and all have files of one name
LABELS = st.sampled_from(["p", "q", "r", "p (before v3)"])


class Told(NamedTuple):
    """What an undo brings back."""

    current: str | None
    roots: bytes
    absorbed: bytes
    retired: bytes


class RootMachine(RuleBasedStateMachine):
    """done, undone: the operations in force, and those that an undo took back, each as (before, after)."""

    @initialize()
    def begin(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-roots-"))
        self.fake = FakeEmbedder()
        Store.init(self.top / ".vstore", recipe=self.fake.recipe)
        for number, folder in enumerate(FOLDERS):
            put(self.top / folder, {"a.png": number, "b/c.png": number + 10, "same.png": 20})
        self.done: list[tuple[Told, Told]] = []
        self.undone: list[tuple[Told, Told]] = []
        self.store = Store(self.top / ".vstore", load_embedder=lambda recipe: self.fake)
        self.act(self.store.sync, [self.top / FOLDERS[0]])
        self.act(self.store.sync, [self.top / FOLDERS[2]])

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.top, ignore_errors=True)

    @property
    def repo(self) -> Repository:
        self.store._repo.reload()
        return self.store._repo

    def told(self) -> Told:
        state = self.repo.state
        parts = (canonical(state.document.get(name, {})) for name in ("roots", "absorbed", "retired"))
        return Told(state.current, *parts)

    def labels(self) -> list[str]:
        return sorted(self.repo.state.roots)

    def left(self) -> list[str]:
        return [row.label for row in self.store.root_list() if row.place is None]

    def act(self, call: Any, *args: Any, **options: Any) -> None:
        """Do something that may be undone, or is refused."""
        before, number = self.told(), self.repo.tip.number
        try:
            call(*args, **options)
        except UsageError:
            assert self.told() == before
            return
        ops = [record.op for record in self.repo.records_backwards() if record.number > number]
        if set(ops) & {"sync", "rollback", "root remove", "root rename"}:
            self.done.append((before, self.told()))
            self.undone.clear()
        elif "roots" in ops:  # it is passed over by undo: what comes back before it is not all told
            self.done = [(told._replace(roots=b""), after) for told, after in self.done]

    # What happens

    @rule(folder=st.sampled_from(FOLDERS), label=st.none() | LABELS)
    def sync(self, folder: str, label: str | None) -> None:
        state = self.repo.state
        here = next(
            (one for one in state.roots.values() if self.repo.place(one) == os.fsencode(self.top / folder)), None
        )
        if here is None and label in state.roots:
            return  # the user says that the folder moved: its label stays on purpose
        self.act(self.store.sync, [self.top / folder], as_label=label, allow_mass_delete=True)

    @precondition(lambda self: self.labels())
    @rule()
    def sync_all(self) -> None:
        self.act(self.store.sync, allow_mass_delete=True)

    @precondition(lambda self: self.labels())
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.act(self.store.root_remove, data.draw(st.sampled_from(self.labels())))

    @precondition(lambda self: self.left())
    @rule(data=st.data())
    def remove_pictures_without_a_folder(self, data: st.DataObject) -> None:
        self.act(self.store.root_remove, data.draw(st.sampled_from(self.left())))

    @precondition(lambda self: self.labels())
    @rule(data=st.data(), label=LABELS)
    def rename(self, data: st.DataObject, label: str) -> None:
        self.act(self.store.root_rename, data.draw(st.sampled_from(self.labels())), label)

    @precondition(lambda self: self.store.snapshot_list())
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        names = [row.snapshot for row in self.store.snapshot_list()]
        self.act(self.store.rollback, data.draw(st.sampled_from(names)))

    @precondition(lambda self: not self.done)
    @rule()
    def undo_nothing(self) -> None:
        with pytest.raises(NothingToUndo):
            self.store.undo()

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        self.store.undo()
        pair = self.done.pop()
        self.undone.append(pair)
        self._is(pair[0])

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        self.store.redo()
        pair = self.undone.pop()
        self.done.append(pair)
        self._is(pair[1])

    def _is(self, wanted: Told) -> None:
        """What comes back is what was. Which folders labels meant may be told otherwise: more snapshots were made."""
        now = self.told()
        assert now.current == wanted.current
        if wanted.roots:
            assert (now.roots, now.absorbed) == (wanted.roots, wanted.absorbed)

    @rule(gc=st.booleans())
    def check(self, gc: bool) -> None:
        if gc and self.store.gc().changed:
            self.done.clear()
            self.undone.clear()
        assert self.store.check(read_data=True).ok

    # What must hold

    @invariant()
    def no_path_leads_to_another_picture(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.repo
        for snapshot in repo.listing.every():
            file_of = repo.file_finder(snapshot)
            for path, key in repo.tree(snapshot):
                file = file_of(path)
                if file is not None:
                    assert repo.hash.digest(Path(os.fsdecode(file)).read_bytes()) == key, (snapshot.name, path, file)

    @invariant()
    def the_folders_of_today_are_found_in_what_is_current(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.repo
        current = repo.state.current_snapshot
        for path, _ in repo.mapped_tree(current):
            if os.fsdecode(path.partition(b"/")[0]) in repo.state.roots:
                assert repo.file_finder(None)(path) is not None
        assert len(repo.mapped_tree(current)) == (current.paths if current else 0), "no path is lost by a name"

    @invariant()
    def no_label_means_two_things(self) -> None:
        if hasattr(self, "store"):
            state = self.repo.state
            assert not state.roots.keys() & state.absorbed.keys()
            last = [label for label, folders in state.retired.items() if any(not one.before for one in folders)]
            assert not state.roots.keys() & set(last)
            assert all(sum(not one.before for one in folders) <= 1 for folders in state.retired.values())

    @invariant()
    def each_picture_is_embedded_once(self) -> None:
        if hasattr(self, "store"):
            assert self.fake.embedded <= 7


RootMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "30")),
    derandomize="VSTORE_EXAMPLES" not in os.environ,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRootMachine = RootMachine.TestCase
