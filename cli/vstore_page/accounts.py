"""The account at the other end of a connection within this machine, as Linux tells it.

Command lines can be seen by every account, and a browser sends the cookies of a host to all of its ports: what was read
there is of no use to another account.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

UNKNOWN = ""  # another machine, or one that is not told, as that of another container
GONE = "gone"  # nobody is there any longer
ROOT = "0"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED, _CLOSED = 1, 7


def ours(sudo_uid: int | None = None) -> frozenset[str]:
    """List the accounts that may use what is in a command line of ours: this one, root, and those that are not told.

    sudo_uid: the user who became root: the browser is theirs.
    """
    me = os.geteuid()
    return frozenset({UNKNOWN, ROOT, str(me), *([str(sudo_uid)] if me == 0 and sudo_uid is not None else ())})


def account_of(connection: socket.socket | Any) -> str:
    """Tell whose the other end of a connection is: the number of the account, `UNKNOWN` or `GONE`."""
    if sys.platform != "linux":
        return UNKNOWN
    try:
        found = _found(connection.getpeername(), connection.getsockname())
        if found is None:
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            return GONE if state == _CLOSED else UNKNOWN
    except OSError:
        return GONE
    state, account = found
    # Of one that its program let go of, the kernel says 0.
    return GONE if account == ROOT and state != _ESTABLISHED else account


def _found(peer: tuple[Any, ...], here: tuple[Any, ...]) -> tuple[int, str] | None:
    """Look a connection up as the other end has it. Returns: its state, and its account."""
    for table in _TABLES:
        with suppress(FileNotFoundError, PermissionError), open(table, encoding="ascii") as lines:
            text = lines.read()  # hundreds of lines on a busy machine: only the one that is wanted is taken apart
            for wide in (False, True):
                wanted = f" {_written(*peer[:2], wide=wide)} {_written(*here[:2], wide=wide)} "
                if (at := text.find(wanted)) >= 0:
                    state, _, _, _, account = text[at + len(wanted) :].split(None, 5)[:5]
                    return int(state, 16), account
    return None


def _written(host: str, port: int, *, wide: bool) -> str:
    """Write an address as these tables do: words of 32 bits, in the order of this machine. wide: in IPv6, as is."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    raw = address.packed
    if wide and len(raw) == 4:
        raw = bytes(10) + b"\xff\xff" + raw
    words = (int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4))
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
