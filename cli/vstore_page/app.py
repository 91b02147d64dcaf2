"""The application: the routes of all views, and what all views share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from vstore import __version__
from vstore_page.answers import NotFound, failed, is_browser, json_route, shell
from vstore_page.statics import static_route
from vstore_page.views import compare, duplicates, health, pictures, search, snapshots

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from vstore_page.page import Page

Json = Any

# A line for each module of `views`: its function `routes` makes the routes.
VIEWS: tuple[Any, ...] = (
    compare,
    duplicates,
    health,
    pictures,
    search,
    snapshots,
)


def app_of(page: Page) -> ASGIApp:
    """Make the application that shows a store."""
    routes = [
        Route("/", _home, methods=["GET"]),
        json_route("/state", partial(_state, page)),
        json_route("/choices", partial(_choices, page)),
        static_route(),
        *(route for view in VIEWS for route in view.routes(page)),
    ]
    return Router(routes, redirect_slashes=False, default=_nothing)


async def _home(request: Request) -> Response:
    return shell()


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    nothing = NotFound("there is nothing at this address")
    response = shell(404) if is_browser(Request(scope)) else failed(nothing)
    await response(scope, receive, send)


def _state(page: Page, request: Request) -> Json:
    """Say what the shell shows of the store, again and again: it is to cost little."""
    current, running = page.store.names(None).current, page.store.running()
    return {
        "version": __version__,
        "store": str(page.store.folder),
        "can_write": page.can_write,
        "current": current,
        "running": running and running.to_json(),
    }


def _choices(page: Page, request: Request) -> Json:
    """List the snapshots to choose from, newest first, and the spaces."""
    names = page.store.names(None)
    return {
        "current": names.current,
        "snapshots": [row.to_json() for row in page.store.snapshot_list()],
        "spaces": names.spaces,
    }
