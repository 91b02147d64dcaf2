"""The notes of a run in the catalogue for the next one: facts learnt, and the time a picture takes."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator

from vstore.disk.catalogue import Catalogue
from vstore.format.entries import Snapshot
from vstore.format.relabelling import yesterday
from vstore.format.tree import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.stat_cache import put_count, put_stats, value_of
from vstore.intake.stored_keys import align, is_aligned
from vstore.intake.survey import Chunk, Survey
from vstore.repository.places import is_below
from vstore.repository.repository import Repository
from vstore.sync.disks import Spot, packed, remembered, spots_of, unpacked

RATE_MEMORY = 1000.0  # pictures of earlier runs that count for the rate: a single picture says little
_RATE = struct.Struct("<dd")  # seconds, pictures


class Memory:
    """The notes of one space. They may be missing at any time: then a run reads more than it needs to."""

    def __init__(self, repo: Repository, catalogue: Catalogue | None, space: str) -> None:
        self._repo = repo
        self._catalogue = catalogue
        self._space = space
        self._earlier = 0.0, 0.0  # seconds and pictures of earlier runs
        rate = catalogue.meta(f"rate/{space}") if catalogue is not None else None
        if rate is not None and len(rate) == _RATE.size:
            seconds, pictures = _RATE.unpack(rate)
            share = min(1.0, RATE_MEMORY / pictures)
            self._earlier = seconds * share, pictures * share
        if catalogue is not None and catalogue.writable and not is_aligned(repo, catalogue, space):
            with catalogue.batch() as batch:
                align(repo, catalogue, batch, space)

    def measured(self, ingest: Ingest) -> tuple[float, float]:
        """Return the seconds of reading and embedding, in this run and earlier ones, and the number of pictures."""
        seconds, pictures = self._earlier
        return seconds + ingest.embed_seconds, pictures + ingest.embedded

    def agrees(self, label: bytes, parent: Snapshot | None, tree: Tree) -> bool:
        """Tell whether the catalogue and a snapshot say the same of a folder's files, and all have a vector here.

        parent: the snapshot; if it is degraded, or of another space, some of its pictures may have no vector.
        tree:   its aliases.
        """
        if self._catalogue is None or (parent is not None and (parent.degraded or parent.space != self._space)):
            return False
        return self._catalogue.meta(_agreed_name(label)) == self._agreement(tree)

    def _agreement(self, tree: Tree) -> bytes:
        return bytes.fromhex(self._space) + tree.root

    def remember(self, survey: Survey, ingest: Ingest, before: Tree, now: Tree, *, complete: bool) -> None:
        """After a commit: write the facts learnt, in one transaction; nothing if nothing is new.

        before: the aliases before the commit.
        now:    the aliases after it.
        """
        catalogue = self._catalogue
        if catalogue is None:
            return
        spots = dict(self._spots(survey, now)) if complete else {}
        roots = {os.fsencode(name) for name in self._repo.state.roots} | _labels(survey)
        agreed = self._agreeing(catalogue, roots, survey, before=before, now=now, complete=complete)
        agreement = self._agreement(now)
        chunks = [c for c in survey.chunks if not c.only and catalogue.folder(c.folder, c.index) != value_of(c)]
        if (
            chunks
            or ingest.has_news
            or spots
            or not is_aligned(self._repo, catalogue, self._space)
            or any((catalogue.meta(_agreed_name(label)) == agreement) != (label in agreed) for label in roots)
        ):
            agreeing = dict.fromkeys(agreed, agreement)
            self._write(catalogue, survey, ingest, chunks=chunks, agreed=agreeing, other=roots - agreed, spots=spots)

    def note(self, survey: Survey, ingest: Ingest) -> None:
        """Without a commit: write the facts learnt. The scanned folders agree with no snapshot from now on."""
        if self._catalogue is not None:
            chunks, other = survey.chunks, _labels(survey)
            self._write(self._catalogue, survey, ingest, chunks=chunks, agreed={}, other=other, spots={})

    def spots(self, label: bytes) -> dict[bytes, Spot]:
        """Recall where the subfolders of a folder lay, by stored path; perhaps from when it had another label."""
        if self._catalogue is None:
            return {}
        for name in (label, *yesterday(label, self._repo.state.absorbed)):
            spots = unpacked(self._catalogue.meta(_spots_name(name)))
            if spots:
                return {label + path[len(name) :]: spot for path, spot in spots.items()}
        return {}

    def _spots(self, survey: Survey, now: Tree) -> Iterator[tuple[bytes, bytes]]:
        """Look where the subfolders of whole roots lie, and yield the label and the packed look if it is a new one."""
        for target in survey.targets:
            if target.under or target.gone:
                continue
            label = os.fsencode(target.root.label)
            earlier = self.spots(label)
            listed = (path for path in survey.shallow if is_below(path, label))
            found = spots_of(label, target.place, listed, inodes=not target.options.ignore_inode)
            mounted = (path for path, spot in earlier.items() if spot.mounted and not survey.is_unlisted(path + b"/"))
            filled = [path for path in mounted if any(now.under(path))]
            spots = remembered(found, earlier, filled)
            if spots != earlier:
                yield label, packed(spots)

    def _agreeing(
        self, catalogue: Catalogue, roots: set[bytes], survey: Survey, *, before: Tree, now: Tree, complete: bool
    ) -> set[bytes]:
        """Find the roots on whose files the catalogue and the snapshot agree.

        They do after a complete run over a whole root all of whose folders were met, and go on to do so while nothing
        happens to the root. A part that gained or lost something ends it: the folder above may not know of that part.
        """
        whole = {os.fsencode(t.root.label) for t in survey.targets if not t.under and not t.gone}
        looked_at, agreement = _labels(survey), self._agreement(before)
        agreed = set()
        for label in roots:
            good = catalogue.meta(_agreed_name(label)) == agreement
            if label in looked_at:
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
        *,
        chunks: Collection[Chunk],
        agreed: dict[bytes, bytes],
        other: Collection[bytes],
        spots: dict[bytes, bytes],
    ) -> None:
        """Write in one transaction.

        chunks: runs of files with new stats.
        agreed: root -> the state it agrees with.
        other:  roots in agreement with none.
        spots:  label -> new look at its subfolders, packed.
        """
        with catalogue.batch() as batch:
            if not is_aligned(self._repo, catalogue, self._space):
                align(self._repo, catalogue, batch, self._space)
            put_stats(batch, chunks)
            for label in other:
                batch.drop_meta(_agreed_name(label))
            for label, agreement in agreed.items():
                batch.put_meta(_agreed_name(label), agreement)
                if label in survey.found:
                    put_count(batch, label, survey.found[label])
            for label, look in spots.items():
                batch.put_meta(_spots_name(label), look)
            ingest.put(batch)
            if ingest.embedded:
                batch.put_meta(f"rate/{self._space}", _RATE.pack(*self.measured(ingest)))


def _labels(survey: Survey) -> set[bytes]:
    return {os.fsencode(target.root.label) for target in survey.targets}


def _spots_name(label: bytes) -> str:
    return f"spots/{os.fsdecode(label)}"


def _agreed_name(label: bytes) -> str:
    return f"agreed/{os.fsdecode(label)}"
