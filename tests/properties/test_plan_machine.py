"""Moves to the trash and back, killed anywhere, between whatever a user does: no file is lost, replaced or made."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.one_failing_call import FaultyDisk, Killed

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.format.hashing import HASHES
from vstore.plans.mover import Going, move_away
from vstore.plans.moves import Head
from vstore.plans.proof import Keeper
from vstore.plans.restore import restore
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit

HASH = HASHES["xxh3_128"]
PLANS = (b"one", b"two")
PATHS = [b"a.jpg", b"b.jpg", b"sub/a.jpg", b"sub/deep/\xff.jpg", b"sub"]
paths, plans, contents = st.sampled_from(PATHS), st.sampled_from(PLANS), st.sampled_from([b"one", b"two", b"three"])
faults = st.none() | st.tuples(st.integers(0, 40), st.sampled_from(["kill", "EIO", "ENOSPC"]))
Fault = tuple[int, str] | None


class Moving(RuleBasedStateMachine):
    """A folder of files. `files` holds each file by the path that it has, or had before it went to a trash folder."""

    def __init__(self) -> None:
        super().__init__()
        self.top = os.fsencode(tempfile.mkdtemp())
        self.files: Counter[tuple[bytes, bytes]] = Counter()

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    def at(self, path: bytes) -> Path:
        return Path(os.fsdecode(os.path.join(self.top, path)))

    def seen(self) -> Counter[tuple[bytes, bytes]]:
        found: Counter[tuple[bytes, bytes]] = Counter()
        for folder, _, names in os.walk(self.top):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.top)
                if name != b"moves.jsonl":
                    own = b"/".join(path.split(b"/")[2:]) if path.startswith(b".vstore-trash/") else path
                    found[own, self.at(path).read_bytes()] += 1
        return found

    @contextlib.contextmanager
    def failing(self, fault: Fault):  # type: ignore[no-untyped-def]
        before = durable.disk
        durable.disk = FaultyDisk() if fault is None else FaultyDisk(*fault)
        try:
            with contextlib.suppress(VstoreError, Unfit, Killed):
                yield
        finally:
            durable.disk = before

    @initialize()
    def begin(self) -> None:
        for path in PATHS[:4]:
            self.write(path, b"one")

    @rule(path=paths, data=contents)
    def write(self, path: bytes, data: bytes) -> None:
        """The user writes a file, or writes over one."""
        place = self.at(path)
        if place.is_dir() or any(above.is_file() for above in place.parents):
            return
        if place.exists():
            self.files[path, place.read_bytes()] -= 1
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.files[path, data] += 1

    @rule(path=paths)
    def unlink(self, path: bytes) -> None:
        place = self.at(path)
        if place.is_file():
            self.files[path, place.read_bytes()] -= 1
            place.unlink()

    @rule()
    def tidy(self) -> None:
        """The user removes empty folders."""
        for folder, _, _ in os.walk(self.top, topdown=False):
            if folder != self.top and not os.listdir(folder):
                os.rmdir(folder)

    @rule(
        plan=plans, some=st.lists(paths, min_size=1, max_size=4, unique=True), kept=paths, data=contents, fault=faults
    )
    def away(self, plan: bytes, some: list[bytes], kept: bytes, data: bytes, fault: Fault) -> None:
        key = HASH.digest(data)
        before = {path for path in (*PATHS, kept) if self.at(path).is_file()}
        with self.failing(fault), TrashFolder(self.top, plan, Head(plan.decode(), "", "p", HASH.name, "")) as trash:
            keepers = [Keeper(trash.root, kept, key, HASH.new)]
            try:
                for path in some:
                    with contextlib.suppress(Unfit):
                        move_away(trash, Going(path, key, HASH.new, keepers))
            finally:
                trash.flush()
        gone = {path for path in before if not self.at(path).is_file()}
        assert gone <= set(some) - {kept}
        if gone:
            assert self.at(kept).read_bytes() == data, "what stays is there"

    @rule(plan=plans, fault=faults)
    def back(self, plan: bytes, fault: Fault) -> None:
        with self.failing(fault):
            restore(os.path.join(self.top, b".vstore-trash", plan))

    @rule(plan=plans)
    def all_back(self, plan: bytes) -> None:
        """Without a fault, all is back whose place is free."""
        with contextlib.suppress(VstoreError):
            report = restore(os.path.join(self.top, b".vstore-trash", plan))
            assert all(row.reason != "it is gone" for row in report.refused)
            for row in report.refused:
                blocked = self.at(row.path).exists() or any(above.is_file() for above in self.at(row.path).parents)
                there = self.at(os.path.join(b".vstore-trash", plan, row.path)).is_file()
                assert blocked or not there, row

    @invariant()
    def no_file_is_lost_replaced_or_made(self) -> None:
        assert self.seen() == +self.files


Moving.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestMoving = Moving.TestCase
