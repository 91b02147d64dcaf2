"""Covers segments by lists: codes the rows that none has, and merges small parts. The caller holds `ingest`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from vstore.approximate.about import LISTS, AboutLists
from vstore.approximate.coder import Coder
from vstore.approximate.levels import merge_of
from vstore.approximate.lists import Lists, merged_payload, payload_of, spans_of
from vstore.approximate.opened import parts_of
from vstore.approximate.recoding import Recoder, stale_lists
from vstore.approximate.rotation import rotated
from vstore.approximate.rows import blocks_of, unit
from vstore.disk import durable
from vstore.disk.segments import Segment
from vstore.errors import Damage, DiskTrouble
from vstore.format.entries import FileRef
from vstore.format.small_files import SEGMENT_LEVELS
from vstore.progress import Stages
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from typing_extensions import Buffer

PART = 1 << 18  # rows from which on a part is written: a kill loses what came since


def full() -> DiskTrouble:
    """Make the error for an index that cannot be written."""
    return DiskTrouble(
        "the index could not be written: the disk is full, or the store may not be changed",
        "make room, and run: vstore index build; searches answer as before meanwhile",
    )


class Covering:
    """The lists of one generation, while they are brought up to the segments of a space.

    generation: their generation.
    coder:   its coder.
    encoded: rows that were coded.
    merged:  parts that became one with others.
    written: parts that were written.
    """

    def __init__(
        self,
        repo: Repository,
        space: str,
        generation: str,
        coder: Coder,
        segments: Sequence[Segment],
        stages: Stages,
        advance: Callable[[int], None],
    ) -> None:
        """advance: counts rows, and may raise to end the run."""
        self._repo = repo
        self._space = space
        self.generation = generation
        self.coder = coder
        self._segments = segments
        # A sync merges small segments, and lists that cover one of them are stale then: they cover no large ones.
        self._small = {segment.ref.name for segment in segments if segment.ref.size < SEGMENT_LEVELS[-1]}
        self._stages = stages
        self._advance = advance
        self.encoded = self.merged = self.written = 0

    def parts(self) -> list[Lists]:
        """Open the lists that can be used now."""
        return parts_of(self._repo, self._space, self.coder, self.generation)

    def cover(self, parts: list[Lists], tail: int) -> list[Lists]:
        """Code the rows of segments that no part covers, if they have more bytes than `tail`."""
        covered = {one.name for part in parts for one in part.covers}
        left = [segment for segment in self._segments if segment.ref.name not in covered]
        if sum(segment.footer.rows * segment.footer.width for segment in left) <= tail:
            return parts
        recoder = Recoder(self._repo, self._space, self.coder, self.generation)
        self._stages.begin("putting vectors into lists", sum(segment.ref.rows for segment in left), unit="vectors")
        for is_small in (False, True):
            batch: list[Segment] = []
            some = [segment for segment in left if (segment.ref.name in self._small) == is_small]
            for at, one in enumerate(some):
                batch.append(one)
                if sum(segment.ref.rows for segment in batch) >= PART or at == len(some) - 1:
                    self._write_lists(batch, recoder)
                    batch = []
        return self.parts()

    def _write_lists(self, batch: Sequence[Segment], recoder: Recoder) -> None:
        import numpy as np

        codes, lists, numbers, keys = [], [], [], []
        firsts = spans_of([segment.ref.rows for segment in batch])
        for segment, first in zip(batch, firsts, strict=False):
            found, which = recoder.known(segment)
            for begin, rows in blocks_of(segment):
                here = slice(begin, begin + len(rows))
                new = np.flatnonzero(which[here] < 0)
                if len(new):
                    turned = rotated(unit(rows[new]))
                    which[begin + new] = self.coder.assign(turned)
                    found[begin + new] = self.coder.encode(turned, which[begin + new])
                    self.encoded += len(new)
                self._advance(len(rows))
            codes.append(found)
            lists.append(which)
            numbers.append(np.arange(first, first + segment.ref.rows))
            keys.append(segment.keys)
        columns = np.concatenate(codes), np.concatenate(lists), np.concatenate(numbers), b"".join(keys)
        payload = payload_of(*columns, self._repo.hash.size, self.coder.lists)
        self._write_part([segment.ref for segment in batch], payload)

    def _write_part(self, refs: Sequence[FileRef], payload: Iterable[Buffer]) -> None:
        coder, rows = self.coder, sum(ref.rows for ref in refs)
        about = AboutLists(self.generation, coder.lists, rows, coder.code_size, coder.sample)
        size = about.size(self._repo.hash.size)
        document = about.to_document()
        path = write_index_part(self._repo, self._space, LISTS, payload, size=size, covers=refs, parameters=document)
        if path is None:
            raise full()
        self.written += 1

    def merge(self, parts: list[Lists], most: int) -> list[Lists]:
        """Merge small parts, level by level."""
        refs = {segment.ref.name: segment.ref for segment in self._segments}
        while some := self._next_merge(parts, most):
            self._stages.begin("merging lists", sum(part.rows for part in some), unit="vectors")
            covers = [refs[one.name] for part in some for one in part.covers]
            try:
                self._write_part(covers, merged_payload(some, self._repo.hash.size))
            except Damage:
                return self.cover(self.proved(self.parts()), 0)
            for part in some:
                durable.remove(part.path)
            self.merged += len(some)
            self._advance(0)
            parts = self.parts()
        return parts

    def _next_merge(self, parts: list[Lists], most: int) -> list[Lists]:
        """Choose the parts that become one: of small segments, or of large ones. Empty if nothing is to be merged."""
        for is_small in (True, False):
            some = [part for part in parts if any(one.name in self._small for one in part.covers) == is_small]
            chosen = merge_of([part.rows for part in some], most)
            if chosen is not None:
                return [some[place] for place in chosen]
        return []

    def proved(self, parts: list[Lists]) -> list[Lists]:
        """Check every byte of some parts, and delete those that are damaged."""
        return [part for part in parts if self._is_whole(part)]

    @staticmethod
    def _is_whole(part: Lists) -> bool:
        try:
            part.prove()
        except (Damage, OSError):
            durable.remove(part.path)
            return False
        return True

    def distinct(self, parts: list[Lists]) -> list[Lists]:
        """Delete parts whose segments larger ones cover: a merge that was killed leaves them."""
        seen: set[str] = set()
        kept = []
        for part in parts:
            names = {one.name for one in part.covers}
            if names & seen:
                durable.remove(part.path)
            else:
                seen |= names
                kept.append(part)
        return kept

    def delete_stale(self) -> None:
        """Delete the lists that cover a segment that is gone: their codes stand in others now."""
        for part in stale_lists(self._repo, self._space, self.coder, self.generation):
            durable.remove(part.path)

    def delete_useless(self) -> None:
        """Delete lists that nothing can use: another faiss coded them, or they say what is not so."""
        used = {part.path for part in self.parts()}
        for part in index_parts(self._repo, self._space, LISTS):
            with part:
                if part.path not in used:
                    durable.remove(part.path)
