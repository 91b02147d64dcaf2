"""Progress of a long run. Pure: the listener decides what to show."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to the progress of a run."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage. total: the number of its items, if it is known."""
        ...

    def advance(self, n: int = 1) -> None:
        """Count finished items of the current stage."""
        ...

    def note(self, text: str) -> None:
        """Show a line outside any stage."""
        ...

    def close(self) -> None:
        """End the current stage."""
        ...


class Silent:
    """A silent listener."""

    def stage(self, name: str, total: int | None) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass
