"""Answers to requests that are refused, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore_page.answers import error, json_bytes

if TYPE_CHECKING:
    from starlette.types import Send

_REFUSED = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>vstore</title>
</head>
<body>
<h1>{message}</h1>
<p>{step}</p>
</body>
</html>
"""


class Refusal(Exception):
    """A request that is not answered.

    status, code: of the answer.
    message:      what is wrong.
    step:         what to do.
    """

    def __init__(self, status: int, code: str, message: str, step: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.step = status, code, message, step


async def refuse(refusal: Refusal, is_for_people: bool, send: Send) -> None:
    """Answer why a request is refused. What it sent is not repeated."""
    if is_for_people:
        page = _REFUSED.format(message=refusal.message.capitalize(), step=refusal.step.capitalize())
        kind, body = b"text/html; charset=utf-8", page.encode()
    else:
        kind, body = b"application/json", json_bytes(error(refusal.code, 1, refusal.message, refusal.step))
    headers = [(b"cache-control", b"no-store"), (b"connection", b"close")]
    await respond(refusal.status, kind, body, headers, send)


async def respond(status: int, kind: bytes, body: bytes, headers: list[tuple[bytes, bytes]], send: Send) -> None:
    """Answer a request. kind: the type of its body."""
    length = str(len(body)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", kind), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
