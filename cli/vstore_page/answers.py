"""Answers of the page: its shell for a browser, JSON for programs, and errors as the command line has them."""

from __future__ import annotations

import json
import math
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from vstore import ReadOnly, UsageError, VstoreError

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore_page.page import Page

Json = Any
Answer = TypeVar("Answer")

STATIC = files("vstore_page") / "static"
_SHELL = (STATIC / "index.html").read_bytes()
_VARIES = {"Vary": "Accept", "Cache-Control": "no-store"}

# Statuses by the code of an error; others are 500, which says that the fault is not the client's.
_STATUSES = {
    "usage": 400, "label_taken": 400, "no_such_snapshot": 404, "ambiguous_snapshot": 404, "not_found": 404,
    "locked": 409, "lock_lost": 409, "moved_on": 409, "nothing_to_undo": 409, "refused": 409,
    "read_only": 403, "foreign_store": 403, "untrusted": 403,
    "no_store": 503, "store_gone": 503, "store_closed": 503, "system_limit": 503,
}  # fmt: skip


class Reported(Protocol):
    """A report of the library."""

    def to_json(self) -> dict[str, Json]: ...


class NotFound(VstoreError):
    """An address, or a key, of nothing that is here."""

    code = "not_found"


def is_browser(request: Request) -> bool:
    """Tell whether a client is a browser that shows an address."""
    return "text/html" in request.headers.get("accept", "")


def wants_json(request: Request) -> bool:
    """Tell whether a client asks for JSON, and is no browser that shows an address."""
    return "application/json" in request.headers.get("accept", "") and not is_browser(request)


def view_route(path: str, answer: Callable[[Request], Json]) -> Route:
    """Make the route of a view: the shell of the page for a browser, and the JSON of the view for programs.

    answer: makes the JSON, in a thread of its own.
    """

    async def respond(request: Request) -> Response:
        if wants_json(request):
            return await run_in_threadpool(answered, partial(answer, request))
        return shell()

    return Route(path, respond, methods=["GET"])


def json_route(path: str, answer: Callable[[Request], Json]) -> Route:
    """Make a route that answers with JSON, whoever asks. answer: as in `view_route`."""

    async def respond(request: Request) -> Response:
        return await run_in_threadpool(answered, partial(answer, request))

    return Route(path, respond, methods=["GET"])


def bytes_route(path: str, answer: Callable[[Request], Response]) -> Route:
    """Make a route that answers with other things than JSON. answer: makes the response, in a thread of its own."""

    async def respond(request: Request) -> Response:
        return await run_in_threadpool(caught, partial(answer, request))

    return Route(path, respond, methods=["GET"])


def write_route(page: Page, path: str, do: Callable[[Page, dict[str, Json]], Json]) -> Route:
    """Make a route that changes the store, if the page may.

    do: does so, in a thread of its own, with the JSON object that was sent, and returns the JSON of the answer.
    """

    async def respond(request: Request) -> Response:
        if not page.can_write:
            return failed(ReadOnly("this page changes nothing", "start it with: vstore serve --write"))
        body = await request.body()

        def run() -> Json:
            try:
                sent = json.loads(body)
            except (ValueError, RecursionError) as err:
                raise UsageError("what was sent is no JSON") from err
            if not isinstance(sent, dict):
                raise UsageError("what was sent is no JSON object")
            return do(page, sent)

        return await run_in_threadpool(answered, run)

    return Route(path, respond, methods=["POST"])


def shell(status: int = 200) -> Response:
    """Answer with the page itself, which then asks for the JSON of its view."""
    return Response(_SHELL, status, media_type="text/html; charset=utf-8", headers=_VARIES)


def answered(make: Callable[[], Json]) -> Response:
    """Answer with JSON, or with the error that making it raised."""
    return caught(lambda: json_response(make()))


def json_response(value: Json, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(json_bytes(value), status, _VARIES, "application/json")


def json_bytes(value: Json) -> bytes:
    """Write JSON in UTF-8. A report is written as it writes itself; a name that is not UTF-8 comes in base64, too."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def plain(report: Reported | Sequence[Reported]) -> Json:
    """Turn a report, or a list of them, into what JSON can hold: a report is a tuple, too."""
    return report.to_json() if hasattr(report, "to_json") else [one.to_json() for one in report]


def _plain(value: object) -> Json:
    if isinstance(value, bytes):  # a key
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not written as JSON")


def caught(make: Callable[[], Response]) -> Response:
    """Answer, or say the error that this raised."""
    try:
        return make()
    except Exception as err:
        return failed(err)


def failed(err: BaseException) -> Response:
    """Answer with an error, as `--json` has it. The trace of a bug of ours stands on standard error."""
    if isinstance(err, VstoreError):
        status = _STATUSES.get(err.code, 500)
        return json_response(error(err.code, err.exit_code, err.message, err.next_step), status)
    traceback.print_exception(err, file=sys.stderr)
    message = f"{type(err).__name__}: {err}"
    return json_response(error("failure", 1, message, "this is a bug in vstore: its terminal shows more"), 500)


def error(code: str, exit_code: int, message: str, step: str) -> dict[str, Json]:
    """Make the document of an error."""
    return {"error": {"code": code, "exit": exit_code, "message": message, "next": step}}


def one(request: Request, name: str, default: str = "") -> str:
    """Take a parameter of an address that is given once at most. Raises: UsageError."""
    given = request.query_params.getlist(name)
    if len(given) > 1:
        raise UsageError(f"{name} is given {len(given)} times", "give it once")
    return given[0] if given else default


def many(request: Request, name: str) -> list[str]:
    """Take a parameter of an address that is given any number of times, in their order."""
    return request.query_params.getlist(name)


def flag(request: Request, name: str) -> bool:
    """Take a parameter that is 1, or not given. Raises: UsageError."""
    given = one(request, name)
    if given not in ("", "0", "1"):
        raise UsageError(f"{name} is {given!r:.60}, and not 1", "leave it out, or give 1")
    return given == "1"


def whole(request: Request, name: str, default: int, most: int, *, least: int = 0) -> int:
    """Take a parameter that is a whole number, within limits. Raises: UsageError."""
    given = one(request, name)
    if not given:
        return default
    if not re.fullmatch("[0-9]{1,15}", given) or not least <= int(given) <= most:
        raise UsageError(f"{name} is {given!r:.60}, and no whole number from {least:,} to {most:,}")
    return int(given)


def number(request: Request, name: str) -> float | None:
    """Take a parameter that is a number, or not given. Raises: UsageError."""
    given = one(request, name)
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} is {given!r:.60}, and no number")
    return value


def key_of(digits: str) -> bytes:
    """Read the key of a picture, as its hex digits. Raises: UsageError."""
    if not re.fullmatch("([0-9a-f]{2}){16}|([0-9a-f]{2}){32}", digits):
        raise UsageError(f"{digits!r:.80} is no key of a picture", "a key has 32 or 64 digits, of 0-9 and a-f")
    return bytes.fromhex(digits)


def word(sent: Mapping[str, Json], name: str, default: str | None = None) -> str:
    """Take a text out of what was sent. Raises: UsageError if it is missing, or none."""
    value = sent.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name} is missing, or no text")
    return value
