"""The whole store played against a dict: whatever is done to folders and versions, every path finds its own picture."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from PIL import Image

from vstore.durable import TEMPORARY
from vstore.errors import NothingToUndo, VstoreError
from vstore.images import Preparation, prepare
from vstore.store import Store
from vstore.testing import FakeEmbedder

FOLDERS = ("", "a", "a/b", "c d", "é")
NAMES = ("1.png", "2.PNG", "z.png", "\udcff.png", "new\nline.png")
PATHS = st.sampled_from([f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in NAMES])
PICTURES = st.integers(0, 11)  # number 0 does not decode


def picture(number: int) -> bytes:
    """A tiny picture, or for 0 something that is none."""
    if number == 0:
        return b"not a picture"
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


FILES = {number: picture(number) for number in range(12)}
UNDONE = ("current", "tags", "hold")


class StoreMachine(RuleBasedStateMachine):
    """Files on disk are `disk`: root -> {relative path: picture}; versions `versions`: vN -> {stored path: picture}."""

    @initialize(dtype=st.sampled_from(["float16", "float32"]))
    def begin(self, dtype: str) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-machine-"))
        self.fake = FakeEmbedder()
        Store.init(self.top / ".vstore", recipe=self.fake.recipe, store_dtype=dtype)
        self.disk: dict[str, dict[str, int]] = {"one": {}, "two": {}}
        for root in self.disk:
            (self.top / root).mkdir()
        self.synced: set[str] = set()
        self.versions: dict[str, dict[bytes, int]] = {}
        self.trees: dict[str, bytes] = {}
        self.now: dict[str, Any] = {"current": None, "tags": {}, "hold": None}
        self.done: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.undone: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.seen: set[int] = set()
        self.closed_folder: str | None = None
        self.open()

    def open(self) -> None:
        self.store = Store(self.top / ".vstore", load_embedder=lambda recipe: self.fake)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.top, ignore_errors=True)

    # What happens to the folders

    @rule(root=st.sampled_from(["one", "two"]), path=PATHS, number=PICTURES)
    def put(self, root: str, path: str, number: int) -> None:
        file = self.top / root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FILES[number])
        self.disk[root][path] = number

    @rule(root=st.sampled_from(["one", "two"]), data=st.data())
    def delete(self, root: str, data: st.DataObject) -> None:
        if self.disk[root]:
            path = data.draw(st.sampled_from(sorted(self.disk[root])))
            (self.top / root / path).unlink()
            del self.disk[root][path]

    @rule(source=st.sampled_from(["one", "two"]), to=st.sampled_from(["one", "two"]), path=PATHS, data=st.data())
    def rename(self, source: str, to: str, path: str, data: st.DataObject) -> None:
        if self.disk[source]:
            old = data.draw(st.sampled_from(sorted(self.disk[source])))
            (self.top / to / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.top / source / old, self.top / to / path)
            self.disk[to][path] = self.disk[source].pop(old)

    @rule(root=st.sampled_from(["one", "two"]), data=st.data())
    def swap(self, root: str, data: st.DataObject) -> None:
        if len(self.disk[root]) >= 2:
            a, b = data.draw(st.lists(st.sampled_from(sorted(self.disk[root])), min_size=2, max_size=2, unique=True))
            spare = self.top / "spare"
            os.replace(self.top / root / a, spare)
            os.replace(self.top / root / b, self.top / root / a)
            os.replace(spare, self.top / root / b)
            self.disk[root][a], self.disk[root][b] = self.disk[root][b], self.disk[root][a]

    @rule(root=st.sampled_from(["one", "two"]), path=PATHS, data=st.data())
    def duplicate(self, root: str, path: str, data: st.DataObject) -> None:
        if self.disk[root]:
            old = data.draw(st.sampled_from(sorted(self.disk[root])))
            if old != path:
                (self.top / root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.top / root / old, self.top / root / path)
                self.disk[root][path] = self.disk[root][old]

    @rule(root=st.sampled_from(["one", "two"]), folder=st.sampled_from(["a", "a/b", "c d"]))
    def delete_folder(self, root: str, folder: str) -> None:
        shutil.rmtree(self.top / root / folder, ignore_errors=True)
        self.disk[root] = {p: n for p, n in self.disk[root].items() if not p.startswith(folder + "/")}

    # What the store does

    def did(self, changes: dict[str, Any]) -> None:
        before = {name: self.now[name] for name in changes}
        self.now |= changes
        self.done.append((before, dict(changes)))
        self.undone.clear()

    @rule(which=st.sampled_from([["one"], ["two"], ["one", "two"], []]), message=st.sampled_from(["", "hello"]))
    def sync(self, which: list[str], message: str) -> None:
        roots = which or sorted(self.synced)
        if not roots or any(not any(self.disk[root].values()) and root not in self.synced for root in roots):
            return
        if self.now["hold"] is not None:
            with pytest.raises(VstoreError) as held:
                self.store.sync([self.top / root for root in which])
            assert held.value.exit_code == 5
            return
        before = dict(self.versions[self.now["current"]]) if self.now["current"] else {}
        expected = {p: n for p, n in before.items() if p.split(b"/")[0].decode() not in roots}
        for root in roots:
            expected |= {os.fsencode(f"{root}/{p}"): n for p, n in self.disk[root].items() if n}
        embedded = self.fake.embedded
        report = self.store.sync([self.top / root for root in which], message=message, allow_mass_delete=True)
        self.synced.update(roots)
        new = set(expected.values()) - self.seen
        assert self.fake.embedded - embedded == report.embedded == len(new), "same content is embedded once"
        self.seen |= new
        if expected == before:
            assert report.snapshot is None
        else:
            assert report.snapshot == f"v{len(self.versions) + 1}"
            self.versions[report.snapshot] = expected
            self.did({"current": report.snapshot})
        assert report.current == self.now["current"]
        assert report.paths == len(expected)
        assert report.images == len(set(expected.values()))
        classes = ("unchanged", "changed", "renamed", "copied", "known", "new")
        there = sum(getattr(report, name) for name in classes)
        assert there == sum(1 for root in roots for n in self.disk[root].values() if n)
        gone = [p for p in before if p not in expected]
        broken = {os.fsencode(f"{root}/{p}") for root in roots for p, n in self.disk[root].items() if not n}
        assert report.removed + report.renamed == len([p for p in gone if p not in broken])
        assert {failure.path for failure in report.failed} == broken

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), hold=st.booleans())
    def rollback(self, data: st.DataObject, hold: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.versions)))
        self.store.rollback(name, hold=hold)
        wanted = {"current": name, "hold": name if hold else self.now["hold"]}
        changes = {key: value for key, value in wanted.items() if self.now[key] != value}
        if changes:
            self.did(changes)

    @precondition(lambda self: self.now["hold"] is not None)
    @rule()
    def release(self) -> None:
        self.store.rollback(release=True)
        self.did({"hold": None})

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), tag=st.sampled_from(["good", "best"]))
    def tag(self, data: st.DataObject, tag: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.versions)))
        if tag in self.now["tags"]:
            self.store.snapshot_untag(tag)
            self.did({"tags": {k: v for k, v in self.now["tags"].items() if k != tag}})
        self.store.snapshot_tag(name, tag)
        self.did({"tags": {**self.now["tags"], tag: name}})

    @rule()
    def undo(self) -> None:
        if not self.done:
            with pytest.raises(NothingToUndo):
                self.store.undo()
            return
        self.store.undo()
        before, after = self.done.pop()
        self.now |= before
        self.undone.append((before, after))

    @rule()
    def redo(self) -> None:
        if not self.undone:
            with pytest.raises(NothingToUndo):
                self.store.redo()
            return
        self.store.redo()
        before, after = self.undone.pop()
        self.now |= after
        self.done.append((before, after))

    @rule(what=st.sampled_from(["nothing", "catalogue", "cache", "both"]))
    def reopen(self, what: str) -> None:
        self.store.close()
        if what in ("catalogue", "both"):
            shutil.rmtree(self.top / ".vstore" / "catalogue", ignore_errors=True)
        if what in ("cache", "both"):
            shutil.rmtree(self.top / ".vstore" / "cache")
            (self.top / ".vstore" / "cache").mkdir()
        self.open()

    # What must hold

    @invariant()
    def every_version_is_what_it_was(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        repo.reload()
        assert {s.name for s in repo.state.snapshots()} == set(self.versions)
        for name, expected in self.versions.items():
            snapshot = repo.snapshot(name)
            root = repo.manifest(snapshot).tree
            assert self.trees.setdefault(name, root) == root, "no snapshot ever changes"
            aliases = dict(repo.tree(snapshot))
            assert aliases == {path: repo.hash.digest(FILES[number]) for path, number in expected.items()}

    @invariant()
    def versions_stand_where_they_should(self) -> None:
        if hasattr(self, "store"):
            state = self.store._repo.state
            assert (state.current, state.tags, state.hold) == tuple(self.now[n] for n in UNDONE)

    @invariant()
    def every_path_finds_its_own_vector(self) -> None:
        if not hasattr(self, "store") or not self.now["current"]:
            return
        repo = self.store._repo
        rows = {}
        for ref in repo.state.segments(repo.snapshot("current").space):
            segment = repo.segment(ref)
            segment.verify()
            keys = segment.key_list()
            assert not rows.keys() & set(keys), "no key is stored twice"
            rows |= dict(zip(keys, segment.rows(), strict=True))
        for number in self.versions[self.now["current"]].values():
            prepared, _ = prepare(FILES[number], Preparation())
            row = rows[repo.hash.digest(FILES[number])]
            assert float(np.dot(row.astype(np.float32), self.fake.of(prepared))) > 0.999

    @invariant()
    def nothing_lies_about(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        folder = repo.layout.folder
        listed = {ref.name for ref in repo.state.packs}
        assert {p.name for p in (folder / "packs").iterdir()} == listed
        segments = {ref.name for space in repo.state.spaces for ref in repo.state.segments(space)}
        assert {p.name for p in (folder / "segments").iterdir()} == segments
        assert not list((folder / "journal").iterdir())
        assert not [p for p in folder.rglob("*") if p.name.startswith(TEMPORARY)]


StoreMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestStoreMachine = StoreMachine.TestCase
