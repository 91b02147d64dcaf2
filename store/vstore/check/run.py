"""Checks a store: every object must exist and match its checksums. Changes nothing."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from vstore.check.decisions import check_decisions
from vstore.check.facts import check_facts
from vstore.check.findings import Findings
from vstore.check.history import check_history
from vstore.check.index_parts import check_index_parts
from vstore.check.listing import check_listing
from vstore.check.log import check_log, check_names
from vstore.check.objects import Objects
from vstore.check.parts_to_read import part_of
from vstore.check.report import CheckReport
from vstore.check.snapshots import check_snapshots
from vstore.check.unlisted import check_unlisted
from vstore.disk.read_times import note_read
from vstore.errors import Damage
from vstore.format.relabelling import doubtful_labels
from vstore.progress import Progress, Stages
from vstore.repository.files import files_of
from vstore.repository.newest import is_between
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.check.request import Sample


def check(
    repo: Repository,
    *,
    read_data: bool = False,
    subset: str | None = None,
    max_duration: float | None = None,
    source: bool = False,
    sample: Sample | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check every record, pack, page, manifest, segment and count.

    read_data:    read every byte.
    subset:       read a part of the bytes: `1/7`, of seven parts the first, the same whenever it is asked for; or
                  `10%`, the longest unread first.
    max_duration: seconds of reading, the longest unread first.
    source:       read the pictures too, and find changed bytes behind an unchanged size and unchanged times.
    sample:       pictures to embed again and compare with the stored vectors.
    Raises: UsageError for a subset or a sample that cannot be, ModelError, SnapshotNotFound.

    Damage is reported, never raised, and the first problem does not hide the next. A writer may be at work meanwhile:
    what it adds is not looked at.
    """
    stages = Stages(progress)
    report = _check_store(repo, stages, read_data=read_data, subset=subset, max_duration=max_duration)
    stages.close()
    if source:
        from vstore.check.source import check_source

        repo.reload()
        report = report.extended(*repo.reading(lambda: check_source(repo, stages)))
    if sample is not None:
        from vstore.check.reembed import problems_of, reembed

        repo.reload()
        claimed = repo.state.spaces[repo.snapshot("current").space].status == "claimed"
        result = reembed(repo, sample, stages)
        report = report._replace(reembed=result)
        # Nobody proved yet that the rows of a claimed space, or of another recipe, fit: it is no damage if they do not.
        if not claimed and sample.recipe is None and sample.adopt is None:
            report = report.extended(repo.reading(lambda: problems_of(repo, result)))
    if report.ok and report.reembed is None:  # which names no picture
        return report
    return report._replace(where=files_of(repo, doubtful_labels(repo.state)))


def _check_store(
    repo: Repository, stages: Stages, *, read_data: bool, subset: str | None, max_duration: float | None
) -> CheckReport:
    """Check what lies in the store, again where it was changed meanwhile."""
    if subset is not None:
        part_of([], subset)
    until = None if max_duration is None else time.monotonic() + max_duration
    while True:
        highest = repo.log.numbers()[-1:]
        with contextlib.suppress(Damage):  # whatever is wrong with the log is found below
            repo.reload()
        report = _check_once(repo, stages, read_data=read_data, subset=subset, until=until)
        repo.refuse_gone_to_readers()  # nothing is damaged then, and nothing whole
        # What was missing may have been collected meanwhile: it is damage only if nobody has changed the store.
        if report.ok or repo.log.numbers()[-1:] == highest:
            return report


def _check_once(
    repo: Repository, stages: Stages, *, read_data: bool, subset: str | None, until: float | None
) -> CheckReport:
    findings = Findings()
    state, records = check_log(repo.log, findings)
    objects = Objects(repo, state, findings, read_whole=read_data, stages=stages)
    with contextlib.closing(objects):
        objects.begin()
        objects.check_packs()
        objects.check_spaces()
        objects.check_segments()
        stages.begin("comparing snapshots")
        snapshots = check_listing(repo.hash, state, objects.blob, findings)
        findings.attempt("refs", lambda: check_names(state, {one.name for one in snapshots}, findings))
        check_snapshots(repo, state, snapshots, objects=objects, findings=findings)
        check_decisions(repo.hash, state, objects.blob, findings)
        check_history(repo.hash, state, objects.blob, findings)
        objects.check_imports()
        check_facts(repo.hash, state, objects.blob, findings)
        findings.attempt("FORMAT", lambda: _note_format(repo, findings))
        check_unlisted(repo.layout, state, set(objects.listed), findings)
        check_index_parts(repo.layout, state, findings, read_whole=read_data)
        if subset is not None or until is not None:
            objects.read_some(subset, until)
        note_read(repo.layout.cache, objects.verified, set(objects.listed))
        return CheckReport(
            ok=not findings.problems,
            snapshots=len(snapshots),
            segments=objects.segments,
            packs=objects.opened,
            records=records,
            bytes_read=findings.bytes_read,
            problems=tuple(findings.problems),
            notes=tuple(findings.notes),
            verified=len(objects.verified),
            files=len(objects.listed),
        )


def _note_format(repo: Repository, findings: Findings) -> None:
    if is_between(repo):
        findings.notes.append("the migration of this store was interrupted; nothing is lost: run vstore migrate again")
