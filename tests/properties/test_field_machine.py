"""Labels played against a dict: what was said of a picture holds, whatever becomes of files, models and versions."""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.edited import edited
from support.folders import Unflushed, drawn

import vstore.intake.reader
from vstore.disk import durable
from vstore.errors import ModelError, Refused, UsageError
from vstore.fields import change, load, spool
from vstore.format import cutting
from vstore.format.fields import FieldValue
from vstore.repository.add_space import add_space
from vstore.repository.fields import every_field
from vstore.store import Store
from vstore.testing import FakeEmbedder

Picture = tuple[int, int]  # what is drawn, and which words are written into the file
Aliases = dict[str, Picture]
Fields = dict[tuple[Picture, str], FieldValue]

ROOTS = ("one", "two")
PATHS = st.sampled_from([f"{root}/{name}.png" for root in ROOTS for name in ("a", "b", "c")])
PICTURES = st.tuples(st.integers(1, 3), st.integers(0, 1))
NAMES = st.sampled_from(["label", "stars"])
VALUES = st.sampled_from(["cat", "dog", "", 5, 0.5, True, ("a", "b")])
SPACES = ("fake-1", "fake-2")
SMALL = ((change, "BLOCK", 2), (change, "_FEW", 1), (load, "_FEW", 2), (load, "_BLOCK", 1), (spool, "_BLOCK", 2))


@functools.cache
def content(picture: Picture) -> bytes:
    seed, words = picture
    return edited(seed, f"words {words}") if words else drawn(seed)


