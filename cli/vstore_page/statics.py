"""The files of the page itself: read once at the start, and found by name among them. No path of a client is opened."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from vstore_page.answers import NotFound, failed

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def static_route() -> Route:
    """Make the route of the files below `static`."""
    known = dict(_files(files("vstore_page") / "static", ""))

    async def respond(request: Request) -> Response:
        found = known.get(request.path_params["file"])
        if found is None:
            return failed(NotFound("there is nothing at this address"))
        kind, data = found
        # Checked at every use: another version of vstore may be at this address tomorrow.
        return Response(data, media_type=kind, headers={"Cache-Control": "no-cache"})

    return Route("/static/{file:path}", respond, methods=["GET"])


def _files(folder: Traversable, begin: str) -> list[tuple[str, tuple[str, bytes]]]:
    """List the files below a folder: the name below it, the type and the bytes of each."""
    found = []
    for one in folder.iterdir():
        if one.is_dir():
            found += _files(one, f"{begin}{one.name}/")
        elif (kind := _TYPES.get(one.name.rpartition(".")[2])) is not None:
            found.append((begin + one.name, (kind, one.read_bytes())))
    return found
