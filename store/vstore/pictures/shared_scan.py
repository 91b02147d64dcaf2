"""Shares a scan between two processes: stat calls in two threads of one Python are no faster than in one."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import sys
import threading
from collections.abc import Collection
from typing import IO, TYPE_CHECKING, Any, NoReturn

from vstore.pictures.folder import Folder, Trouble
from vstore.pictures.links import Fence
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions
from vstore.stop import refuse_stopped

if TYPE_CHECKING:
    import subprocess

    from vstore.pictures.pattern_watch import Watch
    from vstore.pictures.scan import Found, Share

# What it loads stays, and so does what it finds: collecting among that is wasted.
_SERVE = "import gc; gc.disable(); from vstore.pictures.shared_scan import serve; serve()"
_LOOK = 0.2  # seconds between two looks whether the run was asked to stop
SHARE_FROM = 20_000  # files from which on a second process, which takes 30 ms to start, pays


def shared_scan(
    place: bytes,
    options: ScanOptions,
    extensions: frozenset[str],
    *,
    under: bytes,
    skip: Collection[tuple[int, int]],
    expect: int,
    watch: Watch | None = None,
    fence: Fence | None = None,
    stop: threading.Event | None = None,
) -> Scan:
    """Return a scan. Another process walks half of the folders if about `expect` files make its start pay."""

    def start(folders: list[bytes]) -> Other:
        inside = None if fence is None else fence.folder
        return Other((place, json.dumps(options.to_json()), sorted(extensions), sorted(skip), inside, folders), stop)

    # Only one process can watch patterns. With follow_symlinks each folder is listed under one name, which only one
    # process can know.
    alone = expect < SHARE_FROM or options.follow_symlinks or bool(watch) or (os.cpu_count() or 1) < 2
    share: Share | None = None if alone else start
    return Scan(place, options, extensions, under=under, skip=skip, share=share, watch=watch, fence=fence, stop=stop)


class Other:
    """The other process. It walks its folders while this one walks the rest."""

    def __init__(self, task: tuple[Any, ...], stop: threading.Event | None) -> None:
        """
        task: what `serve` reads.
        stop: set by another thread, ends the wait.
        """
        import subprocess  # most scans need no other process

        from vstore.child_python import command

        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                command(_SERVE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return
        assert self._process.stdin is not None
        # If it dies before it has read all of this, `found` finds that it failed.
        with contextlib.suppress(OSError), self._process.stdin as stdin:
            stdin.write(marshal.dumps(task))

    def found(self) -> Found | None:
        """Wait for what it finds. Returns: None if it failed. Raises: Interrupted if this run was asked to stop."""
        if self._process is None:
            return None
        assert self._process.stdout is not None
        with self._process.stdout as out:
            data = self._read(out)
        if self._process.wait() != 0:
            return None
        try:
            folders, troubles = marshal.loads(data)
        except (EOFError, ValueError, TypeError):
            return None
        return [
            Folder(path, heads, count, ignored, troubles=tuple(Trouble(*trouble) for trouble in below), passed=passed)
            for path, heads, count, ignored, below, passed in folders
        ], [Trouble(*trouble) for trouble in troubles]

    def _read(self, out: IO[bytes]) -> bytes:
        import select

        data = bytearray()
        while True:
            refuse_stopped(self._stop)
            if select.select([out], [], [], _LOOK)[0]:
                part = os.read(out.fileno(), 1 << 20)
                if not part:
                    return bytes(data)
                data += part

    def end(self) -> None:
        """End it, if nobody waited for it: it may be walking a whole disk."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()


def serve() -> None:
    """Walk the folders that stdin names and write the result to stdout. The other end of `shared_scan`."""
    place, options, extensions, skip, inside, folders = marshal.loads(sys.stdin.buffer.read())
    fence = None if inside is None else Fence(inside, _unknown, _unknown, _leave_to_the_other)
    scan = Scan(
        place, ScanOptions.from_json(json.loads(options)), frozenset(extensions), skip=frozenset(skip), fence=fence
    )
    found = [
        (f.path, f.heads, f.count, f.ignored, tuple(map(tuple, f.troubles)), f.passed)
        for path in folders
        for f in scan.below(path)
    ]
    if scan.has_rules:
        sys.exit(1)  # the ignore files must be known to the process that asked
    sys.stdout.buffer.write(marshal.dumps((found, [tuple(trouble) for trouble in scan.troubles])))
    sys.stdout.buffer.flush()
    os._exit(0)


def _unknown() -> bool:
    return False


def _leave_to_the_other(path: bytes) -> NoReturn:
    sys.exit(1)  # whether a link may lead out is known to the process that asked
