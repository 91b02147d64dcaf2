"""The pictures themselves: small and large, all of a snapshot in rows, and what is known of one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from starlette.responses import Response
from starlette.routing import Route

from vstore import Missing
from vstore_page.answers import (
    NotFound,
    bytes_route,
    caught,
    json_response,
    json_route,
    key_of,
    one,
    plain,
    view_route,
    wants_json,
    whole,
)
from vstore_page.cards import picture
from vstore_page.filters import Filters, filters_of, met_first
from vstore_page.kept import Kept

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import Shown, View
    from vstore_page.page import Page

Json = Any

NAMES = 500  # rows that are named at once
_MOST = 10**12  # of a row
_THREADS = 8  # that read pictures, or wait for decoders: what has begun is worked for, even if its client has gone
_ORDERS = 3  # snapshots whose rows are kept: a key for each picture
_PARTS = 4  # of snapshots, that filters choose
_FRESH = 60.0  # seconds, after which a part is chosen again
_ALIKE = 12  # pictures that are shown beside one
_FOREVER = "private, max-age=31536000, immutable"  # a key means one picture


def routes(page: Page) -> list[Route]:
    """Make the routes of pictures."""
    turns, rows = _Turns(), Orders(page)
    return [
        _picture_route("/thumbnail/{key}", page, turns, lambda *of, at: page.previews.thumbnail(*of, at=at)),
        _picture_route("/preview/{key}", page, turns, lambda *of, at: page.previews.large(*of, at=at)),
        bytes_route("/keys", partial(_keys, rows)),
        json_route("/names", partial(_names, rows)),
        view_route("/picture/{key}", partial(_picture, page)),
    ]


class Order(NamedTuple):
    """The pictures of a snapshot in the order of their first paths.

    view:  the open snapshot.
    keys:  of its pictures, one after another.
    size:  bytes of a key; 0 if there is none.
    first: brings those of the paths of a picture to the front that it is to be shown by.
    """

    view: View
    keys: bytes
    size: int
    first: Callable[[Sequence[bytes]], Sequence[bytes]] = tuple

    def rows(self, first: int, count: int) -> list[dict[str, Json]]:
        """Describe some pictures."""
        cut = self.keys[first * self.size : (first + count) * self.size]
        keys = [cut[at : at + self.size] for at in range(0, len(cut), self.size or 1)]
        return [picture(key, self.first(self.view.paths_of(key))) for key in keys]


class Orders:
    """The orders of the snapshots that were asked for last. Usable from several threads."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._of: Kept[str, tuple[bytes, int]] = Kept(_ORDERS)
        self._parts: OrderedDict[tuple[str, Filters], tuple[float, bytes]] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, at: str) -> Order:
        """Give the order of a snapshot. Raises: as `Page.view`."""
        view = self._page.view(at)
        return Order(view, *self._of.of(view.snapshot, partial(_in_order, view)))

    def part(self, request: Request) -> Order:
        """Give the order of the pictures that meet the filters of an address. Raises: UsageError; as `of`."""
        order = self.of(one(request, "at", "current"))
        filters = filters_of(self._page, request, order.view)
        if filters == Filters():
            return order
        name, now = (order.view.snapshot, filters), time.monotonic()
        with self._turn:
            until, keys = self._parts.pop(name, (now, b""))
        if now >= until:  # what an expression asks may depend on the time
            chosen = set(order.view.select(**filters.words).keys)
            every = (order.keys[at : at + order.size] for at in range(0, len(order.keys), order.size or 1))
            until, keys = now + _FRESH, b"".join(key for key in every if key in chosen)
        with self._turn:
            self._parts[name] = until, keys  # the one used last stands last
            while len(self._parts) > _PARTS:
                self._parts.popitem(last=False)
        return order._replace(keys=keys, first=met_first(request, filters))


