"""Syncs played against a model that works out from the disk alone what a snapshot must hold, option by option."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from PIL import Image
from support.folders import ClosedOs, Unflushed, stats_of

import vstore.intake.lazy_model
import vstore.intake.reader
import vstore.pictures.listing
import vstore.pictures.rules
import vstore.pictures.scan
import vstore.repository.places
from vstore.disk import durable
from vstore.errors import UsageError
from vstore.format.entries import Snapshot
from vstore.store import Store
from vstore.sync.report import SyncReport
from vstore.testing import FakeEmbedder

Aliases = dict[str, int]  # stored path -> number of its picture

GARBAGE, UNFIT = 0, 1  # pictures that do not decode, and that the model has no vector for
ROOTS = st.sampled_from(["one", "two"])
FOLDERS = ("", "a/", "a/b/", "c/", "x.png/")
NAMES = ("1.png", "2.png", "x.png", "notes.txt")
FILES = st.sampled_from([folder + name for folder in FOLDERS for name in NAMES])
PLACES = st.sampled_from(["a", "a/b", "c", "x.png"])
PARTS = st.sampled_from(["a", "a/b", "c", "x.png", "1.png", "a/1.png", "a/b/2.png", "x.png/1.png", "c/notes.txt"])
SOME, MANY = range(2, 8), range(8, 200)  # pictures of which there are often several, and of which there is often one
NUMBERS = st.sampled_from([*SOME, *SOME, GARBAGE, UNFIT]) | st.sampled_from(MANY)
FRESH = st.dictionaries(FILES, st.sampled_from(MANY), min_size=2, max_size=6)
LOOKING = (  # the modules whose os looks at pictures
    vstore.pictures.listing,
    vstore.pictures.rules,
    vstore.pictures.scan,
    vstore.repository.places,
    vstore.intake.reader,
)
EXCLUDES = st.sampled_from(["a/", "/a/b/", "2.png", "c/1.png", "x.png"])


def excluded(pattern: str, path: str) -> bool:
    """Tell whether a pattern hides a path: gitignore's rules for the few patterns that are played with here."""
    folders = path.split("/")[:-1]
    if pattern.startswith("/"):
        return path.startswith(pattern[1:])
    if pattern.endswith("/"):
        return pattern[:-1] in folders
    if "/" in pattern:
        return path == pattern or path.startswith(pattern + "/")
    return pattern in path.split("/")


@functools.cache
def picture(number: int) -> bytes:
    if number == GARBAGE:
        return b"not a picture"
    out = io.BytesIO()
    Image.new("RGB", (4, 3), (number, 0, 0)).save(out, "BMP")
    return out.getvalue()


