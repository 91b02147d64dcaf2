"""How a long run tells what it is doing. Pure: whoever listens decides what to show."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Stages follow one another; `advance` counts within the one that was named last."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Tells nobody."""

    def stage(self, name: str, total: int | None) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass
