"""Operations on what only format 2 holds, and the old ones where all of it is there, for tests that interrupt them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from support import facts as made_up
from support.blob_roles import roles_of
from support.every_kind import FETCHED, SMALL, add_parts, decide_again, keys_of, lean, put_facts
from support.index_parts import head_of
from support.lost import lose
from support.stores import Operation, call, edited, opened, repair, sync

from vstore.disk.index_parts import write_part
from vstore.errors import Damage
from vstore.format import facts
from vstore.format.decisions import Decision
from vstore.format.facts import Fact
from vstore.repository.decisions import newest_decisions
from vstore.repository.facts import facts_of
from vstore.repository.fields import Field, every_field, set_fields
from vstore.repository.index_parts import index_parts
from vstore.repository.repository import Repository
from vstore.store import Store


def kinds(top: Path) -> None:
    """Make a store with every kind, and pictures that are not synced yet."""
    lean(top)
    edited(top)


def with_small_runs(top: Path) -> None:
    """Add so many runs of facts that a sync merges them."""
    kinds(top)
    with opened(top) as store:
        for number in range(6):
            put_facts(store._repo, made_up.made(9, [number], 9))
        assert len(store._repo.state.facts) > 8


def with_forgotten(top: Path) -> None:
    """Forget a snapshot in the tree, take facts and fields back, and leave parts of segments that go."""
    kinds(top)
    with opened(top) as store:
        for name in ("moved.png", "d.png", "e.png"):
            (top / "pictures" / name).unlink()
        store.sync([top / "pictures"], message="four", allow_mass_delete=True)
        store.snapshot_forget(keep_last=1)
        add_parts(store._repo)


def decided(top: Path) -> None:
    kinds(top)
    with opened(top) as store:
        decide_again(store._repo)


def edited_fields(top: Path) -> None:
    kinds(top)
    with opened(top) as store:
        _change(store._repo)


def spoilt(top: Path) -> None:
    """Spoil a page of each kind, and tear the newest record: it tagged a snapshot."""
    kinds(top)
    with opened(top) as store:
        repo = store._repo
        store.snapshot_tag("v4", "lost")
        roles = sorted(roles_of(repo).items())
        for kind in ("aliases", "fields", "snapshots", "decisions", "history", "facts"):
            lose(repo, next(digest for digest, some in roles if kind in {role.kind for role in some}))
        record = repo.layout.record(repo.log.numbers()[-1])
    record.write_bytes(record.read_bytes()[:50])


def decide(top: Path) -> None:
    with opened(top) as store:
        decide_again(store._repo)


def change_fields(top: Path) -> None:
    with opened(top) as store:
        _change(store._repo)


def _change(repo: Repository) -> None:
    first, *_ = keys_of(repo)
    set_fields(repo, {(first, "stars"): 9, (first, "story"): None}, "again")


def new_facts(top: Path) -> None:
    with opened(top) as store:
        repo = store._repo
        put_facts(repo, [Fact(keys_of(repo)[0], 7, {facts.WIDTH: 99}), *made_up.made(7, range(2000, 3100))])


def parts(top: Path) -> None:
    """Write a part of an index; a full disk is no error, as nothing needs it."""
    with opened(top) as store, store._repo.lock("ingest") as lock:
        lock.acquire(None, "test")
        repo = store._repo
        (space,) = repo.state.spaces
        write_part(repo.layout, head_of(space, repo.state.segments(space), 4 << 20), [b"four" * (1 << 20)])


def check(top: Path) -> None:
    """Check everything; an error where it finds fault, as the command line gives one."""
    with opened(top) as store:
        report = store.check(read_data=True)
        if not report.ok:
            raise Damage("; ".join(map(str, report.problems)))


def parts_read(repo: Repository) -> list[bytes]:
    """Read all parts of indexes that can be read."""
    found = []
    for space in sorted(repo.state.spaces):
        for part in index_parts(repo, space, "graph"):
            with part, suppress(Damage):
                found.append(b"".join(part.blocks()))
    return sorted(found)


def looked_up(repo: Repository) -> dict[bytes, Fact]:
    """Look the facts of some pictures up, as a command does: another process may collect what it opens."""
    return repo.reading(lambda: facts_of(repo, [*keys_of(repo), *map(made_up.key, range(0, 1030, 103))]))


def fields_read(repo: Repository, snapshot: str) -> list[Field]:
    return repo.reading(lambda: list(every_field(repo, repo.snapshot(snapshot))))


def decisions_read(repo: Repository) -> list[Decision]:
    return repo.reading(lambda: list(newest_decisions(repo)))


# What reads the kinds that only format 2 holds.
READERS: dict[str, Callable[[Store], Any]] = {
    "show one in the tree": lambda store: store.snapshot_show(FETCHED[1]),
    "fields": lambda store: fields_read(store._repo, "current"),
    "fields of an older one": lambda store: fields_read(store._repo, FETCHED[1]),
    "decisions": lambda store: decisions_read(store._repo),
    "facts": lambda store: looked_up(store._repo),
    "parts": lambda store: parts_read(store._repo),
}


def _operation(name: str, prepare: Callable[[Path], None], run: Callable[[Path], object], **more: Any) -> Operation:
    return Operation(name, prepare, run, settings=SMALL, turns=True, few=True, **more)


KIND_OPERATIONS = [
    _operation("every kind: sync", kinds, sync),
    _operation("every kind: decide", kinds, decide, again=False),
    _operation("every kind: fields", kinds, change_fields),
    _operation("every kind: facts", kinds, new_facts),
    _operation("every kind: merge", with_small_runs, sync),
    _operation("every kind: parts", kinds, parts),
    _operation("every kind: undo decide", decided, call("undo"), again=False),
    _operation("every kind: undo fields", edited_fields, call("undo"), again=False),
    _operation("every kind: rollback", kinds, call("rollback", "v1")),
    _operation("every kind: tag", kinds, call("snapshot_tag", "v4", "new")),
    _operation("every kind: forget", kinds, call("snapshot_forget", keep_last=1)),
    _operation("every kind: gc", with_forgotten, call("gc", drop_unnamed=True)),
    _operation("every kind: check", kinds, check),
    _operation("every kind: repair", spoilt, repair),
]
