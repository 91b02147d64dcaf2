"""Builds the report of a sync, or of a dry run."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vstore.format.delta import CLASSES, EXAMPLES, classify
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.survey import Survey
from vstore.pictures.elsewhere import Elsewhere
from vstore.quick_tuple import NamedTuple
from vstore.repository.files import Files
from vstore.repository.repository import Repository
from vstore.sync import absent_parts
from vstore.sync.edits import Edits
from vstore.sync.left_fields import left_fields
from vstore.sync.left_fields import note as left_note
from vstore.sync.memory import Memory
from vstore.sync.occurrences import images_gained, occurrences, touched
from vstore.sync.passing import passed_over
from vstore.sync.pattern_notes import notes
from vstore.sync.report import Failure, SyncReport

if TYPE_CHECKING:
    from vstore.repository.candidates import Candidate
    from vstore.repository.cut_picture import Truncated


class Outcome(NamedTuple):
    """The result of a run, as its report needs it.

    start:       the current snapshot before the run, or None.
    first:       the aliases before the run.
    edits:       the changes of the run to them.
    before:      of the keys of the changes: how many aliases of `first` name them; None to count them.
    survey:      the last one.
    written:     the last snapshot of the run, or None.
    unfit:       path -> key of pictures without a vector in the wanted space.
    moved:       label -> the new place of its folder.
    absorbed:    old label -> new prefix of its paths, for a folder taken in by a wider one.
    recovered:   vectors recovered from a killed run.
    interrupted: the run was asked to stop.
    """

    start: Snapshot | None
    first: Tree
    edits: Edits
    before: Counter[bytes] | None
    survey: Survey
    written: Snapshot | None
    unfit: Mapping[bytes, bytes]
    moved: Mapping[str, str]
    absorbed: Mapping[str, str]
    recovered: int
    interrupted: bool


class Reporter:
    """The reports of one run in one space."""

    def __init__(
        self, repo: Repository, space: str, *, ingest: Ingest, memory: Memory, asked: bool, began: float
    ) -> None:
        """
        asked: the caller named the space: every picture needs a vector there.
        began: time.perf_counter() at the begin of the run.
        """
        self._repo = repo
        self._space = space
        self._ingest = ingest
        self._memory = memory
        self._asked = asked
        self._began = began

    def report(self, outcome: Outcome, *, dry_run: bool) -> SyncReport:
        repo, ingest, edits, written = self._repo, self._ingest, outcome.edits, outcome.written
        before = outcome.before
        if before is None:
            before = occurrences(outcome.first, touched(edits.every()), repo.hash.size)
        delta = classify(edits.changes, _Named(before), _Stored(ingest))
        counts = delta.counts
        same = [path for path, _, new in ingest.same_pixels(edits.changes) if new and not ingest.is_embedded(new)]
        left = left_fields(repo, outcome.start, edits.changes, set(same), _Named(before))
        wanted = {key for key in self._keys_after(outcome) if ingest.wants(key)} if dry_run else set()
        to_embed = len(wanted)
        current = repo.state.current_snapshot
        paths, images = self._size_after(outcome, before) if dry_run else self._size()
        rate = self._rate()
        seconds = time.perf_counter() - self._began
        full = seconds - ingest.embed_seconds + rate * images if rate is not None and images else None
        return SyncReport(
            snapshot=written.name if written else None,
            current=current.name if current else None,
            id=current.id if current else None,
            parent=written.parent if written else (current.parent if current else None),
            space=self._space,
            space_name=repo.state.spaces[self._space].name,
            partial=written.partial if written else False,
            dry_run=dry_run,
            paths=paths,
            images=images,
            unchanged=edits.unchanged,
            changed=counts["changed"],
            renamed=counts["renamed"],
            copied=counts["copied"],
            known=counts["known"],
            new=counts["new"],
            removed=counts["removed"],
            carried=edits.carried,
            ignored=outcome.survey.ignored,
            failed=tuple(self._failed(outcome)),
            embedded=ingest.embedded,
            reused=counts["renamed"] + counts["copied"] + counts["known"] + len(same),
            seconds=round(seconds, 3),
            full_seconds=round(full, 3) if full is not None else None,
            to_embed=to_embed,
            embed_seconds=round(rate * to_embed, 3) if rate is not None and dry_run else None,
            recovered=outcome.recovered,
            interrupted=outcome.interrupted,
            held=repo.state.hold if dry_run else None,
            moved=outcome.moved,
            absorbed=outcome.absorbed,
            same_pixels=len(same),
            without_pixels=self._without_pixels() if ingest.missed_digests or outcome.recovered else 0,
            candidates=self._candidates(edits, before),
            passed=passed_over(outcome.survey.passed, ingest.troubles),
            truncated=self._truncated(),
            notes=self._notes(outcome, before, left, dry_run=dry_run),
            removed_left_out=_left_out(outcome),
            removed_excluded=_excluded(outcome),
            retried=len(ingest.tried_again),
            retried_embedded=sum(key in ingest.vectors for key in ingest.tried_again),
            examples={
                **{name: tuple(delta.examples[name]) for name in CLASSES},
                "same_pixels": tuple((path,) for path in sorted(same)[:EXAMPLES]),
            },
            where=self._where(outcome),
            fields_left=left,
            embed_bytes=_bytes_of(wanted, outcome.survey) if wanted else 0,
        )

    def _where(self, outcome: Outcome) -> Files:
        """Note where the folders are, those of a dry run included, of which the log knows nothing."""
        state = self._repo.state
        places = {os.fsencode(label): self._repo.place(root) for label, root in state.roots.items()}
        places |= {os.fsencode(target.root.label): target.place for target in outcome.survey.targets}
        return Files(places)

    def _truncated(self) -> tuple[Truncated, ...]:
        """List the cut pictures that this run took."""
        return tuple(sorted(one for key, one in self._ingest.cut.taken.items() if key in self._ingest.vectors))

    def _notes(self, outcome: Outcome, before: Counter[bytes], left: int, *, dry_run: bool) -> tuple[str, ...]:
        survey, tree, changes = outcome.survey, outcome.first, outcome.edits.changes
        about = self._of_changes(outcome, before, dry_run=dry_run) if changes else ()
        labels = self._older_labels(outcome) if dry_run else ()
        fields = (left_note(left, outcome.start.name, dry_run=dry_run),) if left and outcome.start else ()
        return (*absent_parts.notes(survey, tree), *about, *labels, *fields, *notes(survey, dry_run=dry_run))

    def _of_changes(self, outcome: Outcome, before: Counter[bytes], *, dry_run: bool) -> Iterator[str]:
        """Say which folders moved, and which subfolders lost all pictures."""
        from vstore.sync import emptied_notes, moved_roots  # a run without news has neither

        survey, tree, changes = outcome.survey, outcome.first, outcome.edits.changes
        yield from moved_roots.notes(self._repo, survey.targets, tree, changes, dry_run=dry_run)
        yield from emptied_notes.notes(survey, tree, changes, before, dry_run=dry_run)

    def _older_labels(self, outcome: Outcome) -> Iterator[str]:
        """Say that a sync would write a snapshot for the labels alone: that in force has them from before a change."""
        current = self._repo.state.current_snapshot
        if current is not None and not outcome.absorbed and self._repo.manifest(current).tree != outcome.first.root:
            yield f"{current.name} has older labels of folders: a sync writes a snapshot with those of today."

    def _size(self) -> tuple[int, int]:
        """Return the numbers of paths and pictures of the current snapshot."""
        current = self._repo.state.current_snapshot
        return (current.paths, current.images) if current else (0, 0)

    def _without_pixels(self) -> int:
        """Count the pictures of the current snapshot without a digest of their pixels."""
        from vstore.repository.pixel_facts import lacking  # few runs miss one

        repo = self._repo
        keys = set(repo.tree(repo.state.current_snapshot).every_key())
        return len(lacking(repo, repo.recipe(self._space), keys))

    def _size_after(self, outcome: Outcome, before: Counter[bytes]) -> tuple[int, int]:
        """Return the numbers of paths and pictures once the edits are made."""
        changes = outcome.edits.every()
        paths = len(outcome.first) + sum((new is not None) - (old is not None) for _, old, new in changes)
        return paths, self._size()[1] + images_gained(before, changes)

    def _rate(self) -> float | None:
        """Return the seconds per picture, as measured by this run and earlier ones."""
        seconds, pictures = self._memory.measured(self._ingest)
        return seconds / pictures if pictures else None

    def _candidates(self, edits: Edits, before: Counter[bytes]) -> tuple[Candidate, ...]:
        """List the new pictures that may belong to rows set aside by an import."""
        if not self._repo.state.imports:
            return ()
        from vstore.repository.candidates import candidates

        added = ((path, new) for path, old, new in edits.changes if old is None and new is not None)
        new = sorted((path, key) for path, key in added if not before[key])
        return tuple(candidates(self._repo, self._space, new)) if new else ()

    def _keys_after(self, outcome: Outcome) -> set[bytes]:
        """List the keys possibly without a vector in the space of this run, after the edits."""
        if not self._asked:
            return {new for _, _, new in outcome.edits.changes if new is not None}
        return {key for _, key in outcome.first.edited({path: new for path, _, new in outcome.edits.every()})}

    def _failed(self, outcome: Outcome) -> list[Failure]:
        ingest, survey = self._ingest, outcome.survey
        failed = []
        for chunk in survey.chunks if ingest.failures else ():
            for number, path, _ in chunk.files():
                key = chunk.key(number)
                if key is not None and key in ingest.failures:
                    failed.append(self._failure(path, key))
        for path, trouble in ingest.troubles.items():
            if isinstance(trouble, Elsewhere):
                continue
            known = trouble.kind == "too_large" and path in survey.large
            failed.append(Failure(path, trouble.kind, trouble.reason, known))
        for path, unlisted in survey.troubled.items():
            failed.append(Failure(path, unlisted.kind, unlisted.reason, False))
        met = {failure.path for failure in failed}
        failed += [self._failure(path, key) for path, key in outcome.unfit.items() if path not in met]
        return sorted(failed, key=lambda failure: failure.path)

    def _failure(self, path: bytes, key: bytes) -> Failure:
        failure, known = self._ingest.failures[key]
        return Failure(path, failure.kind, failure.reason, known)


def _bytes_of(keys: set[bytes], survey: Survey) -> int:
    """Add the sizes of pictures, each counted once."""
    found = {}
    for chunk in survey.chunks:
        for number, _, file in chunk.files():
            key = chunk.key(number)
            if key in keys:
                found[key] = file.size
    return sum(found.values())


def _left_out(outcome: Outcome) -> int:
    """Count the removed paths in folders that are left out by default."""
    survey = outcome.survey
    return sum(new is None and survey.is_left_out(path) for path, _, new in outcome.edits.changes)


def _excluded(outcome: Outcome) -> int:
    """Count the removed paths that patterns hide, without those in folders that are left out by default."""
    survey = outcome.survey
    removed = (path for path, _, new in outcome.edits.changes if new is None)
    return sum(survey.hides(path) and not survey.is_left_out(path) for path in removed)


class _Named:
    """The keys in a tree, of those counted in it."""

    def __init__(self, counts: Counter[bytes]) -> None:
        self._counts = counts

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self._counts[key] > 0


class _Stored:
    """The keys with a vector before this run."""

    def __init__(self, ingest: Ingest) -> None:
        self._vectors = ingest.vectors

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self._vectors.stored(key)
