"""What a run leaves in the catalogue for the next one: what it learnt, what agrees with the snapshot, and its rate."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection

from vstore.disk.catalogue import Catalogue
from vstore.format.entries import Snapshot
from vstore.format.pages import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.stored_keys import align, is_aligned
from vstore.intake.survey import Chunk, Survey, count_name, keep_stats
from vstore.repository.repository import Repository

RATE_MEMORY = 1000.0  # pictures of earlier runs that count for the rate: one that comes alone says little
_RATE = struct.Struct("<dd")  # seconds, pictures


class Memory:
    """The notes of one space. All of it may be missing at any time: then more is read than need be."""

    def __init__(self, repo: Repository, catalogue: Catalogue | None, space: str) -> None:
        self._repo = repo
        self._catalogue = catalogue
        self._space = space
        self._earlier = 0.0, 0.0  # seconds that so many pictures took in earlier runs
        rate = catalogue.meta(f"rate/{space}") if catalogue is not None else None
        if rate is not None and len(rate) == _RATE.size:
            seconds, pictures = _RATE.unpack(rate)
            share = min(1.0, RATE_MEMORY / pictures)
            self._earlier = seconds * share, pictures * share
        if catalogue is not None and catalogue.writable and not is_aligned(repo, catalogue, space):
            with catalogue.batch() as batch:
                align(repo, catalogue, batch, space)

    def measured(self, ingest: Ingest) -> tuple[float, float]:
        """The seconds that reading and embedding took, and for how many pictures: in this run and in earlier ones."""
        seconds, pictures = self._earlier
        return seconds + ingest.embed_seconds, pictures + ingest.embedded

    def agrees(self, label: bytes, parent: Snapshot | None, tree: Tree) -> bool:
        """Whether what the catalogue knows of a root's files is what a snapshot says of them, and whether all pictures
        that this one names have a vector here: of a degraded one, or one of another space, some may not."""
        if self._catalogue is None or (parent is not None and (parent.degraded or parent.space != self._space)):
            return False
        return self._catalogue.meta(_agreed_name(label)) == self._agreement(tree)

    def _agreement(self, tree: Tree) -> bytes:
        return bytes.fromhex(self._space) + tree.root

    def remember(self, survey: Survey, ingest: Ingest, before: Tree, now: Tree, complete: bool) -> None:
        """After a commit: write what was learnt, in one transaction, or nothing if that is nothing new."""
        catalogue = self._catalogue
        if catalogue is None:
            return
        roots = {os.fsencode(name) for name in self._repo.state.roots} | _labels(survey)
        agreed = self._agreeing(catalogue, roots, survey, before, now, complete)
        agreement = self._agreement(now)
        chunks = [c for c in survey.chunks if not c.only and catalogue.folder(c.folder, c.index) != c.to_value()]
        if (
            chunks
            or ingest.has_news
            or not is_aligned(self._repo, catalogue, self._space)
            or any((catalogue.meta(_agreed_name(label)) == agreement) != (label in agreed) for label in roots)
        ):
            self._write(catalogue, survey, ingest, chunks, dict.fromkeys(agreed, agreement), roots - agreed)

    def note(self, survey: Survey, ingest: Ingest) -> None:
        """Without a commit: write what was learnt. What agreed of the roots that were scanned does so no more."""
        if self._catalogue is not None:
            self._write(self._catalogue, survey, ingest, survey.chunks, {}, _labels(survey))

    def _agreeing(
        self, catalogue: Catalogue, roots: set[bytes], survey: Survey, before: Tree, now: Tree, complete: bool
    ) -> set[bytes]:
        """The roots whose files, as the catalogue knows them, are what the snapshot says.

        That holds after a complete run over a whole root all of whose folders were met; and it goes on to hold where
        it did and nothing was done to the root. A part that gained or lost something ends it, as nobody looked
        whether the folder above knows of that part.
        """
        whole = {os.fsencode(t.root.label) for t in survey.targets if not t.under and not t.gone}
        agreed = set()
        for label in roots:
            good = catalogue.meta(_agreed_name(label)) == self._agreement(before)
            if label in _labels(survey):
                good = label in whole or (good and before.root == now.root)
                good = good and complete and label not in survey.doubts
            if good:
                agreed.add(label)
        return agreed

    def _write(
        self,
        catalogue: Catalogue,
        survey: Survey,
        ingest: Ingest,
        chunks: Collection[Chunk],
        agreed: dict[bytes, bytes],
        other: Collection[bytes],
    ) -> None:
        """agreed: root -> what it agrees with. other: roots that agree with nothing."""
        with catalogue.batch() as batch:
            if not is_aligned(self._repo, catalogue, self._space):
                align(self._repo, catalogue, batch, self._space)
            keep_stats(batch, chunks)
            for label in other:
                batch.drop_meta(_agreed_name(label))
            for label, agreement in agreed.items():
                batch.put_meta(_agreed_name(label), agreement)
                if label in survey.found:
                    batch.put_meta(count_name(os.fsdecode(label)), survey.found[label].to_bytes(8, "little"))
            ingest.put(batch)
            if ingest.embedded:
                batch.put_meta(f"rate/{self._space}", _RATE.pack(*self.measured(ingest)))


def _labels(survey: Survey) -> set[bytes]:
    return {os.fsencode(target.root.label) for target in survey.targets}


def _agreed_name(label: bytes) -> str:
    return f"agreed/{os.fsdecode(label)}"
