"""The progress of a download on a terminal: one bar of its bytes, in place of the four of the hub's client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_TRANSFER = "Downloading bytes"  # the client's bar of bytes on the line; the one that we show counts those of the files


@contextmanager
def one_bar(title: str, *, drawn: bool) -> Iterator[Callable[..., Any]]:
    """Make the class of bars for `snapshot_download`, and close them: what follows begins on a line of its own.

    drawn: draw the bar, where standard error is a terminal; else no bar at all.
    """
    from huggingface_hub.utils import tqdm

    opened: list[Any] = []

    class Bar(tqdm):  # type: ignore[misc]
        """A bar of the client, or none."""

        def __init__(self, *args: Any, **options: Any) -> None:
            counts_bytes = options.get("unit") == "B" and options.get("desc") != _TRANSFER
            options["disable"] = options.get("disable") if drawn and counts_bytes else True
            super().__init__(*args, **{**options, "desc": title, "leave": False})
            opened.append(self)

        def set_description(self, desc: str | None = None, refresh: bool = True) -> None:
            pass  # the client's words change, and say nothing to people

        set_description_str = set_description

    try:
        yield Bar
    finally:
        for bar in opened:
            bar.close()
