"""Whatever is done to a store, a reader that knows FORMAT.md alone says of it what vstore says."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support import facts as made_up
from support.builder import Builder, unit_vectors
from support.format_1 import begin
from support.index_parts import put_part
from support.kinds import add_facts, fetch, identify
from support.two_readers import by_the_reader, by_vstore

from vstore.errors import NothingToUndo, Refused, UsageError
from vstore.format import listing
from vstore.format.fields import FieldValue
from vstore.repository.decisions import Choice, decide
from vstore.repository.fields import set_fields
from vstore.store import Store

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NUMBERS = st.lists(st.integers(0, 40), min_size=2, max_size=5, unique=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
VALUES: st.SearchStrategy[FieldValue] = (
    TEXTS
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))
    | st.lists(TEXTS, max_size=3).map(tuple)
)
VECTORS = unit_vectors(60)


class TwoReaders(RuleBasedStateMachine):
    """A store of either format, to which everything is done that its format holds."""

    @initialize(format=st.integers(1, 2), hash=st.sampled_from(["xxh3_128", "sha256"]))
    def begin(self, format: int, hash: str) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vstore-two-", dir=SHM))
        self.folder = self.top / ".vstore"
        if format == 1:
            begin(self.folder, hash)
        self.builder = Builder(self.folder, hash=hash)
        self.repo = self.builder.repo
        self.fetched = 0

    def teardown(self) -> None:
        if hasattr(self, "top"):
            self.compare()
            self.repo.close()
            shutil.rmtree(self.top)

    def key(self, number: int) -> bytes:
        return self.repo.hash.digest(b"%d" % number)

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store, and let the builder see what was done."""
        with Store(self.folder) as store:
            yield store
        self.repo.reload()

    @property
    def names(self) -> list[str]:
        return sorted(snapshot.name for snapshot in self.repo.listing.kept())

    @property
    def own(self) -> list[str]:
        return [name for name in self.names if "/" not in name]

    @rule()
    def compare(self) -> None:
        assert by_the_reader(self.folder) == by_vstore(self.folder)

    # What both formats hold

    @rule(numbers=NUMBERS, times=st.integers(1, 5))
    def sync(self, numbers: list[int], times: int) -> None:
        for shift in range(times):
            pictures = {b"r/%d.png" % i: (self.key(i + shift), VECTORS[i + shift]) for i in numbers}
            self.builder.add_pictures(pictures)

    @precondition(lambda self: self.own)
    @rule(data=st.data(), tag=st.sampled_from(["good", "bad"]))
    def tag(self, data: st.DataObject, tag: str) -> None:
        with self.store() as store, contextlib.suppress(UsageError):  # the tag is taken
            store.snapshot_tag(data.draw(st.sampled_from(self.names)), tag)

    @precondition(lambda self: self.own)
    @rule(data=st.data(), hold=st.booleans())
    def roll_back(self, data: st.DataObject, hold: bool) -> None:
        with self.store() as store:
            store.rollback(data.draw(st.sampled_from(self.own)), hold=hold)
            if hold:
                store.rollback(release=True)

    @precondition(lambda self: self.own)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        state = self.repo.state
        free = [name for name in self.own if name not in (state.current, state.hold, *state.tags.values())]
        if free:
            with self.store() as store:
                store.snapshot_forget(data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True)))

    @rule(back=st.booleans())
    def undo_or_redo(self, back: bool) -> None:
        with self.store() as store, contextlib.suppress(NothingToUndo):
            if back:
                store.undo()
            else:
                store.redo()

    @rule(drop=st.booleans())
    def collect(self, drop: bool) -> None:
        with self.store() as store:
            store.gc(drop_unnamed=drop)

    @precondition(lambda self: self.repo.format == 1)
    @rule()
    def migrate(self) -> None:
        before = by_the_reader(self.folder)
        with self.store() as store:
            store.migrate()
        after = by_the_reader(self.folder)
        assert all(after[name] == before[name] for name in ("store", "snapshots", "aliases", "rows"))

    # What format 2 holds besides

    @precondition(lambda self: self.repo.format == 2 and self.repo.state.current)
    @rule(numbers=NUMBERS, name=st.sampled_from(["rating", "né", "x" * 200]), value=VALUES | st.none())
    def set_fields(self, numbers: list[int], name: str, value: FieldValue | None) -> None:
        with contextlib.suppress(Refused):  # syncing is held
            set_fields(self.repo, {(self.key(number), name): value for number in numbers})

    @precondition(lambda self: self.repo.format == 2)
    @rule(numbers=NUMBERS, verb=st.sampled_from(["different", "same", "keep"]))
    def decide(self, numbers: list[int], verb: str) -> None:
        keys = [self.key(number) for number in numbers]
        decide(self.repo, [Choice(verb, keys, keys[:1] if verb == "keep" else ())])

    @precondition(lambda self: self.repo.format == 2)
    @rule(data=st.data())
    def add_facts(self, data: st.DataObject) -> None:
        add_facts(self.repo, data.draw(made_up.rows(self.repo.hash.size)))

    @precondition(lambda self: self.repo.format == 2)
    @rule(begin=st.integers(0, 1500), count=st.sampled_from([3, 1100]), reader=st.integers(1, 3))
    def add_many_facts(self, begin: int, count: int, reader: int) -> None:
        if self.repo.hash.size == 16:
            add_facts(self.repo, made_up.made(begin, range(begin, begin + count), reader))

    @precondition(lambda self: self.repo.format == 2 and self.repo.state.current)
    @rule(origin=st.sampled_from(["origin", "øst"]))
    def fetch(self, origin: str) -> None:
        self.fetched += 1
        parent = f"{origin}/v{self.fetched - 1}" if self.fetched > 1 else None
        fetch(self.repo, f"{origin}/v{self.fetched}", parent=parent)

    @precondition(lambda self: self.repo.format == 2)
    @rule(size=st.sampled_from([0, 9, 1 << 20, (1 << 20) + 1]), covering=st.booleans())
    def index(self, size: int, covering: bool) -> None:
        refs = self.repo.state.segments(self.builder.space) if covering else []
        put_part(self.repo, self.builder.space, refs, bytes(size))

    @precondition(lambda self: self.repo.format == 2)
    @rule()
    def identify(self) -> None:
        identify(self.repo)


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PENDING", 4)
    monkeypatch.setattr(listing, "WINDOW", 3)


class TestTwoReaders(TwoReaders.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(
        max_examples=int(os.environ.get("VSTORE_EXAMPLES", "25")),
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
