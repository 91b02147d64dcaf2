"""The snapshots of the store: their history, two of them compared, and the moves from one to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from vstore import SnapshotNotFound, UsageError
from vstore_page.answers import one, plain, view_route, whole, word, write_route
from vstore_page.cards import picture
from vstore_page.kept import Kept

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import DiffReport, SnapshotRow
    from vstore_page.page import Page

Json = Any

KINDS = ("changed", "renamed", "copied", "added", "removed")
_AT_ONCE = 500  # snapshots, operations, or pictures of a kind
_FEW = 24  # pictures of each kind that the view of a difference begins with
_DIFFERENCES = 2  # that are kept: each takes some 300 bytes for each picture that differs


def routes(page: Page) -> list[Route]:
    """Make the routes of snapshots."""
    return [
        view_route("/snapshots", partial(_snapshots, page)),
        view_route("/diff", partial(_diff, Differences(page))),
        write_route(page, "/snapshots/rollback", _rollback),
        write_route(page, "/snapshots/release", _release),
        write_route(page, "/snapshots/undo", _undo),
        write_route(page, "/snapshots/redo", _redo),
        write_route(page, "/snapshots/tag", _tag),
        write_route(page, "/snapshots/untag", _untag),
    ]


# The history


def _snapshots(page: Page, request: Request) -> Json:
    """List some of the snapshots, the newest operations, and what can be undone."""
    first, count = whole(request, "from", 0, 10**9), whole(request, "count", 100, _AT_ONCE)
    operations = whole(request, "operations", 20, 10_000)
    moves, rows = page.store.moves(), page.store.snapshot_list()
    compared = _compared_with(rows)
    log = page.store.log(operations)
    return {
        **plain(moves),
        "total": len(rows),
        "from": first,
        "snapshots": [
            {**row.to_json(), "compared_with": compared[row.snapshot]} for row in rows[first : first + count]
        ],
        "log": plain(log),
        "log_is_cut": page.store.why_log_is_cut if len(log) < operations else None,
    }


def _compared_with(rows: Sequence[SnapshotRow]) -> dict[str, str | None]:
    """Find the snapshot that each is compared with: its parent, or the one before where that was forgotten."""
    names = [row.snapshot for row in rows]
    kept = set(names)
    return {row.snapshot: row.parent if row.parent in kept else before for row, before in zip_longest(rows, names[1:])}


# Two snapshots compared


class Differences:
    """The differences that were asked for last. Usable from several threads."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._of: Kept[tuple[str, str, int], Difference] = Kept(_DIFFERENCES)

    def of(self, a: str, b: str) -> Difference:
        """Compare two snapshots. Raises: SnapshotNotFound, AmbiguousSnapshot, Damage."""
        store = self.page.store
        # Folders may have got other labels since: those of today are shown.
        name = store.snapshot_named(a).snapshot, store.snapshot_named(b).snapshot, store.moves().newest
        return self._of.of(name, lambda: Difference(store.snapshot_diff(name[0], name[1])))


def _diff(differences: Differences, request: Request) -> Json:
    """Compare two snapshots: how many pictures differ, kind by kind, and the first of each kind, or some of one.

    a: the first snapshot; by default the one that /snapshots compares the second with. b: the second, by default the
    current one.
    """
    store, b, kind = differences.page.store, one(request, "b") or "current", one(request, "kind")
    if kind and kind not in KINDS:
        raise UsageError(f"{kind!r:.60} is no kind of difference", f"the kinds are: {', '.join(KINDS)}")
    a = one(request, "a")
    if not a:
        after = store.snapshot_named(b).snapshot
        a = _compared_with(store.snapshot_list()).get(after) or ""
        if not a:
            raise SnapshotNotFound(f"there is no snapshot before {after}", "choose two")
    found = differences.of(a, b)
    report = found.report
    first, count = whole(request, "from", 0, 10**12), whole(request, "count", _FEW, _AT_ONCE)
    return {
        "before": plain(store.snapshot_named(report.before)),
        "after": plain(store.snapshot_named(report.after)),
        "same_space": report.same_space,
        "counts": {one: len(getattr(report, one)) for one in KINDS},
        "fields": plain(report.fields),
        "from": first,
        "pictures": {one: list(found.some(one, first, count)) for one in ([kind] if kind else KINDS)},
    }


class Difference:
    """The pictures of a difference, as the modules of the browser take them.

    report: of the library.
    """

    def __init__(self, report: DiffReport) -> None:
        self.report = report
        self._in_after = {keys[1] for keys in report.keys.values()}

    def some(self, kind: str, first: int, count: int) -> Iterator[Json]:
        """Describe some pictures of a kind."""
        paths: Sequence[Any] = getattr(self.report, kind)[first : first + count]
        describe: Callable[[Any], Json] = getattr(self, f"_{kind}")
        return map(describe, paths)

    def _changed(self, path: bytes) -> Json:
        before, after = self.report.keys[path]
        return {"before": self._picture(path, before), "after": self._picture(path, after)}

    def _renamed(self, paths: tuple[bytes, bytes]) -> Json:
        return {"picture": self._after(paths[1]), "was": paths[0].decode("utf-8", "replace")}

    def _copied(self, path: bytes) -> Json:
        return {"picture": self._after(path)}

    _added = _copied

    def _removed(self, path: bytes) -> Json:
        return {"picture": self._picture(path, self.report.keys[path][0])}

    def _after(self, path: bytes) -> Json:
        return self._picture(path, self.report.keys[path][1])

    def _picture(self, path: bytes, key: bytes | None) -> Json:
        """Describe a picture under one path, with the snapshot in which its file is more likely there."""
        assert key is not None
        at = self.report.after if key in self._in_after else self.report.before
        return {**picture(key, [path]), "at": at}


# Moves. What a person decided about is the state that was shown: where the store has changed since, nothing is done.


def _rollback(page: Page, sent: dict[str, Json]) -> Json:
    newest, hold = _newest(sent), sent.get("hold", False)
    if not isinstance(hold, bool):
        raise UsageError("hold is neither true nor false")
    return plain(page.store.rollback(word(sent, "snapshot"), hold=hold, newest=newest))


def _release(page: Page, sent: dict[str, Json]) -> Json:
    return plain(page.store.rollback(release=True, newest=_newest(sent)))


def _undo(page: Page, sent: dict[str, Json]) -> Json:
    return plain(page.store.undo(newest=_newest(sent)))


def _redo(page: Page, sent: dict[str, Json]) -> Json:
    return plain(page.store.redo(newest=_newest(sent)))


def _tag(page: Page, sent: dict[str, Json]) -> Json:
    return plain(page.store.snapshot_tag(word(sent, "snapshot"), word(sent, "tag")))


def _untag(page: Page, sent: dict[str, Json]) -> Json:
    return plain(page.store.snapshot_untag(word(sent, "tag")))


def _newest(sent: dict[str, Json]) -> int:
    """Take the number of the newest operation that was shown. Raises: UsageError."""
    newest = sent.get("newest")
    if not isinstance(newest, int) or isinstance(newest, bool):
        raise UsageError("newest is missing, or no number", "send the number that /snapshots gives")
    return newest
