"""The server of the page: its socket, and its loop in a thread. Signals are the affair of whoever calls it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vstore import UsageError
from vstore_page.accounts import account_of, ours
from vstore_page.app import app_of
from vstore_page.guards import ACCOUNT, Guards, Secrets
from vstore_page.hosts import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from vstore_page.page import Page

_NEXT = 10  # ports that are tried after the wanted one
_PATIENCE = 10.0  # seconds for the head of a request
_STEP = 0.1  # seconds between two looks at whether to end
_GRACE = 0.5  # seconds for answers under way at the end
_CONNECTIONS = 100  # a browser has six, and a process may have 256 files on some systems
_AT_ONCE = 64  # connections that are taken before any is looked at


class Serving:
    """A page at its address, which is taken as soon as this is made.

    host, port: where it is.
    address:    the address to open, with the token.
    once:       the same, good for one use.
    is_local:   only this machine reaches it.
    can_write:  it may change the store.
    """

    def __init__(self, page: Page, *, host: str = "127.0.0.1", port: int = 0, sudo_uid: int | None = None) -> None:
        """
        host:     an address of this machine.
        port:     the port; if it is in use, another one is taken. 0 takes any.
        sudo_uid: the user who became root: the browser is theirs.
        Raises: UsageError if the host is no address of this machine, or the port is not for this user.
        """
        self._socket = _bound(host, port)
        self.host, self.can_write = host, page.can_write
        self.is_local = ip_address(host).is_loopback
        self.port: int = self._socket.getsockname()[1]
        known = Secrets.new()
        seen = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        begin = f"http://{written(seen)}:{self.port}/?token="
        self.address, self.once = begin + known.token, begin + known.once
        self._app = Guards(
            app_of(page), host=host, port=self.port, known=known, ours=ours(sudo_uid), can_write=page.can_write
        )
        self._error: BaseException | None = None

    def to_json(self) -> dict[str, Any]:
        return {"address": self.address, "host": self.host, "port": self.port, "can_write": self.can_write}

    def run(self, stop: threading.Event, *, ready: Callable[[], None] | None = None) -> None:
        """Answer until `stop` is set. ready: called, without arguments, once that has begun."""
        config = uvicorn.Config(
            self._app,
            http=_Patient,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_AT_ONCE,
            limit_concurrency=_CONNECTIONS + 1,
            timeout_graceful_shutdown=0,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=self._serve, args=(server,), name="vstore page", daemon=True)
        thread.start()
        try:
            if ready is not None:
                ready()
            # An event that is waited for must not be set by a handler of signals in the same thread.
            while thread.is_alive() and not stop.is_set():
                thread.join(_STEP)
        finally:
            server.should_exit = server.force_exit = True
            thread.join(_GRACE)
            self.close()
        if self._error is not None:
            raise self._error

    def _serve(self, server: uvicorn.Server) -> None:
        async def serve() -> None:
            asyncio.get_running_loop().set_exception_handler(_say)
            await server.serve(sockets=[self._socket])  # in this thread it handles no signals

        try:
            asyncio.run(serve())
        except BaseException as err:
            self._error = err

    def close(self) -> None:
        """Give its address back."""
        with contextlib.suppress(OSError):
            self._socket.close()


def _say(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say an error of the loop; but not, again and again, that it can take no connection yet."""
    err = context.get("exception")
    if not (isinstance(err, OSError) and err.errno in (errno.EMFILE, errno.ENFILE)):
        loop.default_exception_handler(context)


class _Patient(H11Protocol):
    """A connection whose requests begin soon, and are sent soon once they begin.

    If there are too many, the one that said nothing for the longest time goes: any program of this machine may connect.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, ACCOUNT: account_of(transport.get_extra_info("socket"))}
        self._wait()
        if len(self.connections) > _CONNECTIONS:
            silent = [one for one in self.connections if isinstance(one, _Patient) and one._waiting is not None]
            last = min(silent, key=_Patient._until)
            self.connections.discard(last)  # it is told a moment later that it is lost
            last._heard()
            last.transport.abort()

    def _until(self) -> float:
        return 0.0 if self._waiting is None else self._waiting.when()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the head of a request has come
            self._heard()
        elif self._waiting is None:
            self._wait()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(_PATIENCE, self.transport.close)

    def _heard(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def _bound(host: str, port: int) -> socket.socket:
    """Take an address. Raises: UsageError."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError as err:
        raise UsageError(f"{host!r} is no address of numbers", "give one, as 127.0.0.1 is") from err
    for wanted in (*range(port, min(port + _NEXT, 65536)), 0) if port else (0,):
        # asyncio sends at once only on sockets that say their protocol; else each answer waits 40 ms for the client.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, wanted))
            found.listen(128)
        except OSError as err:
            found.close()
            if err.errno == errno.EADDRINUSE:
                continue
            if err.errno == errno.EADDRNOTAVAIL:
                raise UsageError(f"{host} is no address of this machine", "list them with: ip address") from err
            if err.errno == errno.EACCES:
                raise UsageError(f"port {wanted} is not for this user", "take one above 1023") from err
            raise
        return found
    raise AssertionError("port 0 is never in use")
