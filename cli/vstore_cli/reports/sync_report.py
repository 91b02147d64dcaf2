"""The report of `vstore sync` and `vstore status`, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore_cli.output import count, duration, echo_json, holdings, number, placed, say, shown, size, tell, tell_path
from vstore_cli.reports import passed_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vstore import Failure, Files, Running, SyncReport, Truncated

FAILURES = 20  # failed pictures that the terminal names
_CUT = 3  # cut pictures that the terminal names
RETRY = "--retry-failed"
_SET = {"too_large", "bomb", "needs_extra"}  # kinds of failures that another option or package ends, and no retry


def show(
    report: SyncReport,
    folder: Path,
    *,
    as_json: bool,
    quiet: bool = False,
    retry: str = RETRY,
    again: str = "vstore sync",
    first: str = "Make it by running this without --dry-run.",
) -> int:
    """Print a report.

    folder:  of the store, or the place of the one that a first sync would make.
    retry:   tries failed pictures again.
    again:   goes on with an interrupted run.
    first:   says how to make the first run of a dry one.
    Returns: the exit code.
    """
    fresh = [failure for failure in report.failed if not failure.known]
    if as_json:
        echo_json(report)
    else:
        if report.running is not None:
            tell(_running(report.running))
        if not quiet:
            _print(report, retry)
            if not report.store_exists:
                _print_first(report, folder, first)
        for note in report.notes:
            say(f"Note: {shown(note)}", err=True)
        _print_failures(fresh, report.where)
    if report.interrupted:
        saved = f"{report.snapshot} holds the finished work" if report.snapshot else "finished work is saved"
        say(f"Interrupted: {saved}; continue with: {again}", err=True)
        return 130
    return 3 if fresh else 0


def _running(running: Running) -> str:
    """Say which command is changing the store now, and how far it is."""
    who = f"process {running.pid} on {shown(running.host)}, since {shown(running.since)}"
    how_far = ""
    if running.stage:
        how_far = f": {shown(running.stage)}"
        if running.done is not None and (running.done or running.total):
            of = f" of {number(running.total)}" if running.total is not None else ""
            how_far += f", {number(running.done)}{of} {shown(running.unit or '')}".rstrip()
    return f"Running now: {shown(running.command)} ({who}){how_far}"


_WORDS = (
    ("new", "new"),
    ("changed", "changed"),
    ("renamed", "renamed"),
    ("copied", "copied"),
    ("known", "known (vectors already stored)"),
    ("removed", "removed"),
    ("unchanged", "unchanged"),
    ("carried", "carried over (could not be read)"),
)


def _print(report: SyncReport, retry: str) -> None:
    for label, place in report.moved.items():
        tell(f"{shown(label)} is now at {shown(place)}.")
    for label, prefix in report.absorbed.items():
        tell(f"{shown(label)} is now part of another folder: {shown(prefix)}")
    _print_classes(report, retry)
    if report.held is not None:
        say(f"Syncing is held at {report.held} until: vstore rollback --release")


def _print_classes(report: SyncReport, retry: str) -> None:
    known = sum(failure.known for failure in report.failed)
    moved = sum(getattr(report, name) for name in ("new", "changed", "renamed", "copied", "known", "removed"))
    if not moved and report.snapshot is None:
        if not report.interrupted and report.store_exists:
            where = f"{report.current}: " if report.current else ""
            have = holdings(report.paths, report.images)
            tell(f"Nothing changed. {where}{have}, checked in {duration(report.seconds)}")
        _print_retried(report)
        if known:
            say(f"{count(known, 'picture')} could not be read, as before; {_of_known(report, retry)}.")
        _print_rows(list(passed_report.rows(report)))
        passed_report.print_hints(report)
        return
    rows = [(getattr(report, name), words + _example(report, name)) for name, words in _WORDS]
    rows.append((len(report.failed) - known, "failed: see below"))
    rows.append((known, f"failed before, and did not change; {_of_known(report, retry)}"))
    rows += passed_report.rows(report)
    _print_rows(rows)
    passed_report.print_hints(report)
    if report.recovered:
        tell(f"Recovered {count(report.recovered, 'vector')} of an interrupted run.")
    _print_retried(report)
    print_truncated(report.truncated, "Took", report.where)
    _print_candidates(report)
    if report.dry_run:
        if report.store_exists:
            tell(_forecast(report))
        return
    kind = "partial snapshot" if report.partial else "snapshot"
    wrote = (
        f"Wrote {kind} {report.snapshot}" if report.snapshot else f"No snapshot written; {report.current} is current"
    )
    tell(f"{wrote}: {holdings(report.paths, report.images)}")
    tell(f"Embedded {count(report.embedded, 'picture')} in {duration(report.seconds)}" + _saving(report))
    if report.without_pixels:
        have = "has" if report.without_pixels == 1 else "have"
        say(
            f"{count(report.without_pixels, 'picture')} {have} no pixel digest: an edit will cost an embedding. Fill "
            f"{'it' if report.without_pixels == 1 else 'them'} in with: vstore facts --fill --pixels"
        )


def _print_rows(rows: list[tuple[int, str]]) -> None:
    width = max((len(number(amount)) for amount, _ in rows), default=0)
    for amount, words in rows:
        if amount:
            say(f"  {number(amount).rjust(width)}  {words}", hang=width + 4)


def _of_known(report: SyncReport, retry: str) -> str:
    """Say where the known failures are listed, and how they are tried again, if that can help."""
    known = [failure for failure in report.failed if failure.known]
    them = "it" if len(known) == 1 else "them"
    helped = sum(failure.kind not in _SET for failure in known)
    whom = them if helped == len(known) else number(helped)
    return f"vstore ls --failed lists {them}" + (f", {retry} tries {whom} again" if helped else "")


def _print_retried(report: SyncReport) -> None:
    if report.retried and report.dry_run:
        tell(f"{count(report.retried, 'picture')} that failed before would be tried again.")
    elif report.retried:
        have = f"{number(report.retried_embedded)} {'has' if report.retried_embedded == 1 else 'have'} a vector now"
        tell(f"Tried {count(report.retried, 'picture')} again that failed before: {have}.")


def print_truncated(cut: Sequence[Truncated], verb: str, where: Files) -> None:
    """Name pictures whose file is cut. verb: what became of them."""
    if not cut:
        return
    some = ", ".join(f"{placed(one.path, where)} ({number(one.lines)} of {number(one.of)} lines)" for one in cut[:_CUT])
    more = f" and {number(len(cut) - _CUT)} more; --json lists all" if len(cut) > _CUT else ""
    say(f"{verb} {count(len(cut), 'cut picture')}: {some}{more}.")


def _print_candidates(report: SyncReport) -> None:
    """List the new pictures that may belong to rows that an import set aside."""
    for import_id, by in dict.fromkeys((candidate.id, candidate.by) for candidate in report.candidates):
        some = [candidate for candidate in report.candidates if (candidate.id, candidate.by) == (import_id, by)]
        how = "If they are these pictures, match" if by == "name" else "Match"
        option = " --by-name" if by == "name" else ""
        say(
            f"{count(len(some), 'new picture')} with the same {by} as a row that an import set aside (such as "
            f"{placed(some[0].path, report.where)} and {shown(some[0].old)}). {how} them with: vstore import --resume "
            f"{import_id}{option}"
        )


def _print_first(report: SyncReport, folder: Path, how: str) -> None:
    """Say what a first sync would do where there is no store yet."""
    pictures = f"{count(report.to_embed, 'picture')} ({size(report.embed_bytes)})"
    say(f"There is no store yet. A first sync would make {shown(str(folder))}, and embed {pictures}. {how}")


def _forecast(report: SyncReport) -> str:
    if not report.to_embed:
        return "A sync would embed nothing."
    cost = f", about {duration(report.embed_seconds)}" if report.embed_seconds is not None else ""
    return f"A sync would embed {count(report.to_embed, 'picture')}{cost}."


def _saving(report: SyncReport) -> str:
    if report.full_seconds is None or report.embedded >= report.images:
        return "."
    return f"; embedding all {number(report.images)} would take about {duration(report.full_seconds)}."


def _example(report: SyncReport, name: str) -> str:
    some = report.examples.get(name, ())
    if name == "unchanged" or not some:
        return ""
    first = " -> ".join(placed(path, report.where) for path in some[0])
    return f": {first}" + (", …" if getattr(report, name) > 1 else "") + (_same(report) if name == "changed" else "")


def _same(report: SyncReport) -> str:
    """Say how many of the changed pictures have the same pixels."""
    if not report.same_pixels:
        return ""
    if report.same_pixels == report.changed:
        return " (same pixels: nothing was embedded)"
    return f" (same pixels in {number(report.same_pixels)}: these were not embedded)"


def _print_failures(failures: list[Failure], where: Files) -> None:
    if failures:
        tell(f"{count(len(failures), 'path')} could not be read:", err=True)
    for failure in failures[:FAILURES]:
        tell_path(placed(failure.path, where), f": {shown(failure.reason)}", err=True)
    if len(failures) > FAILURES:
        say(f"  and {number(len(failures) - FAILURES)} more; all with: vstore ls --failed", err=True)
    # One whose reason names the option was tried with it, and has too few lines.
    if any(failure.kind == "truncated" and "--accept-truncated" not in failure.reason for failure in failures):
        text = "Cut pictures can be taken if enough of their lines are there: vstore sync FOLDER --accept-truncated 90%"
        say(text, err=True)
