"""Shares a scan between two processes: stat calls in two threads of one Python are no faster than in one."""

from __future__ import annotations

import json
import marshal
import os
import sys
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn

from vstore.pictures.links import Fence
from vstore.pictures.other_process import Other, framed
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions

if TYPE_CHECKING:
    from vstore.pictures.pattern_watch import Watch

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
    """Return a scan. Another process lists some of the folders if about `expect` files make its start pay."""

    def start() -> Other:
        inside = None if fence is None else fence.folder
        return Other((place, json.dumps(options.to_json()), sorted(extensions), sorted(skip), inside), stop)

    # Only one process can watch patterns. With follow_symlinks each folder is listed under one name, which only one
    # process can know.
    alone = expect < SHARE_FROM or options.follow_symlinks or bool(watch) or (os.cpu_count() or 1) < 2
    share = None if alone else start
    return Scan(place, options, extensions, under=under, skip=skip, share=share, watch=watch, fence=fence, stop=stop)


def serve() -> None:
    """List the folders that stdin names and write the results to stdout. The other end of `Other`."""
    place, options, extensions, skip, inside = marshal.load(sys.stdin.buffer)
    fence = None if inside is None else Fence(inside, _unknown, _unknown, _leave_to_the_other)
    scan = Scan(
        place, ScanOptions.from_json(json.loads(options)), frozenset(extensions), skip=frozenset(skip), fence=fence
    )
    scan.begin()
    _write(([], [], []))  # it is there
    while True:
        try:
            paths = marshal.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)
        _write(_answer(scan, paths))


def _answer(scan: Scan, paths: list[bytes]) -> tuple[list[Any], list[Any], list[bytes]]:
    """List folders. Those with an ignore file, or a link that may lead out, are left to the process that asked."""
    found: list[Any] = []
    left = []
    for path in paths:
        try:
            folder = scan.one(path)
        except _ForTheOther:
            left.append(path)
            continue
        if scan.met_rules_in(path):
            left.append(path)
        elif folder is not None:
            passed = folder.passed
            found.append((path, folder.heads, folder.count, folder.ignored, [*map(tuple, folder.troubles)], passed))
    troubles = [tuple(trouble) for trouble in scan.troubles if trouble.path not in left]
    scan.troubles.clear()
    return found, troubles, left


def _write(answer: tuple[Any, ...]) -> None:
    sys.stdout.buffer.write(framed(answer))
    sys.stdout.buffer.flush()


class _ForTheOther(Exception):
    """A link whose end only the process that asked may look at."""


def _unknown() -> bool:
    return False


def _leave_to_the_other(path: bytes) -> NoReturn:
    raise _ForTheOther
