"""Frees what no kept snapshot names: vectors, pages, old records. It is the end of undo.

Record first, unlink after: what a record names is there until a later record, durable, no longer names it. Two records
in a row carry the whole state, so that either of them may rot; only then do the older ones go.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk import durable
from vstore.disk.durable import TEMPORARY
from vstore.disk.journal import is_of_none, journals
from vstore.disk.packs import FOOTER_SIZE as PACK_FOOTER_SIZE
from vstore.disk.packs import write_pack
from vstore.disk.segments import BLOCK, FOOTER_SIZE, Segment, write_segment
from vstore.errors import Damage, DiskTrouble
from vstore.format.canonical import Json
from vstore.format.entries import FileRef
from vstore.format.pages import decode_inner, leaf_keys, level_of
from vstore.format.records import ends_the_log
from vstore.format.state import State
from vstore.repository.repository import RESERVE, Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

YOUNG = 14 * 86400  # seconds for which a vector that no snapshot names is kept: it cost time on a GPU
_OBJECT = re.compile(r"[0-9a-f]{32}\.(faiss|pack)")


class GcReport(NamedTuple):
    """What was freed, or would be.

    snapshots: forgotten ones whose names went. vectors: rows that went. unnamed: rows that stay although no snapshot
    names them. segments, packs: files that went, whole or replaced; rewritten: files written in their place, without
    what was dead. unlisted: files that no record named. records: records of the log that went.
    bytes: freed, less what was written anew. changed: whether anything was written.
    """

    dry_run: bool
    snapshots: int
    vectors: int
    unnamed: int
    segments: int
    packs: int
    rewritten: int
    unlisted: int
    records: int
    bytes: int
    changed: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class _Part(NamedTuple):
    """A segment and the rows of it that live on. replaced: whether it is to be written anew with those alone."""

    ref: FileRef
    live: list[int]
    replaced: bool
    size: int


class Plan(NamedTuple):
    """What gc would do with a state.

    segments: space -> its segments in order. freed_packs: those that go, and merged: digests of theirs that go into a
    new one. snapshots: the names that go.
    """

    snapshots: list[str]
    segments: dict[str, list[_Part]]
    freed_packs: list[FileRef]
    merged: list[bytes]
    merged_size: int
    unnamed: int

    @property
    def parts(self) -> Iterator[_Part]:
        for parts in self.segments.values():
            yield from parts

    @property
    def changes_something(self) -> bool:
        """Whether the log would have to learn anything."""
        return bool(self.snapshots or self.freed_packs or any(part.replaced for part in self.parts))

    @property
    def bytes(self) -> int:
        """Bytes of listed files that go, less what is written anew."""
        written = sum(part.size for part in self.parts if part.replaced) + self.merged_size
        return sum(ref.size for ref in (*self.freed_segments, *self.freed_packs)) - written

    @property
    def freed_segments(self) -> set[FileRef]:
        """The files that go, whole or replaced. One that two spaces list is there as long as either lists it."""
        stay = {part.ref for part in self.parts if not part.replaced}
        return {part.ref for part in self.parts if part.replaced} - stay

    @property
    def vectors(self) -> int:
        return sum(part.ref.rows - len(part.live) for part in self.parts if part.replaced)


def gc(repo: Repository, *, dry_run: bool = False, drop_unnamed: bool = False, wait: bool = False) -> GcReport:
    """Free what no kept snapshot names. Readers that have it open read on.

    drop_unnamed: vectors that no snapshot names go although they are younger than 14 days.
    Raises: Damage if something that is needed is missing or damaged: nothing is freed then. Locked, DiskTrouble.
    """
    if dry_run:
        return repo.reading(lambda: _would_free(repo, drop_unnamed))
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "gc")
        with repo.committing("gc"):
            published: list[Plan] = []
            try:
                return _collect(repo, drop_unnamed, published, rewrite=True)
            except DiskTrouble as err:
                if not durable.is_full(err):
                    raise
            # On a full disk what may be lost makes room, in the order in which it is missed least.
            empty_cache(repo)
            try:
                return _collect(repo, drop_unnamed, published, rewrite=True)
            except DiskTrouble as err:
                if not durable.is_full(err):
                    raise
            durable.remove(repo.layout.reserve)
            return _collect(repo, drop_unnamed, published, rewrite=False)


def _would_free(repo: Repository, drop_unnamed: bool) -> GcReport:
    plan = plan_of(repo, repo.state, drop_unnamed=drop_unnamed)
    changed = plan.changes_something or not _is_fresh(repo)
    records = _records_before(repo, repo.tip.highest + 1) if changed else []
    return _report(plan, _unlisted(repo, drop_unnamed), records, dry_run=True, changed=changed)


def _collect(repo: Repository, drop_unnamed: bool, published: list[Plan], *, rewrite: bool) -> GcReport:
    """Free what can be freed. The caller holds both locks; after an error on a full disk it may be tried again.

    published: the plan that the log knows of, once it does.
    """
    repo.reload()
    repo.refuse_unsound()
    plan = plan_of(repo, repo.state, drop_unnamed=drop_unnamed, rewrite=rewrite)
    changed = plan.changes_something or not _is_fresh(repo)
    records: list[tuple[int, int]] = []
    if changed:
        changes = _changes(repo, plan)
        freed = f"vectors freed: {plan.vectors}, snapshots: {len(plan.snapshots)}"
        repo.publish("gc", changes, about=freed, whole=True)
        published.append(plan)
        repo.publish("gc", {}, about=freed, whole=True)
        records = _records_before(repo, repo.tip.number - 1)
    # Both records are durable: nothing names what goes from here on.
    for number, _ in records:
        durable.remove(repo.layout.record(number))
    unlisted = _unlisted(repo, drop_unnamed)
    for folder, name, _ in unlisted:
        durable.remove(repo.layout.folder / folder / name)
    for name in _stale(repo) if changed else ():
        durable.remove(repo.layout.cache / name)
    durable.sweep(repo.layout.folder, "ingest")  # a catalogue that was being made
    if not repo.layout.reserve.exists():
        try:
            durable.write_durably(repo.layout.reserve, [bytes(RESERVE)], "ingest")
        except DiskTrouble as err:
            if not durable.is_full(err):
                raise
    plan = published[0] if published else plan
    gone = {ref.name for ref in (*plan.freed_packs, *plan.freed_segments)}
    return _report(plan, [file for file in unlisted if file[1] not in gone], records, dry_run=False, changed=changed)


def _report(
    plan: Plan, unlisted: list[tuple[str, str, int]], records: list[tuple[int, int]], *, dry_run: bool, changed: bool
) -> GcReport:
    replaced = [part for part in plan.parts if part.replaced]
    return GcReport(
        dry_run=dry_run,
        snapshots=len(plan.snapshots),
        vectors=plan.vectors,
        unnamed=plan.unnamed,
        segments=len(plan.freed_segments),
        packs=len(plan.freed_packs),
        rewritten=sum(1 for part in replaced if part.live) + bool(plan.merged),
        unlisted=len(unlisted),
        records=len(records),
        bytes=plan.bytes + sum(size for _, _, size in unlisted) + sum(size for _, size in records),
        changed=changed,
    )


def plan_of(repo: Repository, state: State, *, drop_unnamed: bool = False, rewrite: bool = True) -> Plan:
    """Work out what gc would do with a state.

    rewrite: files that are mostly dead are written anew, not only dropped when they are dead altogether.
    Raises: Damage if something that a kept snapshot needs is missing; FileNotFoundError.
    """
    kept = {snapshot.name for snapshot in state.snapshots()}
    named, blobs = _needed(repo, state)
    segments: dict[str, list[_Part]] = {}
    unnamed = 0
    for space in state.document.get("segments", {}):
        wanted = named.pop(space, set())
        # Of a space whose recipe is lost nobody can say yet what is needed: a sync in it, once it is back, will.
        is_known = space in state.spaces and state.spaces[space].recipe
        youth = _youth(drop_unnamed) if is_known or drop_unnamed else -math.inf
        parts, stay = _parts_of(repo, state.segments(space), wanted, youth, rewrite)
        segments[space] = parts
        unnamed += stay
    for space, missing in named.items():
        if missing:
            raise Damage(f"{len(missing)} pictures of the space {space[:12]} have no vector", "run: vstore check")
    freed, merged, merged_size = _packs_of(repo, state, blobs, rewrite)
    gone = [name for name in state.document.get("snapshots", {}) if name not in kept]
    return Plan(gone, segments, freed, merged, merged_size, unnamed)


def _needed(repo: Repository, state: State) -> tuple[dict[str, set[bytes]], set[bytes]]:
    """The keys that kept snapshots name, by space, and the digests of the blobs that anything needs."""
    blobs = state.blobs()
    named: dict[str, set[bytes]] = {}
    walked: dict[str, set[bytes]] = {}
    size = repo.hash.size
    for snapshot in state.snapshots():
        keys, seen = named.setdefault(snapshot.space, set()), walked.setdefault(snapshot.space, set())
        stack = [repo.manifest(snapshot).tree]
        while stack:
            digest = stack.pop()
            if digest in seen:
                continue  # another version has this page, and all that is below it
            seen.add(digest)
            page = repo.packs.get(digest)
            if level_of(page):
                stack += [child.digest for child in decode_inner(page, size)]
            else:
                column = leaf_keys(page, size)
                keys.update(column[at : at + size] for at in range(0, len(column), size))
    return named, blobs.union(*walked.values())


def _youth(drop_unnamed: bool) -> float:
    """The time, seconds since 1970, after which a vector lives that nothing names."""
    return math.inf if drop_unnamed else time.time() - YOUNG


def _parts_of(
    repo: Repository, refs: list[FileRef], named: set[bytes], youth: float, rewrite: bool
) -> tuple[list[_Part], int]:
    """youth: as of `_youth`."""
    parts: list[_Part] = []
    taken: set[bytes] = set()
    unnamed = 0
    for ref in refs:
        segment = repo.segment(ref)
        # A clock that was wrong makes a vector older or younger, and never touches one that a snapshot names.
        young = segment.footer.time > youth
        keys = segment.key_list()
        live = [row for row, key in enumerate(keys) if key not in taken and (young or key in named)]
        taken.update(keys[row] for row in live)
        replaced = not live or (rewrite and 2 * len(live) < len(keys))
        parts.append(_Part(ref, live, replaced, _size_of(segment, len(live)) if replaced else ref.size))
        unnamed += sum(key not in named for key in ((keys[row] for row in live) if replaced else keys))
    missing = named - taken
    if missing:
        raise Damage(
            f"{len(missing)} pictures that snapshots name have no vector, among them {min(missing).hex()}",
            "run: vstore repair",
        )
    return parts, unnamed


def _size_of(segment: Segment, rows: int) -> int:
    footer = segment.footer
    each = rows * (footer.width + footer.key_size)
    return footer.header + each + 8 * -(-rows // BLOCK) + FOOTER_SIZE if rows else 0


def _packs_of(
    repo: Repository, state: State, needed: set[bytes], rewrite: bool
) -> tuple[list[FileRef], list[bytes], int]:
    """The packs that go, what is needed of them, and the bytes of a pack of that."""
    freed: list[FileRef] = []
    merged: dict[bytes, int] = {}
    left = set(needed)
    listed = {ref.name for ref in state.packs}
    for pack in repo.packs.opened():
        if pack.ref.name not in listed:
            continue
        sizes = dict(pack.sizes())
        live = {digest: size for digest, size in sizes.items() if digest in left}
        left.difference_update(live)
        if not live or (rewrite and 2 * sum(live.values()) < sum(sizes.values())):
            freed.append(pack.ref)
            merged |= live
    if left:
        raise Damage(f"no pack holds the blob {min(left).hex()}", "run: vstore repair")
    size = 8 + PACK_FOOTER_SIZE + sum(merged.values()) + len(merged) * (repo.hash.size + 16) if merged else 0
    return freed, sorted(merged), size


def _changes(repo: Repository, plan: Plan) -> dict[str, Json]:
    """Write what is to be written anew, and say what the log has to learn."""
    changes: dict[str, Json] = {}
    if plan.snapshots:
        changes["snapshots"] = dict.fromkeys(plan.snapshots)
    for space, parts in plan.segments.items():
        if any(part.replaced for part in parts):
            refs = [_rewritten(repo, space, part) if part.replaced else part.ref for part in parts]
            left = [ref for ref in refs if ref is not None]
            changes.setdefault("segments", {}).update(repo.state.segments_changed(space, left))
    if plan.freed_packs:
        added = []
        if plan.merged:
            blobs = {digest: repo.packs.get(digest) for digest in plan.merged}
            added.append(write_pack(repo.layout.packs, repo.hash, blobs, "commit"))
        changes["packs"] = repo.state.packs_changed(added, plan.freed_packs)
    return changes


def _rewritten(repo: Repository, space: str, part: _Part) -> FileRef | None:
    if not part.live:
        return None
    segment = repo.segment(part.ref)
    segment.verify()
    footer = segment.footer
    keys = segment.key_list()

    def blocks() -> Iterator[Rows]:
        rows = segment.rows()
        for at in range(0, len(part.live), BLOCK):
            yield rows[part.live[at : at + BLOCK]]

    # The time stays that of the vectors: being written anew makes none of them younger.
    return write_segment(
        repo.layout.segments,
        space,
        [keys[row] for row in part.live],
        blocks(),
        footer.dim,
        footer.dtype,
        footer.time,
        "ingest",
    )


def _is_fresh(repo: Repository) -> bool:
    """Whether the log is what a gc leaves: two records that carry the whole state."""
    numbers = repo.log.numbers()
    return len(numbers) == 2 and all(ends_the_log(repo.log.read(number)) for number in numbers)


def _records_before(repo: Repository, number: int) -> list[tuple[int, int]]:
    """Number and size of every record before one, oldest first."""
    return [(n, os.stat(repo.layout.record(n)).st_size) for n in repo.log.numbers() if n < number]


def _unlisted(repo: Repository, drop_unnamed: bool) -> list[tuple[str, str, int]]:
    """Folder, name and size of what no record names: left by killed runs, merges and what was freed.

    A journal of a space that the log does not know (its `model drop` was killed) goes as a vector that nothing names.
    """
    state, layout = repo.state, repo.layout
    listed = {ref.name for ref in state.packs}
    listed.update(ref.name for space in state.document.get("segments", {}) for ref in state.segments(space))
    found = []
    for folder in (layout.refs, layout.segments, layout.packs):
        found += [
            (folder.name, name, os.stat(folder / name).st_size)
            for name in sorted(os.listdir(folder))
            if name.startswith(TEMPORARY) or (_OBJECT.fullmatch(name) and name not in listed)
        ]
    youth = _youth(drop_unnamed)
    stats = [(path.name, path.stat()) for path in journals(layout.journal) if is_of_none(path, state.spaces)]
    found += [(layout.journal.name, name, stat.st_size) for name, stat in stats if stat.st_mtime <= youth]
    return found


def _stale(repo: Repository) -> list[str]:
    """Bitmaps, which name the segments that there were, the fold of older records, and what killed runs left."""
    names = os.listdir(repo.layout.cache) if repo.layout.cache.is_dir() else []
    return [name for name in names if name == "state" or name.startswith(("rows-", TEMPORARY))]


def empty_cache(repo: Repository) -> None:
    """Remove everything in `cache/`: all of it can be made again."""
    for name in os.listdir(repo.layout.cache) if repo.layout.cache.is_dir() else ():
        durable.remove_tree(repo.layout.cache / name)
