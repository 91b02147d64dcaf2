"""Other accounts of this machine: they are told. What they are refused stands in test_guards.py."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from vstore_page import accounts
from vstore_page.accounts import GONE, UNKNOWN, account_of, ours

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
ME = str(os.geteuid())
OTHER = 65534


@contextlib.contextmanager
def joined(
    host: str = "127.0.0.1", reach: str = "", *, account: int | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Make a connection: the end of a server at `host`, and that of a client, of some account, which reaches it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        if host == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, 0))
        listening.listen()
        reach = reach or host
        if account is not None:
            os.seteuid(account)
        try:
            client = socket.socket(socket.AF_INET6 if ":" in reach else socket.AF_INET)
        finally:
            if account is not None:
                os.seteuid(int(ME))
        with client:
            client.connect((reach, listening.getsockname()[1]))
            with listening.accept()[0] as here:
                yield here, client


@pytest.mark.parametrize(
    ("host", "reach"),
    [("127.0.0.1", ""), ("::1", ""), ("127.0.0.1", "::ffff:127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")],
)
def test_the_account_at_the_other_end_is_told(host: str, reach: str) -> None:
    with joined(host, reach) as (here, _):
        assert account_of(here) == ME


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_account_is_told(host: str) -> None:
    with joined(host, account=OTHER) as (here, client):
        assert account_of(here) == str(OTHER)
        client.shutdown(socket.SHUT_WR)  # waits for the answer
        assert account_of(here) == str(OTHER)


def test_who_is_gone_is_nobody() -> None:
    """The kernel says 0, which is root, of what a program let go of; and nothing of what it broke off."""
    with joined() as (here, client):
        client.close()
        assert account_of(here) in (GONE, ME if ME != "0" else GONE)
    with joined() as (here, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert account_of(here) == GONE


@pytest.mark.parametrize(("state", "told"), [(1, UNKNOWN), (7, GONE)])
def test_who_breaks_off_while_it_is_looked_up_is_nobody(state: int, told: str) -> None:
    class Lost:
        def getpeername(self) -> tuple[str, int]:
            return "127.0.0.1", 1

        getsockname = getpeername

        def getsockopt(self, *name: int) -> bytes:
            return bytes([state])

    assert account_of(Lost()) == told


def test_a_connection_that_is_not_told_is_of_nobody_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another machine; and where the tables are not there, or may not be read."""
    for tables in ((os.devnull,), ("/proc/none",)):
        monkeypatch.setattr(accounts, "_TABLES", tables)
        with joined() as (here, _):
            assert account_of(here) == UNKNOWN


@pytest.mark.parametrize(("me", "sudo", "told"), [(5, 7, {"5", "0"}), (0, 7, {"0", "7"}), (0, None, {"0"})])
def test_the_user_of_sudo_has_the_browser_of_root(
    monkeypatch: pytest.MonkeyPatch, me: int, sudo: int | None, told: set[str]
) -> None:
    monkeypatch.setattr(accounts.os, "geteuid", lambda: me)
    assert ours(sudo) == {UNKNOWN, *told}