class Picky(FakeEmbedder):
    """Has no vector for one of the pictures. `act` is called with the number of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Any = lambda batch: None

    def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
        rows = super().embed_images(pictures)
        self.act(self.calls)
        for row, image in zip(rows, pictures, strict=True):
            if image.getpixel((0, 0)) == (UNFIT, 0, 0):
                row[0] = np.nan
        return rows


class SyncMachine(RuleBasedStateMachine):
    """disk: root -> {relative path: number}. versions: vN -> aliases, under the labels of today. closed: files and
    folders of `disk` without permission, as (root, path); a closed file was written just before, so that nothing can
    be known of it. inner: `one/a` was a root of its own first; older: the versions that have its paths below `a/`."""

    @initialize(
        paths=st.lists(FILES, max_size=12, unique=True),
        numbers=st.lists(NUMBERS, min_size=12, max_size=12),
        inner=st.booleans(),
    )
    def begin(self, paths: list[str], numbers: list[int], inner: bool) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-sync-"))
        self.fake = Picky()
        self.load = lambda recipe: self.fake
        Store.init(self.top / ".vstore", recipe=self.fake.recipe)
        self.store = Store(self.top / ".vstore", load_embedder=self.load)
        self.disk: dict[str, dict[str, int]] = {"one": {}, "two": {}}
        self.limbo: dict[str, int] | None = None
        for root in self.disk:
            (self.top / root).mkdir()
        self.excludes: dict[str, list[str]] = {"one": [], "two": []}
        self.ignores: dict[str, dict[str, str]] = {"one": {}, "two": {}}  # folder -> the line of its ignore file
        self.closed: set[tuple[str, str]] = set()
        self.identities: set[tuple[int, int]] = set()
        self.numbers = {self.store._repo.hash.digest(picture(number)): number for number in range(MANY.stop)}
        self.known: set[str] = set()
        self.inner = False
        self.older: set[str] = set()
        self.versions: dict[str, Aliases] = {}
        self.current: str | None = None
        self.embedded: set[int] = set()
        self.clock = 10**18
        self.before = {
            (durable, "disk"): durable.disk,
            **{(module, "os"): os for module in LOOKING},
            (vstore.intake.reader, "SETTLED_NS"): vstore.intake.reader.SETTLED_NS,
            (vstore.intake.lazy_model, "BATCH"): vstore.intake.lazy_model.BATCH,
        }
        for module in LOOKING:
            module.os = ClosedOs(self.identities)
        durable.disk = Unflushed()
        vstore.intake.reader.SETTLED_NS = 0  # as if every file had been written long ago
        vstore.intake.lazy_model.BATCH = 2
        for path, number in zip(paths, numbers, strict=False):
            self._put("one" if number % 3 else "two", path, number)
        if inner and any(path.startswith("a/") and path.endswith(".png") for path in self.disk["one"]):
            self.inner = True
            self._sync([("one", "a")], [self.top / "one/a"], {})
        else:
            roots = [root for root in self.disk if self._lists_some(root)]
            self._sync([(root, "") for root in roots], [self.top / root for root in roots], {})

    def teardown(self) -> None:
        if hasattr(self, "before"):
            self.store.close()
            for (module, name), value in self.before.items():
                setattr(module, name, value)
            shutil.rmtree(self.top, ignore_errors=True)

    # What happens to the folders

    def _clear(self, root: str, path: str) -> None:
        """Make room for a path: no file above it, no folder in its place."""
        parts = path.split("/")
        for i in range(1, len(parts) + 1):
            above = self.top / root / "/".join(parts[:i])
            if i < len(parts) and above.is_file():
                above.unlink()
                self.disk[root].pop("/".join(parts[:i]), None)
            elif i == len(parts) and above.is_dir():
                shutil.rmtree(above)
                self.disk[root] = {p: n for p, n in self.disk[root].items() if not p.startswith(path + "/")}
                self.ignores[root] = {f: t for f, t in self.ignores[root].items() if not f.startswith(path + "/")}
        (self.top / root / path).parent.mkdir(parents=True, exist_ok=True)
        self._tidy()

    def _tidy(self) -> None:
        """Nothing that is gone is closed."""
        self.closed = {(root, path) for root, path in self.closed if os.path.lexists(self.top / root / path)}
        self.identities.clear()
        for root, path in self.closed:
            found = os.stat(self.top / root / path)
            self.identities.add((found.st_dev, found.st_ino))

    def _write(self, root: str, path: str, number: int) -> None:
        self._clear(root, path)
        file = self.top / root / path
        file.unlink(missing_ok=True)
        file.write_bytes(picture(number))
        self.clock += 10**9
        os.utime(file, ns=(self.clock, self.clock))
        self.disk[root][path] = number
        self._tidy()

    def _put(self, root: str, path: str, number: int) -> None:
        self.closed.discard((root, path))
        self._write(root, path, number)

    @rule(root=ROOTS, paths=st.lists(FILES, max_size=8, unique=True), numbers=st.lists(NUMBERS, min_size=8, max_size=8))
    def put(self, root: str, paths: list[str], numbers: list[int]) -> None:
        for path, number in zip(paths, numbers, strict=False):
            self._put(root, path, number)

    @rule(
        what=st.sampled_from(["touch", "delete", "rename", "rename", "swap", "close"]), root=ROOTS, to=ROOTS,
        path=FILES, number=NUMBERS, data=st.data(),
    )  # fmt: skip
    def edit_file(self, what: str, root: str, to: str, path: str, number: int, data: st.DataObject) -> None:
        free = sorted(p for p in self.disk[root] if (root, p) not in self.closed)
        if what == "close":
            self._write(root, path, number)
            self.closed.add((root, path))
        elif what == "swap" and len(free) >= 2:
            a, b = data.draw(st.lists(st.sampled_from(free), min_size=2, max_size=2, unique=True))
            os.replace(self.top / root / a, self.top / "spare")
            os.replace(self.top / root / b, self.top / root / a)
            os.replace(self.top / "spare", self.top / root / b)
            self.disk[root][a], self.disk[root][b] = self.disk[root][b], self.disk[root][a]
        elif free:
            old = data.draw(st.sampled_from(free))
            if what == "touch":
                self.clock += 10**9
                os.utime(self.top / root / old, ns=(self.clock, self.clock))
            elif what == "delete":
                (self.top / root / old).unlink()
                del self.disk[root][old]
            elif what == "rename":
                self._rename(root, old, to, path)
        self._tidy()

    def _rename(self, root: str, old: str, to: str, path: str) -> None:
        if root == to and ((path + "/").startswith(old + "/") or (old + "/").startswith(path + "/")):
            return
        self._clear(to, path)
        self.closed.discard((to, path))
        os.replace(self.top / root / old, self.top / to / path)
        self.disk[to][path] = self.disk[root].pop(old)

    @rule(what=st.sampled_from(["delete", "out", "in", "close"]), root=ROOTS, folder=PLACES)
    def edit_folder(self, what: str, root: str, folder: str) -> None:
        place = self.top / root / folder
        if what == "in" and self.limbo is not None:
            self._clear(root, folder)
            if place.is_file():
                place.unlink()
                del self.disk[root][folder]
            os.rename(self.top / "limbo", place)
            self.disk[root] |= {f"{folder}/{path}": number for path, number in self.limbo.items()}
            self.limbo = None
        elif place.is_dir() and what == "delete":
            shutil.rmtree(place)
            self._forget(root, folder)
        elif place.is_dir() and what == "close":
            self.closed.add((root, folder))
        elif place.is_dir() and what == "out" and self.limbo is None:
            ignored = any(f.startswith(folder + "/") for f in self.ignores[root])
            if not ignored and not any(r == root and (p + "/").startswith(folder + "/") for r, p in self.closed):
                os.rename(place, self.top / "limbo")
                self.limbo = {p[len(folder) + 1 :]: n for p, n in self.disk[root].items() if p.startswith(folder + "/")}
                self._forget(root, folder)
        self._tidy()

    def _forget(self, root: str, folder: str) -> None:
        self.disk[root] = {p: n for p, n in self.disk[root].items() if not p.startswith(folder + "/")}
        self.ignores[root] = {f: t for f, t in self.ignores[root].items() if not f.startswith(folder + "/")}

    @rule(root=ROOTS, folder=st.sampled_from(["", "a/", "c/"]), line=st.sampled_from(["", "1.png", "b/"]))
    def ignore(self, root: str, folder: str, line: str) -> None:
        if (self.top / root / folder).is_dir():
            file = self.top / root / folder / ".vstoreignore"
            if line:
                file.write_text(line + "\n")
                self.ignores[root][folder] = line
            else:
                file.unlink(missing_ok=True)
                self.ignores[root].pop(folder, None)

    @precondition(lambda self: self.closed)
    @rule()
    def open_all(self) -> None:
        self.closed.clear()
        self._tidy()

    # The model

    def _hidden(self, root: str, path: str) -> bool:
        """Tell whether a path is hidden by excludes or ignore files. A folder's ends in a slash."""
        if any(excluded(pattern, path) for pattern in self.excludes[root]):
            return True
        return any(path.startswith(f) and excluded(line, path[len(f) :]) for f, line in self.ignores[root].items())

    def _closed_above(self, root: str, path: str) -> bool:
        """Tell whether a folder above a path is there, would be entered, and cannot be."""
        parts = path.split("/")
        above = ["/".join(parts[:i]) for i in range(1, len(parts))]
        closed = [f for f in above if (root, f) in self.closed and f not in self.disk[root]]
        return any(not self._hidden(root, folder + "/") for folder in closed)

    def _expected(self, targets: list[tuple[str, str]]) -> tuple[Aliases, set[str], set[str]]:
        """Work out the snapshot after a sync of these parts of roots: its aliases, those carried over, those failed."""
        before = self.versions[self.current] if self.current else {}
        after: Aliases = {}
        carried: set[str] = set()
        failed: set[str] = set()
        everything = {f"{root}/{path}": number for root in self.disk for path, number in self.disk[root].items()}
        for stored in before.keys() | everything.keys():
            root, _, path = stored.partition("/")
            if not any(root == r and (path + "/").startswith(p + "/" if p else "") for r, p in targets):
                if stored in before:
                    after[stored] = before[stored]
                continue
            if self._closed_above(root, path):
                if stored in before:
                    after[stored] = before[stored]
                    carried.add(stored)
                continue
            number = everything.get(stored)
            if number is None or not path.endswith(".png") or self._hidden(root, path):
                continue
            if (root, path) in self.closed:
                failed.add(stored)
                if stored in before:
                    after[stored] = before[stored]
                    carried.add(stored)
            elif number in (GARBAGE, UNFIT):
                failed.add(stored)
            else:
                after[stored] = number
        return after, carried, failed

    def _classes(self, before: Aliases, after: Aliases, carried: set[str], failed: set[str]) -> dict[str, int]:
        added = Counter(number for path, number in after.items() if path not in before)
        gone = Counter(number for path, number in before.items() if path not in after and path not in failed)
        return {
            "changed": sum(path in before and before[path] != number for path, number in after.items()),
            "renamed": sum(min(count, gone[number]) for number, count in added.items()),
            "added": sum(added.values()) - sum(min(count, gone[number]) for number, count in added.items()),
            "removed": sum(gone.values()) - sum(min(count, gone[number]) for number, count in added.items()),
            "carried": len(carried),
        }

    def _check_report(
        self, report: SyncReport, before: Aliases, after: Aliases, carried: set[str], failed: set[str]
    ) -> None:
        counts = self._classes(before, after, carried, failed)
        assert {
            "changed": report.changed,
            "renamed": report.renamed,
            "added": report.copied + report.known + report.new,
            "removed": report.removed,
            "carried": report.carried,
        } == counts
        assert (report.paths, report.images) == (len(after), len(set(after.values())))

    # Syncs

    @rule(
        roots=st.sampled_from([["one"], ["two"], ["one", "two"], []]),
        exclude=st.none() | EXCLUDES,
        include_again=st.booleans(),
        commit_every=st.sampled_from([1800.0, -1.0]),
    )
    def sync(self, roots: list[str], exclude: str | None, include_again: bool, commit_every: float) -> None:
        chosen = roots or sorted(self.known)
        excludes = self.excludes
        options: dict[str, Any] = {"commit_every": commit_every}
        self.excludes = {root: list(patterns) for root, patterns in excludes.items()}
        if exclude is not None:
            options["exclude"] = [exclude]
            for root in chosen:
                self.excludes[root] = list(dict.fromkeys([*self.excludes[root], exclude]))
        common = [p for p in excludes["one"] + excludes["two"] if all(p in excludes[r] for r in chosen)]
        if include_again and common and common[0] != exclude:
            options["no_exclude"] = [common[0]]
            for root in chosen:
                self.excludes[root].remove(common[0])
        new = [root for root in chosen if root not in self.known and not (root == "one" and self.inner)]
        if not chosen or not all(map(self._lists_some, new)) or (not roots and self._knows_inner()):
            self.excludes = excludes  # a new root with nothing in it is refused
            return
        self._sync([(root, "") for root in chosen], [self.top / root for root in roots], options)

    def _knows_inner(self) -> bool:
        """Tell whether `one/a` is a root still."""
        return self.inner and "one" not in self.known

    def _lists_some(self, root: str) -> bool:
        return any(
            path.endswith(".png") and not self._hidden(root, path) and not self._closed_above(root, path)
            for path in self.disk[root]
        )

    @precondition(lambda self: self.known)
    @rule(data=st.data(), parts=st.lists(PARTS, min_size=1, max_size=3, unique=True))
    def sync_parts(self, data: st.DataObject, parts: list[str]) -> None:
        root = data.draw(st.sampled_from(sorted(self.known)))
        self._sync([(root, part) for part in parts], [self.top / root / part for part in parts], {})

    def _sync(self, targets: list[tuple[str, str]], paths: list[Path], options: dict[str, Any]) -> None:
        if not targets:
            return
        before = dict(self.versions[self.current]) if self.current else {}
        outer = [(r, p) for r, p in targets if not any(r == root and p.startswith(f"{o}/") for root, o in targets)]
        parts = [f"{root}/{part}" for root, part in outer if part]
        if any(self._never_was(part, before) for part in parts):
            self._refused(paths, options)
            return
        after, carried, failed = self._expected(targets)
        embedded = self.fake.embedded
        report = self.store.sync(paths, allow_mass_delete=True, **options)
        self.known |= {root for root, part in targets if not part}
        self._note(before, after, report)
        self._check_report(report, before, after, carried, failed)
        assert failed <= {self._today(failure.path) for failure in report.failed}
        new = set(after.values()) - self.embedded
        self.embedded |= new
        assert report.embedded == len(new), "same content is embedded once"
        assert self.fake.embedded - embedded >= report.embedded
        if any(self._never_was(part, after) for part in parts):  # one is gone now, from the snapshot too
            self._refused(paths, {})
            return
        again = self.store.sync(paths, allow_mass_delete=True)
        assert (again.snapshot, again.embedded, again.paths) == (None, 0, len(after)), "a second sync changes nothing"
        written = stats_of(self.top / ".vstore")
        self.store.sync(paths, allow_mass_delete=True)
        assert stats_of(self.top / ".vstore") == written, "and then there is nothing left to remember"

    def _refused(self, paths: list[Path], options: dict[str, Any]) -> None:
        """A part that is neither there nor in the current snapshot is taken for misspelled: no record is written."""
        records = sorted(os.listdir(self.top / ".vstore" / "refs"))
        with pytest.raises(UsageError, match="does not exist"):
            self.store.sync(paths, allow_mass_delete=True, **options)
        assert sorted(os.listdir(self.top / ".vstore" / "refs")) == records

    def _never_was(self, part: str, before: Aliases) -> bool:
        known = any((path + "/").startswith(part + "/") for path in before)
        root, _, path = part.partition("/")
        return not known and not self._closed_above(root, path) and not os.path.lexists(self.top / part)

    def _note(self, before: Aliases, after: Aliases, report: SyncReport) -> None:
        """Hold every snapshot that a run wrote against what it may hold; the last one must be whole."""
        relabels = self.current in self.older and "one" in self.known
        for snapshot in self._take_versions():
            held = self.versions[snapshot.name]
            assert (snapshot.paths, snapshot.images) == (len(held), len(set(held.values())))
            if snapshot.partial:
                assert before.keys() <= held.keys(), "no path is removed before all is hashed"
                assert all(number in (before.get(p), after.get(p)) for p, number in held.items())
        self._end(report, after, changed=before != after or relabels)

    def _end(self, report: SyncReport, after: Aliases, changed: bool) -> None:
        """Hold what is current after a run that came to its end against what it must be."""
        self.current = self.store._repo.state.current
        assert report.snapshot == (self.current if changed else None)
        assert (self.versions[self.current] if self.current else {}) == after
        if report.snapshot:
            assert not report.partial

    def _take_versions(self) -> list[Snapshot]:
        """Take over the snapshots that were written since, oldest first."""
        repo = self.store._repo
        repo.reload()
        new = [snapshot for snapshot in reversed(list(repo.listing.kept())) if snapshot.name not in self.versions]
        for snapshot in new:
            aliases = dict(repo.tree(snapshot))
            self.versions[snapshot.name] = {self._today(path): self._number(key) for path, key in aliases.items()}
            if any(path.startswith(b"a/") for path in aliases):
                self.older.add(snapshot.name)
        return new

    def _today(self, path: bytes) -> str:
        """A stored path as it is, or would be, called once `one` is a root."""
        return ("one/" if path.startswith(b"a/") else "") + os.fsdecode(path)

    def _number(self, key: bytes) -> int:
        return self.numbers[key]

    @precondition(lambda self: self.known and not self._knows_inner())
    @rule(batch=st.integers(1, 2), fresh=FRESH)
    def interrupted_sync(self, batch: int, fresh: dict[str, int]) -> None:
        """The run stops after a batch; a second one completes it."""
        self._put_fresh(fresh)
        stop = threading.Event()
        before = dict(self.versions[self.current]) if self.current else {}
        targets = [(root, "") for root in sorted(self.known)]
        after, _, _ = self._expected(targets)
        with self._during(batch, stop.set):
            report = self.store.sync((), allow_mass_delete=True, stop=stop)
        if report.interrupted:
            for snapshot in self._take_versions():
                assert snapshot.partial
                held = self.versions[snapshot.name]
                assert before.keys() <= held.keys()
                assert all(number in (before.get(p), after.get(p)) for p, number in held.items())
            self.current = self.store._repo.state.current
        else:
            self._note(before, after, report)
        self.embedded |= {self._number(key) for key in self._stored()}
        self._sync(targets, [], {})

    @precondition(lambda self: self.versions and self.known and not self._knows_inner())
    @rule(data=st.data(), batch=st.integers(1, 2), fresh=FRESH, commit_every=st.sampled_from([1800.0, -1.0]))
    def sync_through_a_rollback(
        self, data: st.DataObject, batch: int, fresh: dict[str, int], commit_every: float
    ) -> None:
        """Somebody makes another version current in the middle; the run builds on that."""
        self._put_fresh(fresh)
        name = data.draw(st.sampled_from(sorted(self.versions)))
        moved: list[str] = []
        targets = [(root, "") for root in sorted(self.known)]
        with (
            Store(self.top / ".vstore") as other,
            self._during(batch, lambda: moved.append(str(other.rollback(name).current))),
        ):
            report = self.store.sync((), allow_mass_delete=True, commit_every=commit_every)
        self._take_versions()
        base = name if moved else self.current
        self.current = base
        before = dict(self.versions[base]) if base else {}
        after, carried, failed = self._expected(targets)
        relabels = base in self.older and "one" in self.known
        self._end(report, after, changed=before != after or relabels)
        self._check_report(report, before, after, carried, failed)
        self.embedded |= set(after.values())
        self._sync(targets, [], {})

    def _put_fresh(self, fresh: dict[str, int]) -> None:
        """Pictures that nobody has embedded yet, most likely, so that there is something to do."""
        for path, number in fresh.items():
            self._put(min(self.known), path, number)

    @contextlib.contextmanager
    def _during(self, batch: int, act: Callable[[], object]) -> Iterator[None]:
        """Do something while the nth batch from now on is being embedded, if there is one."""
        calls = self.fake.calls
        self.fake.act = lambda number: act() if number - calls == batch else None
        try:
            yield
        finally:
            self.fake.act = lambda number: None

    def _stored(self) -> Iterator[bytes]:
        repo = self.store._repo
        for space in repo.state.spaces:
            for ref in repo.state.segments(space):
                yield from repo.segment(ref).key_list()

    @precondition(lambda self: self.known and not self._knows_inner())
    @rule()
    def status(self) -> None:
        """What status says is what a sync then does, as far as the pictures can be read."""
        targets = [(root, "") for root in sorted(self.known)]
        after, carried, failed = self._expected(targets)
        bad = [n for files in self.disk.values() for n in files.values() if n in (GARBAGE, UNFIT)]
        before = dict(self.versions[self.current]) if self.current else {}
        report = self.store.sync((), dry_run=True, allow_mass_delete=True)
        if not bad:
            self._check_report(report, before, after, carried, failed)
            assert report.to_embed == len(set(after.values()) - self.embedded)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        self.current = data.draw(st.sampled_from(sorted(self.versions)))
        self.store.rollback(self.current)

    @rule(what=st.sampled_from(["nothing", "catalogue"]))
    def reopen(self, what: str) -> None:
        self.store.close()
        if what == "catalogue":
            shutil.rmtree(self.top / ".vstore" / "catalogue", ignore_errors=True)
        self.store = Store(self.top / ".vstore", load_embedder=self.load)


SyncMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "120")),
    derandomize="VSTORE_EXAMPLES" not in os.environ,  # the short form is the same each time
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestSyncMachine = SyncMachine.TestCase
