"""Parts of indexes for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from support.folders import ENVIRONMENT
from support.killed import Fatal

from vstore.disk import durable
from vstore.disk.index_head import Covered, IndexHead
from vstore.disk.index_parts import part_files, part_folders, unfinished_parts, write_part
from vstore.format.canonical import canonical
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.layout import Layout
from vstore.repository.create import create_store
from vstore.repository.repository import Repository


def head_of(space: str, refs: Iterable[FileRef] = (), size: int = 0) -> IndexHead:
    covers = tuple(Covered(ref.name, ref.check) for ref in refs)
    return IndexHead(space, "graph", covers, {"degree": 32, "seed": [1, 2.5, None]}, size)


def put_part(repo: Repository, space: str, refs: Iterable[FileRef] = (), payload: bytes = b"payload") -> Path:
    """Write a part that covers some segments of a space."""
    path = write_part(repo.layout, head_of(space, refs, len(payload)), [payload])
    assert path is not None
    return path


def parts_of(layout: Layout) -> set[Path]:
    return {path for folder in part_folders(layout) for path in part_files(folder)}


def unfinished(layout: Layout) -> list[Path]:
    return [path for folder in part_folders(layout) for path in unfinished_parts(folder)]


def by_hand(head: object, payload: bytes = b"", *, claimed: int | None = None) -> bytes:
    """Make the bytes of a part whose checksums all fit, whatever its head says. Payloads of a MiB at most."""
    data = head if isinstance(head, bytes) else canonical(head)
    sums = checksum(payload) if payload else b""
    length = len(data) if claimed is None else claimed
    start = b"vindex01" + length.to_bytes(4, "little") + data + checksum(data)
    return start + payload + sums + checksum(sums) + b"vindexed"


def killed_writers(top: Path, head: IndexHead, payload: Sequence[bytes]) -> list[tuple[str, int]]:
    """Write a part in stores of their own, killed before, amid and after each call to the disk.

    Returns: the name of each store's folder, and how its writer ended.
    """
    command = [sys.executable, "-c", "from support.index_parts import _kill_all; _kill_all()"]
    words = [str(top), head.to_bytes().decode(), *(piece.decode() for piece in payload)]
    done = subprocess.run([*command, *words], env=ENVIRONMENT, capture_output=True, check=True)
    return [(name, status) for name, status in json.loads(done.stdout)]


def _kill_all() -> None:
    top, head, *payload = sys.argv[1:]
    print(
        json.dumps(
            [_kill(Path(top), how, at, head, payload) for how in ("before", "amid", "after") for at in range(20)]
        )
    )


def _kill(top: Path, how: str, at: int, head: str, payload: Sequence[str]) -> tuple[str, int]:
    layout = create_store(top / f"{how}-{at}").layout
    child = os.fork()
    if not child:
        durable.disk = Fatal(at, how)
        write_part(layout, IndexHead.from_bytes(head.encode()), map(str.encode, payload))
        os._exit(0)
    return layout.folder.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
