"""A store whose pictures are numbers: enough for tests of snapshots, which never look into a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.builder import Builder

from vstore.repository.repository import Repository


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def aliases(files: Mapping[str, int]) -> dict[bytes, bytes]:
    """Make stored paths and keys from paths below the root `p` and numbers of pictures."""
    return {os.fsencode(path if "/" in path else f"p/{path}"): key(number) for path, number in files.items()}


class NumberedStore:
    """A store whose snapshots are made of numbers alone."""

    def __init__(self, folder: Path) -> None:
        self.builder = Builder(folder / ".vstore")

    @property
    def repo(self) -> Repository:
        """Open the store as another process would."""
        return Repository(self.builder.repo.layout.folder)

    def sync(self, files: Mapping[str, int], message: str = "") -> str:
        return self.builder.add_snapshot(aliases(files), message).name

    def snapshots(self, count: int) -> None:
        for number in range(1, count + 1):
            self.sync({f"{n}.png": n for n in range(number)}, f"message {number}")

    def publish(self, op: str, changes: dict[str, Any]) -> None:
        repo = self.repo
        with repo.committing(op):
            repo.publish(op, changes)

    def named(self, name: str) -> str:
        return self.repo.snapshot(name).name

    @property
    def current(self) -> str | None:
        return self.repo.state.current
