"""Shares a scan between two processes: stat calls in two threads of one Python are no faster than in one."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from vstore.pictures.folder import Folder, Trouble
from vstore.pictures.links import Fence
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions

if TYPE_CHECKING:
    import subprocess

    from vstore.pictures.pattern_watch import Watch
    from vstore.pictures.scan import Found, Share

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
) -> Scan:
    """Return a scan. Another process walks half of the folders if about `expect` files make its start pay."""

    def start(folders: list[bytes]) -> Callable[[], Found | None]:
        inside = None if fence is None else fence.folder
        return _start((place, json.dumps(options.to_json()), sorted(extensions), sorted(skip), inside, folders))

    # Only one process can watch patterns. With follow_symlinks each folder is listed under one name, which only one
    # process can know.
    alone = expect < SHARE_FROM or options.follow_symlinks or bool(watch) or (os.cpu_count() or 1) < 2
    share: Share | None = None if alone else start
    return Scan(place, options, extensions, under=under, skip=skip, share=share, watch=watch, fence=fence)


def _start(task: tuple[Any, ...]) -> Callable[[], Found | None]:
    """Start the other process. task: what `serve` reads. Returns: a function that waits for the result."""
    import subprocess  # most scans need no other process

    from vstore.child_python import command

    try:
        process = subprocess.Popen(
            command("from vstore.pictures.shared_scan import serve; serve()"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return lambda: None
    assert process.stdin is not None
    # If it dies before it has read all of this, `_finish` finds that it failed.
    with contextlib.suppress(OSError), process.stdin as stdin:
        stdin.write(marshal.dumps(task))
    return lambda: _finish(process)


def _finish(process: subprocess.Popen[bytes]) -> Found | None:
    """Wait for the other process. Returns: what it found; None if it failed."""
    assert process.stdout is not None
    with process.stdout as out:
        data = out.read()
    if process.wait() != 0:
        return None
    try:
        folders, troubles = marshal.loads(data)
    except (EOFError, ValueError, TypeError):
        return None
    return [
        Folder(path, heads, count, ignored, troubles=tuple(Trouble(*trouble) for trouble in below), passed=passed)
        for path, heads, count, ignored, below, passed in folders
    ], [Trouble(*trouble) for trouble in troubles]


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
