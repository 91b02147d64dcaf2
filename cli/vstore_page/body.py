"""The body of a request, within limits of length and time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vstore_page.refusals import Refusal

if TYPE_CHECKING:
    from starlette.types import Message, Receive

_PATIENCE = 60.0  # seconds for a whole body


class Body:
    """The body of a request, which is neither too long nor too slow."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most = receive, most
        self._length = 0
        self._until: float | None = None
        self._is_whole = False

    def look(self, given: Mapping[bytes, list[bytes]], *, is_post: bool) -> None:
        """Look at what a request says of its body. Raises: Refusal."""
        lengths = given.get(b"content-length", [])
        if not is_post and (lengths not in ([], [b"0"]) or b"transfer-encoding" in given):
            raise Refusal(400, "usage", "a GET has no body")
        if lengths and int(lengths[0]) > self._most:
            raise self._too_long()

    async def receive(self) -> Message:
        """Receive a part of it. Raises: Refusal."""
        if self._is_whole:
            return await self._receive()  # waits for the end of the connection
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + _PATIENCE
        try:
            message = await asyncio.wait_for(self._receive(), self._until - now)
        except TimeoutError as err:
            raise Refusal(408, "usage", "the rest of the request did not come") from err
        self._length += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._length > self._most:
            raise self._too_long()
        return message

    def _too_long(self) -> Refusal:
        return Refusal(413, "usage", f"more than {self._most >> 20} MiB were sent")
