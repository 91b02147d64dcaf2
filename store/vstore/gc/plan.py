"""Plans a gc: the data of a state to delete, and to rewrite. Changes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from vstore.counts import counted
from vstore.disk.footer import BLOCK, FOOTER_SIZE
from vstore.disk.pack_writer import packed_size
from vstore.disk.packs import LARGEST_BLOB
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.canonical import Json
from vstore.format.entries import FileRef
from vstore.format.listing import Listing
from vstore.format.page_tree import Fetch
from vstore.format.state import State
from vstore.gc.facts import plan_facts
from vstore.gc.history import history_changes
from vstore.gc.used import Used, used_by
from vstore.repository.repository import Repository

YOUNG = 14 * 86400  # seconds for which an unused vector is kept: it cost time on a GPU


class SegmentPlan(NamedTuple):
    """A segment and its future.

    ref:      the segment as the log lists it.
    live:     its rows to keep.
    replaced: it is rewritten with those rows alone, or deleted if there are none.
    size:     its bytes afterwards.
    """

    ref: FileRef
    live: list[int]
    replaced: bool
    size: int


class PackPlan(NamedTuple):
    """The packs that go.

    freed:  packs to delete.
    merged: digests of their used blobs, for the new pack.
    size:   bytes of the new pack.
    """

    freed: list[FileRef]
    merged: list[bytes]
    size: int


class Plan(NamedTuple):
    """The changes of a gc to a state.

    snapshots: names of forgotten snapshots to delete.
    segments:  the segments of each space, in order.
    packs:     the packs that go.
    unnamed:   unused vectors to keep.
    facts:     the number of facts to delete.
    changes:   the changes of the log, without those of segments and packs.
    blobs:     blobs that the changes name, and no pack holds, by digest.
    keys:      the pictures of the snapshots that stay, by space.
    """

    snapshots: list[str]
    segments: dict[str, list[SegmentPlan]]
    packs: PackPlan
    unnamed: int
    facts: int
    changes: dict[str, Json]
    blobs: dict[bytes, bytes]
    keys: Mapping[str, set[bytes]]

    @property
    def parts(self) -> Iterator[SegmentPlan]:
        """The segments of all spaces; a segment of several spaces comes several times."""
        for parts in self.segments.values():
            yield from parts

    @property
    def changes_something(self) -> bool:
        """The log would have to be written."""
        return bool(self.snapshots or self.facts or self.packs.freed or any(part.replaced for part in self.parts))

    @property
    def bytes(self) -> int:
        """Bytes of deleted files, less those rewritten."""
        written = sum(part.size for part in self.parts if part.replaced) + self.packs.size
        return sum(ref.size for ref in (*self.freed_segments, *self.packs.freed)) - written

    @property
    def freed_segments(self) -> set[FileRef]:
        """The segments to delete or replace. A segment of two spaces stays as long as either lists it."""
        stay = {part.ref for part in self.parts if not part.replaced}
        return {part.ref for part in self.parts if part.replaced} - stay

    @property
    def vectors(self) -> int:
        """The number of vectors to delete."""
        return sum(part.ref.rows - len(part.live) for part in self.parts if part.replaced)


def plan_of(
    repo: Repository,
    *,
    forgotten: Collection[str] = (),
    drop_unnamed: bool = False,
    rewrite: bool = True,
    ends_log: bool = False,
) -> Plan:
    """Plan a gc.

    forgotten:    snapshots to count as forgotten.
    drop_unnamed: delete unused vectors although they are young.
    rewrite:      rewrite mostly unused files; without it only wholly unused files are deleted.
    ends_log:     append the lines of all records to the history.
    Raises: Damage if a snapshot lacks something; FileNotFoundError.
    """
    also = set(forgotten)
    gone = [s.name for s in repo.listing.every() if not s.kept or s.name in also]
    changes: dict[str, Json] = {"snapshots": dict.fromkeys(gone)} if gone else {}
    ended, lines = history_changes(repo) if ends_log else ({}, {})
    after, pages = _after(repo, {**changes, **ended})
    used = used_by(after, _fetch(repo, {**lines, **pages}), repo.hash)
    facts = plan_facts(repo, used.keys.values(), rewrite=rewrite)
    blobs = {**lines, **pages, **facts.pages}
    segments, unnamed = _plan_spaces(repo, after.state, used.keys, drop_unnamed=drop_unnamed, rewrite=rewrite)
    packs = _plan_packs(repo, used._replace(blobs=used.blobs | facts.used), blobs, rewrite=rewrite)
    return Plan(
        snapshots=gone,
        segments=segments,
        packs=packs,
        unnamed=unnamed,
        facts=facts.freed,
        changes={**changes, **ended, **facts.changes},
        blobs=blobs,
        keys=used.keys,
    )


def _after(repo: Repository, changes: dict[str, Json]) -> tuple[Listing, dict[bytes, bytes]]:
    """Give the state after changes. Returns: its snapshots; the blobs that it needs and no pack holds."""
    settled, blobs = repo.settled(changes)
    return Listing(repo.state.after(settled), repo.hash, _fetch(repo, blobs)), blobs


def _fetch(repo: Repository, blobs: dict[bytes, bytes]) -> Fetch:
    def fetch(digest: bytes) -> bytes:
        found = blobs.get(digest)
        return repo.packs.get(digest, LARGEST_BLOB) if found is None else found

    return fetch


def young_since(drop_unnamed: bool) -> float:
    """Tell since when, in seconds since 1970, a vector counts as young: young vectors are kept though unused."""
    return math.inf if drop_unnamed else time.time() - YOUNG


def _plan_spaces(
    repo: Repository, state: State, used: dict[str, set[bytes]], *, drop_unnamed: bool, rewrite: bool
) -> tuple[dict[str, list[SegmentPlan]], int]:
    """Plan the segments of all spaces. Returns: the plans by space, and the number of unused vectors to keep."""
    segments: dict[str, list[SegmentPlan]] = {}
    unnamed = 0
    for space, refs in state.segment_lists().items():
        # Of a space whose recipe is lost nobody can say yet what is needed: a sync in it, once it is back, will.
        is_known = space in state.spaces and state.spaces[space].recipe
        since = young_since(drop_unnamed) if is_known or drop_unnamed else -math.inf
        segments[space], unused = _plan_segments(repo, refs, used=used.get(space, set()), since=since, rewrite=rewrite)
        unnamed += unused
    for space, keys in used.items():
        if keys and space not in segments:
            raise Damage(
                f"{counted(len(keys), 'picture')} of the space {space[:12]} without a vector", "run: vstore check"
            )
    return segments, unnamed


def _plan_segments(
    repo: Repository, refs: list[FileRef], *, used: set[bytes], since: float, rewrite: bool
) -> tuple[list[SegmentPlan], int]:
    """Plan the segments of one space. Returns: the plans, and the number of unused vectors to keep."""
    plans: list[SegmentPlan] = []
    taken: set[bytes] = set()
    unused = 0
    for ref in refs:
        segment = repo.segment(ref)
        # A clock that was wrong makes a vector older or younger, and never touches one that a snapshot uses.
        young = segment.footer.time > since
        keys = segment.key_list()
        live = [row for row, key in enumerate(keys) if key not in taken and (young or key in used)]
        taken.update(keys[row] for row in live)
        replaced = not live or (rewrite and 2 * len(live) < len(keys))
        plans.append(SegmentPlan(ref, live, replaced, _size_with(segment, len(live)) if replaced else ref.size))
        unused += sum(key not in used for key in ((keys[row] for row in live) if replaced else keys))
    missing = used - taken
    if missing:
        raise Damage(
            f"{counted(len(missing), 'picture')} of snapshots without a vector, among them {min(missing).hex()}",
            "run: vstore repair",
        )
    return plans, unused


def _size_with(segment: Segment, rows: int) -> int:
    """Count the bytes of a segment with this many rows of the given one."""
    footer = segment.footer
    each = rows * (footer.width + footer.key_size)
    return footer.header + each + 8 * -(-rows // BLOCK) + FOOTER_SIZE if rows else 0


def _plan_packs(repo: Repository, used: Used, made: Mapping[bytes, bytes], *, rewrite: bool) -> PackPlan:
    """Plan the packs. made: blobs that go into the new pack in any case, by digest."""
    freed: list[FileRef] = []
    merged: dict[bytes, int] = {}
    left = (used.blobs | used.spare) - made.keys()
    listed = {ref.name for ref in repo.state.packs}
    for pack in repo.packs.opened():
        if pack.ref.name not in listed:
            continue
        sizes = dict(pack.sizes())
        live = {digest: size for digest, size in sizes.items() if digest in left}
        left.difference_update(live)
        if not live or (rewrite and 2 * sum(live.values()) < sum(sizes.values())):
            freed.append(pack.ref)
            merged |= live
    missing = left - used.spare
    if missing:
        raise Damage(f"no pack holds the blob {min(missing).hex()}", "run: vstore repair")
    size = packed_size(repo.hash, made) + sum(merged.values()) + len(merged) * (repo.hash.size + 16)
    return PackPlan(freed, sorted(merged), size if made or merged else 0)
