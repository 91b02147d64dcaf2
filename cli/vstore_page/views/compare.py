"""Two spaces compared: a query answered by both, and the pictures whose neighbours changed most."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.routing import Route

from vstore import UsageError, VstoreError
from vstore_page.answers import error, json_route, many, one, view_route, whole
from vstore_page.cards import picture
from vstore_page.terms import TEXT, described, operands_of, read_terms

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import ChangedPicture, ModelDiffReport, ModelRow, NearPicture, SearchReport
    from vstore_page.page import Page
    from vstore_page.terms import Term

Json = Any

_HITS = 20
_MOST = 100  # hits
_SAMPLE = 1000
_CHANGED = 24  # pictures that are shown
_KEPT = 4  # comparisons
_PATIENCE = 90.0  # seconds, after which one that nobody asks for ends; a tab that is not seen asks once a minute


class Side(NamedTuple):
    """One of the two spaces.

    row:      the space.
    snapshot: the snapshot whose pictures count; None if the space has none yet.
    """

    row: ModelRow
    snapshot: str | None

    @property
    def word(self) -> str:
        """The word by which `Store.model_diff` takes it."""
        return self.row.space if self.snapshot is None else self.snapshot

    def to_json(self, page: Page) -> dict[str, Json]:
        return {**_space(page, self.row), "snapshot": self.snapshot}


def routes(page: Page) -> list[Route]:
    """Make the routes of the comparison."""
    return [
        view_route("/compare", partial(_compare, page)),
        json_route("/compare/neighbours", partial(_neighbours, page, Comparisons(page))),
    ]


def _compare(page: Page, request: Request) -> Json:
    """Say which two spaces are compared, and answer a query by both. Without terms there are no hits."""
    terms = read_terms(many(request, "t"))
    k = whole(request, "k", _HITS, _MOST, least=1)
    rows = page.store.model_list()
    sides = _sides(page, request, rows)
    answer: dict[str, Json] = {
        "spaces": [_space(page, row) for row in rows],
        "a": None,
        "b": None,
        "terms": [],
        "hits": None,
    }
    if sides is None:
        return answer
    answer |= {name: side.to_json(page) for name, side in zip("ab", sides, strict=True)}
    if terms:
        view = page.view(next((side.snapshot for side in sides if side.snapshot is not None), "current"))
        answer["terms"] = [described(term, view, page.uploads) for term in terms]
        answer["hits"] = _hits(page, sides, terms, k)
    return answer


def _space(page: Page, row: ModelRow) -> dict[str, Json]:
    return {
        "space_name": row.space_name,
        "snapshots": list(row.snapshots[:1]),
        "vectors": row.rows,
        "current": row.current,
        "reads_text": page.reads_text(row.space_name),
    }


def _sides(page: Page, request: Request, rows: Sequence[ModelRow]) -> tuple[Side, Side] | None:
    """Find the spaces that an address names: by default the current one, and another with the newest snapshot.

    Returns: None if the store has but one. Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot.
    """
    words = one(request, "a"), one(request, "b")
    if not all(words) and len(rows) < 2:
        return None
    given = [_side(page, rows, word) if word else None for word in words]
    for at in (1, 0):  # the newer one stands on the right
        other = given[1 - at]
        if given[at] is None:
            given[at] = _usual(page, [row for row in rows if other is None or row.space != other.row.space])
    a, b = given
    assert a is not None and b is not None
    if a.row.space == b.row.space:
        raise UsageError(f"both are the space {a.row.space_name!r}", "choose two spaces")
    return a, b


def _usual(page: Page, rows: Sequence[ModelRow]) -> Side:
    def newest(row: ModelRow) -> tuple[bool, int]:
        return row.current, max((int(name[1:]) for name in row.snapshots if name[1:].isdigit()), default=0)

    row = max(rows, key=newest)
    return _side(page, [row], row.space_name)


def _side(page: Page, rows: Sequence[ModelRow], word: str) -> Side:
    """Find the space that a word names, or that of a snapshot. Raises: SnapshotNotFound, AmbiguousSnapshot."""
    row = next((row for row in rows if word in (row.space_name, row.space)), None)
    if row is None:
        named = page.store.snapshot_named(word)
        row = next(row for row in rows if row.space_name == named.space_name)
        return Side(row, named.snapshot)
    current = page.store.names(None).current
    return Side(row, current if row.current and current in row.snapshots else next(iter(row.snapshots), None))


def _hits(page: Page, sides: Sequence[Side], terms: Sequence[Term], k: int) -> Json:
    """Answer a query by both spaces. One that cannot says why, and the other answers."""
    found: list[SearchReport | VstoreError] = []
    operands = operands_of(terms, page.uploads)
    for side in sides:
        try:
            if side.snapshot is None:
                raise UsageError(
                    f"the space {side.row.space_name} has no snapshot yet",
                    f"fill it with: vstore sync --space {side.row.space_name}",
                )
            if any(term.kind == TEXT for term in terms) and not page.reads_text(side.row.space_name):
                raise UsageError(f"the model of {side.row.space_name} reads no words", "look for a picture")
            found.append(page.view(side.snapshot).search(operands, k=k))
        except VstoreError as err:
            found.append(err)
    places = [
        {} if isinstance(one, VstoreError) else {hit.key: n for n, hit in enumerate(one.hits, 1)} for one in found
    ]
    answers = [_answer(found[at], places[1 - at]) for at in (0, 1)]
    both = None if any(isinstance(one, VstoreError) for one in found) else len(places[0].keys() & places[1].keys())
    return {"a": answers[0], "b": answers[1], "k": k, "both": both}


def _answer(found: SearchReport | VstoreError, others: dict[bytes, int]) -> Json:
    """others: the places of the hits of the other space."""
    if isinstance(found, VstoreError):
        return {"hits": [], **error(found.code, found.exit_code, found.message, found.next_step)}
    return {
        "hits": [
            {"picture": picture(hit.key, hit.paths), "score": round(hit.score, 6), "place": others.get(hit.key)}
            for hit in found.hits
        ],
        "approximate": found.approximate,
        "recall_at_10": found.recall_at_10,
        "error": None,
    }


# The neighbours


def _neighbours(page: Page, comparisons: Comparisons, request: Request) -> Json:
    """Say how far two spaces agree; until that is known, how many pictures were compared: ask again then."""
    sample = whole(request, "sample", _SAMPLE, 10**9, least=1)
    sides = _sides(page, request, page.store.model_list())
    if sides is None:
        raise UsageError("the store has but one space", "add another one: vstore model add")
    report, done, total = comparisons.of(sides, sample)
    value: dict[str, Json] = {"done": done, "total": total, "report": None}
    if report is not None:
        at = report.b.snapshot or report.a.snapshot or "current"
        value["report"] = {
            **report._replace(changed=()).to_json(),
            "at": at,
            "changed": [_changed(one) for one in report.changed],
        }
    return value


def _changed(one: ChangedPicture) -> Json:
    return {
        "picture": picture(one.key, [one.path]),
        "overlap": one.overlap,
        "a": [_near(near) for near in one.a],
        "b": [_near(near) for near in one.b],
    }


def _near(near: NearPicture) -> Json:
    return {"picture": picture(near.key, [near.path]), "score": round(near.score, 6), "place": near.place}


class _Run:
    """A comparison under way, in a thread of its own. It listens to its own progress.

    done, total: pictures that were compared, and that are to be; the latter is 0 before that is known.
    result:      the report, or the error; None before the end.
    asked:       when somebody last asked for it.
    """

    def __init__(self, page: Page, sides: tuple[Side, Side], sample: int, turn: threading.Lock) -> None:
        self.done = self.total = 0
        self.result: ModelDiffReport | BaseException | None = None
        self.stop = threading.Event()
        self.asked = time.monotonic()
        self._page = page
        threading.Thread(target=self._run, args=(sides, sample, turn), name="comparison", daemon=True).start()

    def _run(self, sides: tuple[Side, Side], sample: int, turn: threading.Lock) -> None:
        a, b = (side.word for side in sides)
        try:
            with turn:  # two at once would take as long, and leave the searches no core
                self.result = self._page.store.model_diff(
                    a, b, sample=sample, changed=_CHANGED, stop=self.stop, progress=self
                )
        except BaseException as err:
            self.result = err

    def stage(self, name: str, total: int | None) -> None:
        self.total = total or 0

    def advance(self, n: int = 1) -> None:
        self.done += n
        if self._page.is_closing or time.monotonic() > self.asked + _PATIENCE:
            self.stop.set()

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Comparisons:
    """The comparisons that were asked for last. Usable from several threads."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._of: OrderedDict[Any, _Run] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def of(self, sides: tuple[Side, Side], sample: int) -> tuple[ModelDiffReport | None, int, int]:
        """Begin a comparison, or look how far it is. Returns: the report if it is there; pictures compared, and all.

        Raises: the error of the comparison, once; it begins again then.
        """
        # A space without a snapshot gets vectors meanwhile.
        name = *((side.row.space, side.snapshot, side.snapshot or side.row.rows) for side in sides), sample
        with self._lock:
            run = self._of.get(name)
            if run is None or run.stop.is_set():
                run = self._of[name] = _Run(self._page, sides, sample, self._turn)
            run.asked = time.monotonic()
            self._of.move_to_end(name)
            while len(self._of) > _KEPT:
                self._of.popitem(last=False)[1].stop.set()
            if isinstance(run.result, BaseException):
                del self._of[name]
                raise run.result
        return run.result, run.done, run.total
