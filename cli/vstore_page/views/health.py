"""The health of the store: what runs, what could not be read, how the spaces stand, where the bytes are."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from vstore_page.answers import json_route, plain, view_route, whole

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import CheckReport
    from vstore_page.page import Page

Json = Any

_AT_ONCE = 500  # failed pictures
_PROBLEMS = 200  # of a check that are sent


def routes(page: Page) -> list[Route]:
    """Make the routes of health."""
    checks = Checks(page)
    return [
        view_route("/health", partial(_health, checks)),
        json_route("/health/check", lambda request: checks.run()),
    ]


class Checks:
    """The checks of a store that clients ask for: one at a time, and the last one is kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.last: Json = None
        self._turn = threading.Lock()

    def run(self) -> Json:
        """Check the store without reading all bytes; who asks meanwhile gets the same answer."""
        before = self.last
        with self._turn:
            if self.last is before:
                self.last = _checked(self.page.store.check())
            return self.last


def _checked(report: CheckReport) -> Json:
    value = report.to_json()
    value["problem_count"] = len(report.problems)
    value["problems"] = value["problems"][:_PROBLEMS]
    value["at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _health(checks: Checks, request: Request) -> Json:
    """Tell how the store is, with some of the pictures that could not be read."""
    store = checks.page.store
    first, count = whole(request, "from", 0, 10**9), whole(request, "count", 50, _AT_ONCE)
    some, total = [], 0
    for entry in store.ls(failed=True).entries:
        if first <= total < first + count:
            some.append(entry.to_json())
        total += 1
    running = store.running()
    return {
        "running": running and running.to_json(),
        "complaint": store.complaint,
        "failed": {"total": total, "from": first, "entries": some},
        "spaces": plain(store.model_list()),
        "stats": store.stats().to_json(),
        "check": checks.last,
    }
