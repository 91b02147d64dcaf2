"""The whole store played against a dict: whatever is done to folders and versions, every path finds its own picture.

The state is kept so small that every few snapshots cross into the tree, and pages hold few entries.
"""

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
from support import kinds
from support.folders import ClosedOs, Unflushed
from support.lost import lose, pages_of
from support.same_decisions import same_decisions

import vstore.intake.reader
import vstore.pictures.listing
import vstore.pictures.rules
import vstore.pictures.scan
import vstore.repository.places
from vstore.disk import durable
from vstore.disk.durable import TEMPORARY
from vstore.errors import NothingToUndo, Refused, UsageError
from vstore.format import cutting, history, listing
from vstore.format.fields import FieldValue
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.repository.fields import every_field, set_fields
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder
from vstore.versions.log import LogRow

Aliases = dict[bytes, int]  # stored path -> number of its picture
Fields = dict[tuple[int, str], FieldValue]  # number of a picture, name of a field

FOLDERS = ("", "a", "a/b", "c d", "é")
NAMES = ("1.png", "2.PNG", "z.png", "\udcff.png", "new\nline.png")
ROOTS = st.sampled_from(["one", "two"])
PATHS = st.sampled_from([f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in NAMES])
PARTS = st.sampled_from(["a", "a/b", "c d", "é"])
PICTURES = st.integers(0, 11)  # number 0 does not decode
VALUES: list[FieldValue | None] = ["text", 5, 0.5, False, ("a", "b"), None, None]
SMALL = ((listing, "WINDOW", 2), (listing, "PENDING", 2), (cutting, "TARGET", 3), (history, "LINES", 5))
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

    closed: folders without permission. fields: those of each version. now: what undo brings back. done, undone: the
    operations in force, and those that an undo took back, each as (before, after). told: the newest lines of the log.
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
        self.versions: dict[str, Aliases] = {}
        self.fields: dict[str, Fields] = {}
        self.next = 1
        self.trees: dict[str, bytes] = {}
        self.collected: dict[str, tuple[Aliases, Fields, bytes]] = {}
        self.now: dict[str, Any] = {"current": None, "tags": {}, "hold": None, "forgotten": set(), "decisions": []}
        self.now |= {f"root {root}": False for root in self.disk}
        self.told: list[LogRow] = []
        self.done: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.undone: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.seen: set[int] = set()
        self.packs: set[str] = set()  # all that any record listed
        self.clock = 10**18
        self.settled_ns = vstore.intake.reader.SETTLED_NS
        durable.disk = Unflushed()
        self.patch = pytest.MonkeyPatch()
        for module, name, value in SMALL:
            self.patch.setattr(module, name, value)
        same_decisions(self.patch)
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
            self.patch.undo()
            for looking in LOOKING:
                looking.os = os  # type: ignore[assignment]
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

    def _never_was(self, part: str, before: Aliases) -> bool:
        known = any((path + b"/").startswith(os.fsencode(part) + b"/") for path in before)
        root, _, path = part.partition("/")
        return not known and not self._is_closed(root, path) and not os.path.lexists(self.top / part)

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
        if any(self._never_was(f"{root}/{part}", before) for root, part in targets if part):
            with pytest.raises(UsageError, match="does not exist"):
                self.store.sync(paths)
            return
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
        new_roots = {f"root {root}": True for root, _ in targets if root not in self.synced}
        fresh = set(expected.values()) - self.seen
        assert self.fake.embedded - embedded == report.embedded == len(fresh), "same content is embedded once"
        self.seen |= fresh
        if expected == before:
            assert report.snapshot is None
            self.now |= new_roots  # of a record that is never undone
        else:
            self._made(report.snapshot, expected, dict(self._current_fields()), new_roots)
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

    def _made(self, name: str | None, aliases: Aliases, fields: Fields, roots: dict[str, bool] | None = None) -> None:
        """Note that the store made the next version, and that it is current."""
        assert name == f"v{self.next}", "no number is given twice"
        self.next += 1
        self.versions[name], self.fields[name] = aliases, fields
        self._did({"current": name, **(roots or {})})

    @property
    def synced(self) -> set[str]:
        """The folders that the store knows."""
        return {name.removeprefix("root ") for name, known in self.now.items() if name.startswith("root ") and known}

    def _current_fields(self) -> Fields:
        return self.fields[self.now["current"]] if self.now["current"] else {}

    def _kept(self) -> list[str]:
        return sorted(self.versions.keys() - self.now["forgotten"])

    @precondition(lambda self: self.now["current"])
    @rule(data=st.data())
    def set_fields(self, data: st.DataObject) -> None:
        """Some fields of some pictures, which may be no longer there, get another value, or go."""
        pictures = st.tuples(st.integers(1, 11), st.sampled_from(["note", "stars"]))
        edits = data.draw(st.dictionaries(pictures, st.sampled_from(VALUES), min_size=1, max_size=8))
        repo = self.store._repo
        by_key = {(repo.hash.digest(FILES[number]), name): value for (number, name), value in edits.items()}
        if self.now["hold"] is not None:
            with pytest.raises(Refused):
                set_fields(repo, by_key)
            return
        expected = {**self._current_fields(), **edits}
        expected = {field: value for field, value in expected.items() if value is not None}
        made = set_fields(repo, by_key, "fields")
        if expected == self._current_fields():
            assert made is None
        else:
            assert made is not None
            self._made(made.name, dict(self._current()), expected)

    @precondition(lambda self: self.now["current"] and self.now["hold"] is None)
    @rule(times=st.integers(2, 6))
    def grow_old(self, times: int) -> None:
        """Version after version is made, so that earlier ones leave the state."""
        for _ in range(times):
            expected = {**self._current_fields(), (1, "age"): self.next}
            made = set_fields(self.store._repo, {(self.store._repo.hash.digest(FILES[1]), "age"): self.next})
            assert made is not None
            self._made(made.name, dict(self._current()), expected)

    @rule(numbers=st.sets(st.integers(1, 11), min_size=2, max_size=4), verb=st.sampled_from(["same", "different"]),
          times=st.integers(1, 6))  # fmt: skip
    def decide(self, numbers: set[int], verb: str, times: int) -> None:
        repo = self.store._repo
        keys = sorted(repo.hash.digest(FILES[number]) for number in numbers)
        decide(repo, [Choice(verb, keys)] * times)
        self._did({"decisions": [*self.now["decisions"], *[(verb, tuple(keys))] * times]})

    @precondition(lambda self: self.now["current"])
    @rule(number=st.integers(1, 3))
    def fetch(self, number: int) -> None:
        """A snapshot of another store comes; it has the pictures and the fields of the current one."""
        name = f"origin/v{number}"
        if name not in self.versions:
            kinds.fetch(self.store._repo, name)
            self.versions[name], self.fields[name] = dict(self._current()), dict(self._current_fields())
            self._did({})

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        musts = {self.now["current"], self.now["hold"], *self.now["tags"].values()}
        free = [name for name in self._kept() if name not in musts]
        if free:
            names = data.draw(st.lists(st.sampled_from(free), min_size=1, max_size=4, unique=True))
            assert set(self.store.snapshot_forget(names).forgotten) == set(names)
            self._did({"forgotten": self.now["forgotten"] | set(names)})

    @rule()
    def gc(self) -> None:
        """Forgotten versions go, and undo ends; vectors stay, as they are young."""
        report = self.store.gc()
        assert report.snapshots == len(self.now["forgotten"])
        if report.changed:
            for name in self.now["forgotten"]:
                self.collected[name] = self.versions.pop(name), self.fields.pop(name), self.trees.pop(name)
            self.now["forgotten"] = set()
            self._barrier()

    def _barrier(self) -> None:
        self.done.clear()
        self.undone.clear()

    @rule(harm=st.sampled_from(["none", "leaf", "root", "all"]))
    def repair(self, harm: str) -> None:
        """The list of snapshots is damaged, or nothing is: then a repair changes nothing."""
        repo = self.store._repo
        repo.reload()
        root = repo.state.root("snapshots")
        pages = list(pages_of(repo, root)) if root is not None else []
        lost = {"none": [], "leaf": pages[-1:], "root": pages[:1], "all": pages}[harm]
        self.store.close()
        lose(repo, *lost)
        report = Store.repair(self.top / ".vstore", load_embedder=lambda recipe: self.fake)
        self.open()
        assert report.changed is bool(lost)
        assert (report.degraded, report.embedded) == ((), 0)
        if lost:
            self._found_again()

    def _found_again(self) -> None:
        """Take over what only lost pages told: that a snapshot was forgotten, collected, or fetched."""
        found = {snapshot.name: snapshot.kept for snapshot in self.store._repo.listing.every()}
        gone = self.versions.keys() - found.keys()
        assert all("/" in name for name in gone) and self.now["current"] not in gone
        assert {name for name, kept in found.items() if not kept} <= self.now["forgotten"]
        for name in gone:
            del self.versions[name], self.fields[name], self.trees[name]
        for name in found.keys() - self.versions.keys():  # its manifest lies in a pack with what is used
            self.versions[name], self.fields[name], self.trees[name] = self.collected[name]
        self.now["forgotten"] = {name for name, kept in found.items() if not kept}
        self._barrier()

    @precondition(lambda self: self._kept())
    @rule(data=st.data(), hold=st.sampled_from([False, False, False, True]))
    def rollback(self, data: st.DataObject, hold: bool) -> None:
        name = data.draw(st.sampled_from(self._kept()))
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

    @precondition(lambda self: self._kept())
    @rule(data=st.data(), tag=st.sampled_from(["good", "best"]))
    def tag(self, data: st.DataObject, tag: str) -> None:
        name = data.draw(st.sampled_from(self._kept()))
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

    @precondition(lambda self: self._kept())
    @rule(data=st.data(), number=st.integers(1, 11))
    def search(self, data: st.DataObject, number: int) -> None:
        """Any version answers from its own pictures and its own paths, whatever is current."""
        name = data.draw(st.sampled_from(self._kept()))
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
        listed = {snapshot.name: snapshot for snapshot in repo.listing.every()}
        assert listed.keys() == self.versions.keys()
        assert {name for name, snapshot in listed.items() if not snapshot.kept} == self.now["forgotten"]
        assert len([name for name in repo.state.window if repo.state.is_pending(name)]) <= listing.PENDING
        for name, expected in self.versions.items():
            snapshot = listed[name]
            assert repo.listing.find(name) == snapshot
            root = repo.manifest(snapshot).tree
            assert self.trees.setdefault(name, root) == root, "no snapshot ever changes"
            aliases = dict(repo.tree(snapshot))
            assert aliases == {path: repo.hash.digest(FILES[number]) for path, number in expected.items()}
            assert (snapshot.paths, snapshot.images) == (len(expected), len(set(expected.values())))
            fields = {(field.key, field.name): field.value for field in every_field(repo, snapshot)}
            assert fields == {
                (repo.hash.digest(FILES[n]), what): value for (n, what), value in self.fields[name].items()
            }

    @invariant()
    def decisions_are_those_in_force(self) -> None:
        if hasattr(self, "store"):
            found = list(newest_decisions(self.store._repo))[::-1]
            assert [(decision.verb, decision.keys) for decision in found] == self.now["decisions"]
            assert len({decision.time for decision in found}) == len(found)

    @invariant()
    def what_the_log_told_it_tells_for_ever(self) -> None:
        if hasattr(self, "store"):
            rows = self.store.log()
            told = len(self.told)
            assert [row._replace(undone=False) for row in rows[-told:] if told] == self.told
            self.told = [row._replace(undone=False) for row in rows]
            assert self.store.log(2) == rows[:2]
            assert self.store.why_log_is_cut is None

    @invariant()
    def versions_stand_where_they_should(self) -> None:
        if hasattr(self, "store"):
            state = self.store._repo.state
            assert (state.current, state.tags, state.hold) == tuple(self.now[n] for n in UNDONE)
            assert state.roots.keys() == self.synced

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
        """No file but what the records name, or named before a merge: nothing failed here."""
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        folder = repo.layout.folder
        for record in repo.records():
            self.packs.update(record.changes.get("packs", {}), (record.whole or {}).get("packs", {}))
        present = {p.name for p in (folder / "packs").iterdir()}
        assert {ref.name for ref in repo.state.packs} <= present <= self.packs
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
