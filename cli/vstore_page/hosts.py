"""The names under which the page may be asked for."""

from __future__ import annotations

import re
from ipaddress import ip_address


class Hosts:
    """The names under which a server may be asked: with any other, a site could let its name mean this machine."""

    def __init__(self, host: str, port: int) -> None:
        self._port = str(port)
        self._is_any = ip_address(host).is_unspecified
        self._names = {"127.0.0.1", "localhost", "[::1]"}
        if not ip_address(host).is_loopback and not self._is_any:
            self._names = {written(host)}

    def has(self, given: bytes) -> bool:
        """Tell whether the header Host has one of them, with the port."""
        found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^][:]+)(?::([0-9]{1,5}))?", given.decode("latin-1").lower())
        if found is None or (found[2] or "80") != self._port:  # browsers leave the port of HTTP out
            return False
        return found[1] in self._names or (self._is_any and _is_number(found[1]))


def written(host: str) -> str:
    """Write the address of a machine as it stands in the address of a page."""
    return f"[{host}]" if ":" in host else host


def _is_number(name: str) -> bool:
    """Tell whether a host is an address of numbers: no name server has a say in these."""
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        return False
    return written(str(address)) == name
