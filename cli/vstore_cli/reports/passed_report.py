"""What a sync passed over, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore_cli.output import count, number, placed, say, shown

if TYPE_CHECKING:
    from vstore import Files, PassedOver, SyncReport

_NAMED = 5  # extensions, or folders, that the terminal names
_FOLDERS = ("deleted", "older", "previews", "originals")


def rows(report: SyncReport) -> Iterator[tuple[int, str]]:
    """Yield a number and words for each kind of file that was passed over."""
    unread = _of(report, "picture")
    total = sum(passed.count for passed in unread)
    kinds = "picture of a kind" if total == 1 else "pictures of kinds"
    yield total, f"{kinds} that vstore does not read: {_by_name(unread)}{_such_as(unread, report.where)}"
    other = _of(report, "other", "broken")
    total = sum(passed.count for passed in other)
    yield total, f"other {'file' if total == 1 else 'files'}, not opened: {_by_name(other)}"
    for passed in _of(report, "elsewhere", "extra"):
        pictures = "picture" if passed.count == 1 else "pictures"
        yield passed.count, f"{pictures} not read (such as {placed(passed.path, report.where)}): {passed.reason}"
    for passed in _of(report, "link", "disk"):
        folder = "folder" if passed.count == 1 else "folders"
        what = f"symlinked {folder}" if passed.kind == "link" else f"{folder} on other disks"
        there = placed(passed.path, report.where) + (", …" if passed.count > 1 else "")
        yield passed.count, f"{what}, not entered without {passed.take_in}: {there}"


def print_hints(report: SyncReport) -> None:
    """Name the folders left out by default, and how to take in what was passed over."""
    out = _of(report, *_FOLDERS)
    if out:
        named = ", ".join(_folder(passed, report.where) for passed in out[:_NAMED])
        more = f" and {number(len(out) - _NAMED)} more (--json lists all)" if len(out) > _NAMED else ""
        say(f"Left out: {named}{more}. To take one in: vstore sync {shown(out[0].take_in or '')}")
    if report.removed_left_out:
        paths = count(report.removed_left_out, "path")
        leave = "would leave" if report.dry_run else "left"
        say(f"{paths} of such folders {leave} the index. No file was touched, and taking them in again embeds nothing.")
    if report.removed_excluded:
        paths = count(report.removed_excluded, "path")
        leave = "would leave" if report.dry_run else "left"
        hidden = "that patterns hide (--exclude, .vstoreignore)"
        say(f"{paths} {hidden} {leave} the index. No file was touched, and taking them in again embeds nothing.")


def _of(report: SyncReport, *kinds: str) -> list[PassedOver]:
    return [passed for passed in report.passed if passed.kind in kinds]


def _by_name(some: list[PassedOver]) -> str:
    """List extensions with their numbers, the most frequent first; the rest as `other`."""
    named = [passed for passed in some if passed.name]
    shown_ones = sorted(named, key=lambda passed: (-passed.count, passed.name))[:_NAMED]
    rest = sum(passed.count for passed in some) - sum(passed.count for passed in shown_ones)
    said = [f"{number(passed.count)} {shown(passed.name)}" for passed in shown_ones]
    return ", ".join(said + ([f"{number(rest)} other"] if rest else []))


def _such_as(some: list[PassedOver], where: Files) -> str:
    return f" (such as {placed(min(passed.path for passed in some), where)})" if some else ""


def _folder(passed: PassedOver, where: Files) -> str:
    more = f" and {number(passed.count - 1)} more" if passed.count > 1 else ""
    return f"{placed(passed.path, where)}{more} ({passed.reason})"
