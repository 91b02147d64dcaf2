"""The guards before the page: nothing of it sees a request that they refuse. tests/page/test_guards.py has each point.

The page shows private pictures, and any web site that its user visits can send requests to this machine. So, in this
order: the Host is one of ours (a site that lets its name mean this machine stops there), the request is well-formed,
it has the cookie that the token of the printed address was exchanged for, by the same account of this machine, it does
not come from another site, and what changes something says by its Origin, and by a header that no form can send, that
this page sent it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect

from vstore_page.accounts import UNKNOWN
from vstore_page.answers import failed
from vstore_page.body import Body
from vstore_page.hosts import Hosts
from vstore_page.refusals import Refusal, refuse, respond

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-vstore"  # of what changes something
ACCOUNT = "account"  # the name, in the state of a request, of whose connection it came by
UPLOADS = "/uploads"  # takes a picture to look for: nothing is written, so it needs no --write
BODY = 1 << 20  # bytes at most
UPLOAD = 50 << 20
_POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
# The cookie is not sent by what follows a link of another site, a redirect included. A page of our own that goes on
# by itself is followed with it.
_ENTERED = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="0; url=/">
<title>vstore</title>
</head>
<body>
<p><a href="/">Go on to the page</a></p>
</body>
</html>
"""


class Secrets(NamedTuple):
    """Secrets that let a browser in: 256 bits each, made at every start.

    token:  stands in the printed address.
    once:   a token that is good for one use, by an account of ours. The command line of a browser, which every user
            of the machine can see, has this one.
    key:    makes the cookies that either is exchanged for.
    """

    token: str
    once: str
    key: str

    @staticmethod
    def new() -> Secrets:
        return Secrets(*(secrets.token_urlsafe(32) for _ in range(3)))

    def cookie(self, account: str) -> str:
        """Make the cookie of an account: another one, which gets to see it, has no use for it."""
        digest = hmac.digest(self.key.encode(), account.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Guards:
    """The guards before an application."""

    def __init__(
        self, app: ASGIApp, *, host: str, port: int, known: Secrets, ours: Collection[str], can_write: bool
    ) -> None:
        """
        host:      the address that the server is bound to.
        known:     what lets a browser in.
        ours:      the accounts of this machine that may use what a command line shows.
        can_write: the page may change the store.
        """
        self._app = app
        self._hosts = Hosts(host, port)
        self._known = known
        self._ours = ours
        self._name = f"vstore-{port}"  # cookies of a host are those of all of its ports
        self._can_write = can_write
        self._has_been_used = False  # `once`

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing else is served
        given = _headers_of(scope)

        has_begun = False

        async def answer(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
                has_begun = True
            await send(message)

        body = Body(receive, UPLOAD if scope["path"] == UPLOADS else BODY)
        try:
            self._look(scope, given)
            if self._is_entering(scope):
                await self._enter(_account(scope), answer)
                return
            self._look_whose(scope, given)
            body.look(given, is_post=scope["method"] == "POST")
            await self._app(scope, body.receive, answer)
        except ClientDisconnect:
            pass
        except Refusal as refusal:
            if not has_begun:
                await refuse(refusal, "text/html" in _only(given, b"accept"), answer)
        except Exception as err:
            if not has_begun:
                await failed(err)(scope, receive, answer)

    def _look(self, scope: Scope, given: Mapping[bytes, list[bytes]]) -> None:
        """Look at the Host, before anything else, and at the form of a request. Raises: Refusal."""
        hosts = given.get(b"host", [])
        if len(hosts) != 1 or not self._hosts.has(hosts[0]):
            raise Refusal(
                421,
                "wrong_host",
                "the page has another address",
                "open the one that vstore serve printed; a tunnel has to keep its port",
            )
        if not scope["path"].startswith("/") or scope["path"].startswith("//") or "\0" in scope["path"]:
            raise Refusal(400, "usage", "this is no address of the page")
        if b"transfer-encoding" in given and b"content-length" in given:
            raise Refusal(400, "usage", "the length of this request is said in two ways")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise Refusal(405, "usage", "the page answers GET and POST alone")

    def _is_entering(self, scope: Scope) -> bool:
        """Tell whether a request has the right token."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return False
        try:
            given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=50).get("token", [])
        except ValueError:  # there are more
            return False
        if len(given) != 1:
            return False
        if _is_same(given[0], self._known.once) and not self._has_been_used and _account(scope) in self._ours:
            self._has_been_used = True
            return True
        return _is_same(given[0], self._known.token)

    async def _enter(self, account: str, send: Send) -> None:
        """Exchange the token for the cookie of an account."""
        cookie = f"{self._name}={self._known.cookie(account)}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await respond(200, b"text/html; charset=utf-8", _ENTERED, headers, send)

    def _look_whose(self, scope: Scope, given: Mapping[bytes, list[bytes]]) -> None:
        """Look at who sent a request, and from where. Raises: Refusal."""
        cookie = self._known.cookie(_account(scope))
        if not any(_is_same(one, cookie) for one in _cookies(given, self._name)):
            raise Refusal(
                401,
                "no_cookie",
                "this browser has not been let in",
                "open the address that vstore serve printed: it has a token, which is new at every start",
            )
        site = _only(given, b"sec-fetch-site")
        is_visit = _only(given, b"sec-fetch-mode") == "navigate" and _only(given, b"sec-fetch-dest") == "document"
        if scope["method"] != "POST":
            if site not in ("", "same-origin", "none") and not is_visit:
                raise Refusal(403, "other_site", "another site asked for this")
            return
        if not self._can_write and scope["path"] != UPLOADS:
            raise Refusal(403, "read_only", "this page changes nothing", "start it with: vstore serve --write")
        # The Host was one of ours. `null`, as a frame in a sandbox has it, is no origin of ours either.
        if _only(given, b"origin") != f"http://{_only(given, b'host')}" or site not in ("", "same-origin"):
            raise Refusal(403, "other_site", "another site asked for this")
        if _only(given, HEADER) != "1":
            raise Refusal(403, "other_site", f"the header {HEADER.decode()} is missing")
        kind = _only(given, b"content-type").partition(";")[0].strip().lower()
        if kind != ("application/octet-stream" if scope["path"] == UPLOADS else "application/json"):
            raise Refusal(415, "usage", "the type of what was sent is not the one that is taken here")


def _account(scope: Scope) -> str:
    """Tell whose the connection of a request is, as `account_of` does."""
    return str(scope.get("state", {}).get(ACCOUNT, UNKNOWN))


def _headers_of(scope: Scope) -> dict[bytes, list[bytes]]:
    given: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        given.setdefault(name, []).append(value)
    return given


def _only(given: Mapping[bytes, list[bytes]], name: bytes) -> str:
    """Return a header that is given once; two are none."""
    values = given.get(name, [])
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _cookies(given: Mapping[bytes, list[bytes]], name: str) -> list[str]:
    """List the values of a cookie. Other servers of this machine share its cookies, and write what they like."""
    pairs = (one.partition("=") for line in given.get(b"cookie", []) for one in line.decode("latin-1").split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _is_same(given: str, wanted: str) -> bool:
    """Compare two texts in a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