def _in_order(view: View) -> tuple[bytes, int]:
    """Write the keys of a snapshot in the order of their first paths. Returns: the keys; bytes of each, 0 of none."""
    firsts = sorted(((paths[0], key) for key, paths in view.items()), key=itemgetter(0))
    return b"".join(key for _, key in firsts), len(firsts[0][1]) if firsts else 0


class _Turns:
    """Limits how many requests for pictures are worked on at once: they wait for processes that decode."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_THREADS)
        self._threads: anyio.CapacityLimiter | None = None  # made in the loop of the server

    async def run(self, request: Request, answer: Callable[[], Response]) -> Response:
        """Answer a request in a thread, unless its client has scrolled on meanwhile."""
        await request.body()  # there is none; what comes after it is the end of the connection
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_THREADS)
        async with self._free:
            if await request.is_disconnected():
                return Response(status_code=204)
            return await anyio.to_thread.run_sync(answer, limiter=self._threads)


def _picture_route(path: str, page: Page, turns: _Turns, show: Callable[..., Shown | Missing]) -> Route:
    """Make a route of small or large pictures.

    It answers with a JPEG, or with 204 if the picture cannot be shown: browsers report no error then. For JSON it says
    where the picture is, or why it cannot be shown.
    show: of the library.
    """

    def answer(request: Request) -> Response:
        key, at = key_of(request.path_params["key"]), one(request, "at", "current")
        view = page.view(at)
        paths = view.paths_of(key)
        if not paths:
            raise NotFound(f"{view.snapshot} has no picture with this key", "name the snapshot that has it: at=v12")
        found = show(key, paths, at=view.snapshot)
        if wants_json(request):
            return json_response(_about(found, key, paths))
        if isinstance(found, Missing):
            return Response(status_code=204, headers={"Cache-Control": "no-store", "Vary": "Accept"})
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept"}
        return Response(found.thumb.jpeg, media_type="image/jpeg", headers=headers)

    async def respond(request: Request) -> Response:
        return await turns.run(request, partial(caught, partial(answer, request)))

    return Route(path, respond, methods=["GET"])


def _about(found: Shown | Missing, key: bytes, paths: Sequence[bytes]) -> Json:
    """Say what can be shown of a picture: `missing` is the reason why nothing can, else null."""
    size = (None, None) if isinstance(found, Missing) else (found.thumb.width, found.thumb.height)
    return {
        "picture": picture(key, paths if isinstance(found, Missing) else [found.path]),
        "missing": found.reason if isinstance(found, Missing) else None,
        "width": size[0],
        "height": size[1],
    }


def _keys(orders: Orders, request: Request) -> Response:
    """Answer with the keys of a snapshot: a byte with the size of a key, then the keys, in the order of first paths."""
    order = orders.part(request)
    body = bytes([order.size]) + order.keys
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _names(orders: Orders, request: Request) -> Json:
    """Name some pictures of a snapshot, in the order of `/keys`."""
    order = orders.part(request)
    first, count = whole(request, "from", 0, _MOST), whole(request, "count", 100, NAMES)
    return {
        "snapshot": order.view.snapshot,
        "images": len(order.keys) // (order.size or 1),
        "from": first,
        "pictures": order.rows(first, count),
    }


def _picture(page: Page, request: Request) -> Json:
    """Say all that is known of a picture, with the pictures most like it."""
    key, at = key_of(request.path_params["key"]), one(request, "at", "current")
    known = page.store.show_key(key, at=at)
    if known.status == "unknown":
        raise NotFound("no snapshot has a picture with this key", "look for it: vstore find GLOB")
    view = page.view(known.snapshot)
    alike = view.search(key, k=_ALIKE + 1) if key in view else None
    return {
        **plain(known),
        "picture": picture(key, [name.path for name in known.names]),
        "neighbours": [
            {"picture": picture(hit.key, hit.paths), "score": round(hit.score, 6)}
            for hit in alike or ()
            if hit.key != key
        ][:_ALIKE],
        "approximate": alike is not None and alike.approximate,
    }
