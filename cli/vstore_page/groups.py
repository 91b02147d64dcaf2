"""Groups of duplicates that are reviewed: found once, kept, and decided about."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore import Refused, StoreClosed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from vstore import DupesReport, Group
    from vstore_page.page import Page

Json = Any

_LISTS = 3  # that are kept: each takes some 2 KB a group
_WAIT = 0.3  # seconds for groups to be found, before their progress is told
_PATIENCE = 90.0  # seconds, after which a search that nobody asks for ends; a tab that is not seen asks once a minute
_LOG = 1000  # operations that are looked at for the one that an undo would take back


class Asked(NamedTuple):
    """A question for groups.

    at:     the name of a snapshot.
    near:   the least score of look-alikes; None for identical pictures alone.
    loose:  each picture of a group is like its first one.
    bursts: those of a burst count as copies.
    where:  an expression that holds of their paths; empty for all.
    """

    at: str
    near: float | Literal["auto"] | None
    loose: bool
    bursts: bool
    where: str


class Done(NamedTuple):
    """A decision about a group.

    verb:   `keep`, `different` or `same`.
    stay:   of `keep`: the keys of the pictures that stay.
    number: of the operation; None if it was decided before.
    """

    verb: str
    stay: tuple[bytes, ...]
    number: int | None = None


class Working(NamedTuple):
    """Groups that are being found.

    stage: its name.
    done:  finished items.
    total: all; None if it is not known.
    """

    stage: str
    done: int
    total: int | None


class Listing:
    """Groups as they were found. What is decided about them meanwhile is noted, and they stay where they are.

    id:     names it.
    asked:  what was asked for.
    report: the groups.
    newest: the number of the newest operation that it knows.
    done:   what was decided, by the number of the group.
    """

    def __init__(self, asked: Asked, report: DupesReport, newest: int) -> None:
        self.id = secrets.token_hex(8)
        self.asked, self.report, self.newest = asked, report, newest
        self.done = {number: done for number, one in enumerate(report.groups) if (done := _before(one)) is not None}
        self.turn = threading.Lock()
        # What was decided here, the last one last: the group, and what was decided about it before.
        self.stack: list[tuple[int, Done | None]] = []
        self._numbers = {one.key: number for number, one in enumerate(report.groups)}

    def find(self, key: bytes) -> int | None:
        """Find the number of a group by the key of its first picture."""
        return self._numbers.get(key)


def _before(group: Group) -> Done | None:
    """Tell what was decided before about all pairs of a group; of identical files, that they all stay."""
    verdict = group.verdict
    if not verdict.whole and not (verdict.pairs and verdict.same + verdict.keep == verdict.pairs):
        return None
    return Done("keep" if verdict.keep or not verdict.pairs else "same", verdict.kept)


def keys_of(group: Group) -> list[bytes]:
    """List the pictures of a group."""
    return [picture.key for picture in group.pictures] or [group.key]


class Groups:
    """The groups of a store, for several clients at once."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._lists: OrderedDict[Asked, Listing] = OrderedDict()
        self._jobs: OrderedDict[Asked, _Job] = OrderedDict()
        self._turn = threading.Lock()
        self._one = threading.Lock()  # that finds groups: two at once would take as long

    def of(self, asked: Asked, *, again: bool = False) -> Listing | Working:
        """Give the groups, or how far they are found.

        again:  find them again.
        Raises: what `Store.dupes` does.
        """
        newest = self._newest()
        with self._turn:
            job = self._jobs.get(asked)
            if job is None or (job.ended.is_set() and (job.newest != newest or job.was_left)):  # nobody came for it
                known = self._lists.get(asked)
                if known is not None and known.newest == newest and not again:
                    self._lists.move_to_end(asked)
                    return known
                job = self._jobs[asked] = _Job(self._page, asked, newest, self._one)
                job.start()
            job.asked_at = time.monotonic()
            self._jobs.move_to_end(asked)
            while len(self._jobs) > _LISTS:
                self._jobs.popitem(last=False)[1].asked_at = -math.inf
        if not job.ended.wait(_WAIT) or job.was_left:  # the next question begins it again
            return job.working
        with self._turn:
            if self._jobs.get(asked) is job:
                del self._jobs[asked]
                if job.listing is not None:
                    self._lists[asked] = job.listing
                    self._lists.move_to_end(asked)
                    while len(self._lists) > _LISTS:
                        self._lists.popitem(last=False)
        if job.listing is None:
            raise job.error or StoreClosed("the page has ended")
        return job.listing

    def named(self, name: str) -> Listing:
        """Give the groups with an id. Raises: Refused if they are kept no longer."""
        with self._turn:
            found = next((one for one in self._lists.values() if one.id == name), None)
        if found is None:
            raise Refused("the groups were found again meanwhile, and may be others now", "reload the page")
        return found

    def decide(self, listing: Listing, number: int, verb: str, stay: Sequence[bytes]) -> Done:
        """Decide about a group: these pictures are kept over its others, or all are different.

        Raises: what `Store.decide` does.
        """
        keys = keys_of(listing.report.groups[number])
        over = [key for key in keys if key not in stay] if verb == "keep" else []
        with listing.turn:
            before = self._newest()
            made = self._page.store.decide(verb, stay if verb == "keep" else keys, over=over).made
            rows = self._page.store.log(1)
            is_ours = bool(made) and rows[0].op == "decide" and rows[0].number == before + 1
            known = listing.done.get(number)
            done = Done(verb, tuple(stay), rows[0].number if is_ours else None)
            if not made and known is not None and known[:2] == done[:2]:
                done = known  # the same once more
            if listing.newest == before and (is_ours or not made):
                listing.newest = rows[0].number  # nothing else was done: the groups are those that were found
            if is_ours:
                listing.stack.append((number, known))
            listing.done[number] = done
        return done

    def undo(self, listing: Listing) -> int:
        """Take back the last decision that was made here about a group. Returns: the number of the group.

        Raises: Refused if there is none, or something else was done since; CommitRace if it is done just then; what
                `Store.undo` does.
        """
        with listing.turn:
            if not listing.stack:
                raise Refused("no decision was made here that can be taken back", "to go back further: vstore undo")
            number, earlier = listing.stack[-1]
            rows = self._page.store.log(_LOG)
            taken = next((row for row in rows if not row.undone and row.op not in ("undo", "redo")), None)
            if taken is None or taken.number != listing.done[number].number:
                listing.stack.clear()
                other = "it is undone already" if taken is None else f"the newest operation is {taken.op} now"
                raise Refused(f"the decision cannot be taken back here: {other}", "look at: vstore log")
            self._page.store.undo(newest=rows[0].number)
            listing.stack.pop()
            if earlier is None:
                del listing.done[number]
            else:
                listing.done[number] = earlier
            if listing.newest == rows[0].number:
                listing.newest = self._newest()
        return number

    def _newest(self) -> int:
        rows = self._page.store.log(1)
        return rows[0].number if rows else 0


