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
from support.folders import ClosedOs, Unflushed

import vstore.intake.reader
import vstore.pictures.listing
import vstore.pictures.rules
import vstore.pictures.scan
import vstore.repository.places
from vstore.disk import durable
from vstore.disk.durable import TEMPORARY
from vstore.errors import NothingToUndo, Refused
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

Aliases = dict[bytes, int]  # stored path -> number of its picture

FOLDERS = ("", "a", "a/b", "c d", "é")
NAMES = ("1.png", "2.PNG", "z.png", "\udcff.png", "new\nline.png")
ROOTS = st.sampled_from(["one", "two"])
PATHS = st.sampled_from([f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in NAMES])
PARTS = st.sampled_from(["a", "a/b", "c d", "é"])
PICTURES = st.integers(0, 11)  # number 0 does not decode
LOOKING = (vstore.pictures.listing, vstore.pictures.rules, vstore.pictures.scan, vstore.repository.places)
UNDONE = ("current", "tags", "hold")


def picture(number: int) -> bytes:
    """A tiny picture, or for 0 something that is none."""
    if number == 0:
        return b"not a picture"
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


FILES = {number: picture(number) for number in range(12)}
FAKE = FakeEmbedder()
VECTORS = {number: FAKE.of(prepare(data, Preparation())[0]) for number, data in FILES.items() if number}


