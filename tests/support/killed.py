"""Syncs and migrations that are killed with -9 at a chosen call to the disk, each in a fork of a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.folders import ENVIRONMENT

from vstore.disk import catalogue, durable, facts
from vstore.disk.durable import Disk
from vstore.store import Store
from vstore.testing import FakeEmbedder

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Fatal(Disk):
    """A disk that counts the calls that change or flush something, and kills the process at one of them.

    how: "before" the call, "after" it, or "amid": after half of a write.
    """

    def __init__(self, at: int, how: str) -> None:
        self.calls = 0
        self._at = at
        self._how = how

    @contextlib.contextmanager
    def doing(self) -> Iterator[None]:
        self.calls += 1
        now = self.calls == self._at
        if now and self._how == "before":
            _die()
        yield
        if now:
            _die()

    def write(self, fd: int, data: Buffer) -> int:
        with self.doing():
            half = self.calls == self._at and self._how == "amid"
            return super().write(fd, memoryview(data)[: len(memoryview(data)) // 2] if half else data)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        with self.doing():
            return super().open(path, flags, mode)

    def fsync(self, fd: int) -> None:
        with self.doing():
            pass  # what a killed process wrote is there, flushed or not

    def link(self, old: str, new: str) -> None:
        with self.doing():
            super().link(old, new)

    def rename(self, old: str, new: str) -> None:
        with self.doing():
            super().rename(old, new)

    def unlink(self, path: str) -> None:
        with self.doing():
            super().unlink(path)

    def rmdir(self, path: str) -> None:
        with self.doing():
            super().rmdir(path)

    def mkdir(self, path: str) -> None:
        with self.doing():
            super().mkdir(path)

    def open_at(self, folder: int, name: bytes, flags: int) -> int:
        with self.doing():
            return super().open_at(folder, name, flags)

    def mkdir_at(self, folder: int, name: bytes, mode: int) -> None:
        with self.doing():
            super().mkdir_at(folder, name, mode)

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        with self.doing():
            super().move(folder, name, to, new)

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        with self.doing():
            super().link_at(folder, name, to, new)

    def unlink_at(self, folder: int, name: bytes) -> None:
        with self.doing():
            super().unlink_at(folder, name)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sync(store: str, pictures: str, at: int, how: str) -> dict[str, Any]:
    """Run one sync that dies at that call; at 0 it lives. Returns: its report, and how many calls it made."""
    disk = Fatal(at, how)
    durable.disk = disk
    plain = catalogue.Catalogue.batch

    @contextlib.contextmanager
    def batch(self: catalogue.Catalogue) -> Iterator[facts.Batch]:
        with disk.doing(), plain(self) as made:
            yield made

    catalogue.Catalogue.batch = batch  # type: ignore[method-assign,assignment]
    fake = FakeEmbedder()
    with Store(store, load_embedder=lambda recipe: fake) as opened:
        report = opened.sync([pictures], commit_every=-1.0)
    return {"calls": disk.calls, **report.to_json()}


def migrate(store: str, at: int, how: str) -> dict[str, Any]:
    """Run a migration that dies at that call, as `sync` does."""
    disk = Fatal(at, how)
    durable.disk = disk
    with Store(store) as opened:
        return {"report": opened.migrate().to_json(), "calls": disk.calls}


class Nursery:
    """A process that runs syncs and migrations in processes of their own."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", "from support.killed import serve; serve()"]
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, store: Path, pictures: Path, at: int = 0, how: str = "before") -> dict[str, Any] | None:
        """Run a sync. Returns: its report, or None if it was killed."""
        return self._answer("sync", str(store), str(pictures), at, how)

    def migrate(self, store: Path, at: int = 0, how: str = "before") -> dict[str, Any] | None:
        """Run a migration. Returns: its report, or None if it was killed."""
        return self._answer("migrate", str(store), at, how)

    def _answer(self, *job: str | int) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["status"] in (0, -signal.SIGKILL), answer
        report: dict[str, Any] | None = answer["report"]
        return report

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve() -> None:
    """Serve a nursery: fork a process for each line, and report how it ended."""
    import faiss  # noqa: F401
    import lmdb  # noqa: F401
    import numpy as np  # noqa: F401
    from PIL import Image  # noqa: F401

    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            what, *words = json.loads(line)
            os.write(write, json.dumps({"sync": sync, "migrate": migrate}[what](*words)).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            report = pipe.read()
        _, ended = os.waitpid(child, 0)
        status = os.waitstatus_to_exitcode(ended)
        print(json.dumps({"status": status, "report": json.loads(report) if report else None}), flush=True)