class FieldMachine(RuleBasedStateMachine):
    """disk: path -> picture. versions: vN -> its aliases, fields and space. known: pictures with a vector, by space.

    now: what undo brings back. done, undone: the operations in force and those taken back, each as (before, after).
    """

    @initialize(files=st.dictionaries(PATHS, PICTURES, max_size=6))
    def begin(self, files: dict[str, Picture]) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-fields-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(durable, "disk", Unflushed())
        self.patch.setattr(vstore.intake.reader, "SETTLED_NS", 0)
        self.patch.setattr(cutting, "TARGET", 3)
        for module, name, value in SMALL:
            self.patch.setattr(module, name, value)
        fakes = {name: FakeEmbedder(name) for name in SPACES}

        def load_embedder(recipe: Mapping[str, Any]) -> FakeEmbedder:
            return fakes[recipe["name"]]

        load_embedder.sees_pixels_alone = True  # type: ignore[attr-defined]
        Store.init(self.top / ".vstore", recipe=fakes["fake-1"].recipe)
        self.store = Store(self.top / ".vstore", load_embedder=load_embedder)
        add_space(self.store._repo, fakes["fake-2"].recipe, "fake-2")
        self.hash = self.store._repo.hash
        self.disk: Aliases = {}
        self.away: set[str] = set()
        self.clock = 10**18
        self.versions: dict[str, tuple[Aliases, Fields, str]] = {}
        self.known: dict[str, set[Picture]] = {name: set() for name in SPACES}
        self.now: dict[str, Any] = {"current": None, "forgotten": frozenset()}
        self.done: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.undone: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for root in ROOTS:
            (self.top / root).mkdir()
            self._write(f"{root}/z.png", (5, 0))
        for path, picture in files.items():
            self._write(path, picture)
        self._sync(set(ROOTS))
        self.done.clear()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.patch.undo()
            shutil.rmtree(self.top, ignore_errors=True)

    def _key(self, picture: Picture) -> bytes:
        return self.hash.digest(content(picture))

    @property
    def aliases(self) -> Aliases:
        return self.versions[self.now["current"]][0]

    @property
    def fields(self) -> Fields:
        return self.versions[self.now["current"]][1]

    @property
    def space(self) -> str:
        return self.versions[self.now["current"]][2]

    # What happens to the folders

    def _file(self, path: str) -> Path:
        root, _, name = path.partition("/")
        return self.top / (f"{root} away" if root in self.away else root) / name

    def _write(self, path: str, picture: Picture) -> None:
        self._file(path).write_bytes(content(picture))
        self.clock += 10**9
        os.utime(self._file(path), ns=(self.clock, self.clock))
        self.disk[path] = picture

    @rule(path=PATHS, picture=PICTURES)
    def put(self, path: str, picture: Picture) -> None:
        self._write(path, picture)

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), words=st.integers(0, 1))
    def edit_metadata(self, data: st.DataObject, words: int) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        self._write(path, (self.disk[path][0], words))

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), seed=st.integers(1, 3))
    def edit_pixels(self, data: st.DataObject, seed: int) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        self._write(path, (seed, self.disk[path][1]))

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), to=PATHS, what=st.sampled_from(["rename", "copy", "remove"]))
    def move(self, data: st.DataObject, to: str, what: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        if what == "copy" and path != to:
            shutil.copy2(self._file(path), self._file(to))
            self.disk[to] = self.disk[path]
        elif what == "rename" and path != to:
            os.replace(self._file(path), self._file(to))
            self.disk[to] = self.disk.pop(path)
        elif what == "remove":
            self._file(path).unlink()
            del self.disk[path]

    @rule(root=st.sampled_from(ROOTS))
    def unmount_or_mount(self, root: str) -> None:
        places = [self.top / root, self.top / f"{root} away"]
        os.rename(*(reversed(places) if root in self.away else places))
        self.away ^= {root}

    # What the store does

    def _did(self, changes: dict[str, Any]) -> None:
        before = {name: self.now[name] for name in changes}
        self.now |= changes
        self.done.append((before, changes))
        self.undone.clear()

    def _made(self, name: str | None, aliases: Aliases, fields: Fields, space: str) -> None:
        before = (self.aliases, self.fields, self.space) if self.now["current"] else None
        if (aliases, fields, space) == before:
            assert name is None
            return
        assert name is not None and name not in self.versions
        self.versions[name] = aliases, fields, space
        self._did({"current": name})

    def _sync(self, roots: set[str], space: str | None = None) -> None:
        before, fields = (self.aliases, self.fields) if self.now["current"] else ({}, {})
        kept = {path: picture for path, picture in before.items() if path.partition("/")[0] not in roots}
        after = kept | {path: picture for path, picture in self.disk.items() if path.partition("/")[0] in roots}
        given: Fields = {}
        left = 0
        changes = [(path, before[path], after[path]) for path in sorted(before) if path in after]
        for _, old, new in changes:
            if old != new and old[0] == new[0]:
                own = {name for picture, name in fields if picture == new and new in before.values()}
                for (picture, name), value in sorted(fields.items(), key=lambda item: item[0]):
                    if picture == old and name not in own:
                        given.setdefault((new, name), value)
        expected = {**fields, **given}
        for _, old, new in changes:
            if old[0] != new[0] and new not in before.values():
                left += not {name for one, name in fields if one == old} <= {n for one, n in expected if one == new}
        paths = [self.top / root for root in sorted(roots)]
        report = self.store.sync(paths, space=space, allow_mass_delete=True)
        wanted = space or (self.space if self.now["current"] else SPACES[0])
        assert report.fields_left == left
        assert any(f"vstore fields carry {self.now['current']}" in note for note in report.notes) is (left > 0)
        self.known[wanted] |= set(after.values())
        self._made(report.snapshot, after, expected, wanted)

    @rule(roots=st.sets(st.sampled_from(ROOTS), min_size=1))
    def sync(self, roots: set[str]) -> None:
        if roots & self.away:
            with pytest.raises((Refused, UsageError)):
                self.store.sync([self.top / root for root in sorted(roots)])
        else:
            self._sync(roots)

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), picture=PICTURES, pixels=st.booleans())
    def edit_and_sync(self, data: st.DataObject, picture: Picture, pixels: bool) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        self._write(path, picture if pixels else (self.disk[path][0], picture[1]))
        if not self.away:
            self._sync(set(ROOTS))

    @precondition(lambda self: not self.away)
    @rule(space=st.sampled_from(SPACES))
    def sync_for_a_model(self, space: str) -> None:
        self._sync(set(ROOTS), space)

    @rule(space=st.sampled_from(SPACES))
    def use_model(self, space: str) -> None:
        if not set(self.aliases.values()) <= self.known[space]:
            with pytest.raises(ModelError):
                self.store.model_use(space)
        else:
            self._made(self.store.model_use(space).snapshot, dict(self.aliases), dict(self.fields), space)

    def _changed(self, name: str | None, fields: Fields) -> None:
        self._made(name, dict(self.aliases), fields, self.space)

    @precondition(lambda self: self.aliases)
    @rule(data=st.data(), values=st.dictionaries(NAMES, VALUES, min_size=1))
    def set_(self, data: st.DataObject, values: dict[str, Any]) -> None:
        paths = data.draw(st.lists(st.sampled_from(sorted(self.aliases)), min_size=1, max_size=3))
        report = self.store.fields_set(values, [self._word(path, data) for path in paths])
        said = {(self.aliases[path], name): value for path in paths for name, value in values.items()}
        self._changed(report.snapshot, {**self.fields, **said})

    def _word(self, path: str, data: st.DataObject) -> str:
        """A stored path, or a key."""
        return data.draw(st.sampled_from([path, self._key(self.aliases[path]).hex()]))

    @rule(name=NAMES)
    def label_all(self, name: str) -> None:
        """Each picture gets a label of its own."""
        file = self.top / "all.jsonl"
        said = {(picture, name): f"{name} of {picture}" for picture in self.aliases.values()}
        lines = [{"path": path, name: said[picture, name]} for path, picture in self.aliases.items()]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self._changed(self.store.fields_import(file).snapshot, {**self.fields, **said})

    @precondition(lambda self: self.aliases and self.fields)
    @rule(data=st.data(), everywhere=st.booleans())
    def unset(self, data: st.DataObject, everywhere: bool) -> None:
        name = data.draw(st.sampled_from(sorted({name for _, name in self.fields})))
        paths = [] if everywhere else data.draw(st.lists(st.sampled_from(sorted(self.aliases)), min_size=1))
        report = self.store.fields_unset([name, *paths], all_pictures=everywhere)
        pictures = {self.aliases[path] for path in paths}
        left = {at: one for at, one in self.fields.items() if at[1] != name or not (everywhere or at[0] in pictures)}
        self._changed(report.snapshot, left)

    @rule(
        data=st.data(),
        rows=st.lists(st.tuples(PATHS, st.dictionaries(NAMES, st.sampled_from(["cat", "dog", 7]))), max_size=5),
        format=st.sampled_from(["csv", "jsonl", "parquet"]),
    )
    def import_(self, data: st.DataObject, rows: list[tuple[str, dict[str, Any]]], format: str) -> None:
        """Rows of a file; some name a picture by its key, and some name none."""
        if format != "jsonl":  # a column has one type there
            rows = [(path, {name: str(value) + "!" for name, value in said.items()}) for path, said in rows]
        said: Fields = {}
        lines = []
        unknown = 0
        for path, values in rows:
            picture = self.aliases.get(path)
            word = path if picture is None else self._word(path, data)
            lines.append({"path": word, **values})
            unknown += picture is None
            for name, value in values.items() if picture is not None else ():
                said.setdefault((picture, name), value)
        file = self.top / f"rows.{format}"
        names = ["path", "label", "stars"]
        if format == "jsonl":
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        elif format == "csv":
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, names)
                writer.writeheader()
                writer.writerows(lines)
        else:
            columns = {name: pa.array([line.get(name) for line in lines], pa.string()) for name in names}
            pq.write_table(pa.table(columns), file)
        report = self.store.fields_import(file)
        assert (report.rows, report.unknown) == (len(rows), unknown)
        self._changed(report.snapshot, {**self.fields, **said})

    @rule(format=st.sampled_from(["jsonl", "parquet"]))
    def export_and_import(self, format: str) -> None:
        """What was written changes nothing when it is read, and brings all back where it was taken away."""
        file = self.top / f"out.{format}"
        self.store.fields_export(file)
        assert self.store.fields_import(file).snapshot is None
        if self.fields:
            before = dict(self.fields)
            names = sorted({name for _, name in before})
            self._changed(self.store.fields_unset(names, all_pictures=True).snapshot, {})
            there = {at: value for at, value in before.items() if at[0] in self.aliases.values()}
            self._changed(self.store.fields_import(file).snapshot, there)
        file.unlink()

    @rule()
    def prune(self) -> None:
        there = set(self.aliases.values())
        left = {at: value for at, value in self.fields.items() if at[0] in there}
        report = self.store.fields_prune()
        assert report.removed == len(self.fields) - len(left)
        self._changed(report.snapshot, left)

    @rule(data=st.data(), replace=st.booleans())
    def carry(self, data: st.DataObject, replace: bool) -> None:
        name = data.draw(st.sampled_from(self._kept()))
        old_aliases, old_fields, _ = self.versions[name]
        given: Fields = {}
        for path in sorted(old_aliases.keys() & self.aliases.keys()):
            old, new = old_aliases[path], self.aliases[path]
            if new not in old_aliases.values():
                for (picture, what), value in old_fields.items():
                    if picture == old:
                        given.setdefault((new, what), value)
        report = self.store.fields_carry(name, replace=replace)
        self._changed(report.snapshot, {**self.fields, **given} if replace else {**given, **self.fields})

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
    def every_version_has_its_fields(self) -> None:
        if not hasattr(self, "store"):
            return
        repo = self.store._repo
        repo.reload()
        assert repo.state.current == self.now["current"]
        for name in self._kept():
            aliases, fields, _ = self.versions[name]
            snapshot = repo.snapshot(name)
            assert dict(repo.tree(snapshot)) == {os.fsencode(path): self._key(one) for path, one in aliases.items()}
            found = {(field.key, field.name): (type(field.value), field.value) for field in every_field(repo, snapshot)}
            assert found == {(self._key(one), what): (type(v), v) for (one, what), v in fields.items()}


FieldMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "60")),
    derandomize="VSTORE_EXAMPLES" not in os.environ,  # the short form is the same each time
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestFieldMachine = FieldMachine.TestCase