class StoreMachine(RuleBasedStateMachine):
    """Files on disk are `disk`: root -> {relative path: picture}; versions `versions`: vN -> {stored path: picture}.

    closed: folders without permission. now: what undo brings back. done, undone: the operations in force, and those
    that an undo took back, each as (before, after).
    """

    @initialize(
        dtype=st.sampled_from(["float16", "float32"]),
        hash=st.sampled_from(["xxh3_128", "sha256"]),
        settled=st.booleans(),
        files=st.dictionaries(PATHS, PICTURES, max_size=8),
    )
    def begin(self, dtype: str, hash: str, settled: bool, files: dict[str, int]) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-machine-"))
        self.fake = FakeEmbedder()
        Store.init(self.top / ".vstore", recipe=self.fake.recipe, store_dtype=dtype, hash=hash)
        self.disk: dict[str, dict[str, int]] = {"one": {}, "two": {}}
        for root in self.disk:
            (self.top / root).mkdir()
        self.closed: set[tuple[str, str]] = set()
        self.identities: set[tuple[int, int]] = set()
        self.synced: set[str] = set()
        self.versions: dict[str, Aliases] = {}
        self.trees: dict[str, bytes] = {}
        self.now: dict[str, Any] = {"current": None, "tags": {}, "hold": None}
        self.done: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.undone: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.seen: set[int] = set()
        self.clock = 10**18
        self.settled_ns = vstore.intake.reader.SETTLED_NS
        durable.disk = Unflushed()
        if settled:  # as if every file had been written long ago
            vstore.intake.reader.SETTLED_NS = 0
        for module in LOOKING:
            module.os = ClosedOs(self.identities)  # type: ignore[assignment]
        self.open()
        for path, number in files.items():
            self._write("one", path, number)
        self._sync([("one", "")], [self.top / "one"], "")

    def open(self) -> None:
        self.store = Store(self.top / ".vstore", load_embedder=lambda recipe: self.fake)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            vstore.intake.reader.SETTLED_NS = self.settled_ns
            durable.disk = durable.Disk()
            for module in LOOKING:
                module.os = os
            shutil.rmtree(self.top, ignore_errors=True)

    # What happens to the folders

    def _write(self, root: str, path: str, number: int) -> None:
        file = self.top / root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FILES[number])
        self.clock += 10**9
        os.utime(file, ns=(self.clock, self.clock))
        self.disk[root][path] = number

    @rule(root=ROOTS, files=st.dictionaries(PATHS, PICTURES, min_size=1, max_size=5))
    def put(self, root: str, files: dict[str, int]) -> None:
        for path, number in files.items():
            self._write(root, path, number)

    @rule(what=st.sampled_from(["delete", "rename", "swap", "duplicate"]), root=ROOTS, to=ROOTS, path=PATHS,
          data=st.data())  # fmt: skip
    def edit(self, what: str, root: str, to: str, path: str, data: st.DataObject) -> None:
        files = sorted(self.disk[root])
        if what == "swap" and len(files) >= 2:
            a, b = data.draw(st.lists(st.sampled_from(files), min_size=2, max_size=2, unique=True))
            os.replace(self.top / root / a, self.top / "spare")
            os.replace(self.top / root / b, self.top / root / a)
            os.replace(self.top / "spare", self.top / root / b)
            self.disk[root][a], self.disk[root][b] = self.disk[root][b], self.disk[root][a]
        elif files:
            old = data.draw(st.sampled_from(files))
            if what == "delete":
                (self.top / root / old).unlink()
                del self.disk[root][old]
            elif (root, old) != (to, path):
                (self.top / to / path).parent.mkdir(parents=True, exist_ok=True)
                if what == "rename":
                    os.replace(self.top / root / old, self.top / to / path)
                    self.disk[to][path] = self.disk[root].pop(old)
                elif what == "duplicate":
                    shutil.copy2(self.top / root / old, self.top / to / path)
                    self.disk[to][path] = self.disk[root][old]

    @rule(root=ROOTS, folder=PARTS)
    def delete_folder(self, root: str, folder: str) -> None:
        shutil.rmtree(self.top / root / folder, ignore_errors=True)
        self.disk[root] = {p: n for p, n in self.disk[root].items() if not p.startswith(folder + "/")}
        self.closed = {(r, f) for r, f in self.closed if (self.top / r / f).is_dir()}
        self._close()

    @rule(root=ROOTS, folder=PARTS)
    def close_folder(self, root: str, folder: str) -> None:
        """It becomes unreadable; what is edited in it nevertheless is seen once it is opened again."""
        if (self.top / root / folder).is_dir():
            self.closed.add((root, folder))
            self._close()

    @precondition(lambda self: self.closed)
    @rule()
    def open_folders(self) -> None:
        self.closed.clear()
        self._close()

    def _close(self) -> None:
        self.identities.clear()
        for root, folder in self.closed:
            found = os.stat(self.top / root / folder)
            self.identities.add((found.st_dev, found.st_ino))

    # What the store does

    def _did(self, changes: dict[str, Any]) -> None:
        before = {name: self.now[name] for name in changes}
        self.now |= changes
        self.done.append((before, dict(changes)))
        self.undone.clear()

    def _is_closed(self, root: str, path: str) -> bool:
        return any(r == root and (path + "/").startswith(folder + "/") for r, folder in self.closed)

    def _current(self) -> Aliases:
        return self.versions[self.now["current"]] if self.now["current"] else {}

    @rule(which=st.sampled_from([["one"], ["two"], ["one", "two"], []]), message=st.sampled_from(["", "hello"]))
    def sync(self, which: list[str], message: str) -> None:
        roots = which or sorted(self.synced)
        self._sync([(root, "") for root in roots], [self.top / root for root in which], message)

    @precondition(lambda self: self.synced)
    @rule(data=st.data(), part=PARTS)
    def sync_part(self, data: st.DataObject, part: str) -> None:
        root = data.draw(st.sampled_from(sorted(self.synced)))
        self._sync([(root, part)], [self.top / root / part], "")

    def _sync(self, targets: list[tuple[str, str]], paths: list[Path], message: str) -> None:
        for root, _ in targets:
            new = [number for path, number in self.disk[root].items() if not self._is_closed(root, path)]
            if root not in self.synced and not any(new):
                return
        if not targets:
            return
        if self.now["hold"] is not None:
            with pytest.raises(Refused):
                self.store.sync(paths)
            return
        before = dict(self._current())
        scope = [os.fsencode(f"{root}/{part}".rstrip("/")) + b"/" for root, part in targets]
        expected = {p: n for p, n in before.items() if not any(p.startswith(prefix) for prefix in scope)}
        broken: set[bytes] = set()
        carried: set[bytes] = set()
        for root, files in self.disk.items():
            for path, number in files.items():
                stored = os.fsencode(f"{root}/{path}")
                if any(stored.startswith(prefix) for prefix in scope) and not self._is_closed(root, path):
                    if number:
                        expected[stored] = number
                    else:
                        broken.add(stored)
        for stored, number in before.items():
            root, _, path = os.fsdecode(stored).partition("/")
            if any(stored.startswith(prefix) for prefix in scope) and self._is_closed(root, path):
                expected[stored] = number
                carried.add(stored)
        embedded = self.fake.embedded
        report = self.store.sync(paths, message=message, allow_mass_delete=True)
        self.synced.update(root for root, _ in targets)
        fresh = set(expected.values()) - self.seen
        assert self.fake.embedded - embedded == report.embedded == len(fresh), "same content is embedded once"
        self.seen |= fresh
        if expected == before:
            assert report.snapshot is None
        else:
            assert report.snapshot == f"v{len(self.versions) + 1}"
            self.versions[report.snapshot] = expected
            self._did({"current": report.snapshot})
        assert report.current == self.now["current"]
        assert (report.paths, report.images) == (len(expected), len(set(expected.values())))
        classes = ("unchanged", "changed", "renamed", "copied", "known", "new", "carried")
        inside = [path for path in expected if any(path.startswith(prefix) for prefix in scope)]
        assert sum(getattr(report, name) for name in classes) == len(inside), "each path is in one class"
        gone = [path for path in before if path not in expected and path not in broken]
        assert report.removed + report.renamed == len(gone)
        assert report.carried == len(carried)
        assert broken <= {failure.path for failure in report.failed}
        assert all(failure.path in broken or failure.kind == "permission" for failure in report.failed)

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), hold=st.sampled_from([False, False, False, True]))
    def rollback(self, data: st.DataObject, hold: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.versions)))
        self.store.rollback(name, hold=hold)
        wanted = {"current": name, "hold": name if hold else self.now["hold"]}
        changes = {key: value for key, value in wanted.items() if self.now[key] != value}
        if changes:
            self._did(changes)

    @precondition(lambda self: self.now["hold"] is not None)
    @rule()
    def release(self) -> None:
        self.store.rollback(release=True)
        self._did({"hold": None})

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), tag=st.sampled_from(["good", "best"]))
    def tag(self, data: st.DataObject, tag: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.versions)))
        if tag in self.now["tags"]:
            self.store.snapshot_untag(tag)
            self._did({"tags": {k: v for k, v in self.now["tags"].items() if k != tag}})
        self.store.snapshot_tag(name, tag)
        self._did({"tags": {**self.now["tags"], tag: name}})

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
        for folder in ("catalogue", "cache") if what == "both" else (what,):
            shutil.rmtree(self.top / ".vstore" / folder, ignore_errors=True)
        self.open()

    @precondition(lambda self: self.versions)
    @rule(data=st.data(), number=st.integers(1, 11))
    def search(self, data: st.DataObject, number: int) -> None:
        """Any version answers from its own pictures and its own paths, whatever is current."""
        name = data.draw(st.sampled_from(sorted(self.versions)))
        query = self.top / "query.png"
        query.write_bytes(FILES[number])
        report = self.store.search([Operand(1.0, os.fsencode(query))], k=1000, at=name)
        version = self.versions[name]
        assert {path for hit in report.hits for path in hit.paths} == version.keys()
        numbers = {self.store._repo.hash.digest(FILES[n]): n for n in FILES}
        for hit in report.hits:
            found = numbers[hit.key]
            assert set(hit.paths) == {path for path, n in version.items() if n == found}
            assert hit.score == pytest.approx(float(VECTORS[found] @ VECTORS[number]), abs=2e-3)
        if number in version.values():
            assert (report.hits[0].key, report.hits[0].score) == (self.store._repo.hash.digest(FILES[number]), 1.0)

    # What must hold

    @invariant()
    def every_version_is_what_it_was(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        repo.reload()
        assert {s.name for s in list(repo.listing.kept())} == set(self.versions)
        for name, expected in self.versions.items():
            snapshot = repo.snapshot(name)
            root = repo.manifest(snapshot).tree
            assert self.trees.setdefault(name, root) == root, "no snapshot ever changes"
            aliases = dict(repo.tree(snapshot))
            assert aliases == {path: repo.hash.digest(FILES[number]) for path, number in expected.items()}
            assert (snapshot.paths, snapshot.images) == (len(expected), len(set(expected.values())))

    @invariant()
    def versions_stand_where_they_should(self) -> None:
        if hasattr(self, "store"):
            state = self.store._repo.state
            assert (state.current, state.tags, state.hold) == tuple(self.now[n] for n in UNDONE)

    @invariant()
    def every_path_finds_its_own_vector(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        rows: dict[bytes, Any] = {}
        for space in repo.state.spaces:
            for ref in repo.state.segments(space):
                segment = repo.segment(ref)
                segment.verify()
                keys = segment.key_list()
                assert not rows.keys() & set(keys), "no key is stored twice"
                rows |= dict(zip(keys, segment.rows(), strict=True))
        assert rows.keys() == {repo.hash.digest(FILES[number]) for number in self.seen}
        for number in {n for version in self.versions.values() for n in version.values()}:
            row = rows[repo.hash.digest(FILES[number])]
            assert float(np.dot(row.astype(np.float32), VECTORS[number])) > 0.999

    @invariant()
    def nothing_lies_about(self) -> None:
        """No file but what the records name; nothing failed here, so there is no garbage either."""
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        folder = repo.layout.folder
        listed = {ref.name for ref in repo.state.packs}
        assert {p.name for p in (folder / "packs").iterdir()} == listed
        segments = {ref.name for space in repo.state.spaces for ref in repo.state.segments(space)}
        assert {p.name for p in (folder / "segments").iterdir()} == segments
        assert {p.name for p in (folder / "refs").iterdir()} == {f"{n:012d}.json" for n in repo.log.numbers()}
        assert not list((folder / "journal").iterdir())
        assert not [p for p in folder.rglob("*") if p.name.startswith(TEMPORARY)]


StoreMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "120")),
    derandomize="VSTORE_EXAMPLES" not in os.environ,  # the short form is the same each time
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestStoreMachine = StoreMachine.TestCase