class _Ended(Exception):
    """The page has ended, or nobody asks any longer."""


class _Job:
    """Finds groups in a thread of its own. It listens to its progress.

    newest:   the number of the newest operation when it began.
    asked_at: when somebody last asked for it.
    ended:    set when it has ended.
    was_left: it ended because nobody asked for it.
    working:  how far it is.
    listing:  the groups that it found.
    error:    why it found none.
    """

    def __init__(self, page: Page, asked: Asked, newest: int, one: threading.Lock) -> None:
        """one: held while it works."""
        self._page, self._asked, self.newest, self._one = page, asked, newest, one
        self.asked_at, self.was_left = time.monotonic(), False
        self.ended = threading.Event()
        self.working = Working("", 0, None)
        self.listing: Listing | None = None
        self.error: Exception | None = None

    def start(self) -> None:
        # A daemon: the page ends at once, and what was compared so far is kept as after Ctrl-C.
        threading.Thread(target=self._run, name="duplicates", daemon=True).start()

    def _run(self) -> None:
        at, near, loose, bursts, where = self._asked
        try:
            with self._one:
                self._step(self.working)
                report = self._page.store.dupes(
                    at=at, near=near, loose=loose, bursts=bursts, where=where or None, progress=self
                )
            self.listing = Listing(self._asked, report, self.newest)
        except _Ended:
            pass
        except Exception as err:
            self.error = err
        finally:
            self.ended.set()

    def stage(self, name: str, total: int | None) -> None:
        self._step(Working(name, 0, total))

    def advance(self, n: int = 1) -> None:
        stage, done, total = self.working
        self._step(Working(stage, done + n, total))

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...

    def _step(self, working: Working) -> None:
        self.working = working
        self.was_left = time.monotonic() > self.asked_at + _PATIENCE
        if self._page.is_closing or self.was_left:
            raise _Ended
