"""Stores of format 1, written by today's code, and what in a store is of a later format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from support.builder import unit_vectors

from vstore.disk import durable
from vstore.disk.reserve import write_reserve
from vstore.format.canonical import Document
from vstore.format.entries import Root
from vstore.format.layout import Layout
from vstore.format.recipes import space_id
from vstore.format.tree import Tree
from vstore.repository.form import Form
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.store import Store
from vstore.testing import FakeEmbedder

LATER = ("listed", "trees", "facts")  # what no state of format 1 has


def begin(folder: Path, hash: str = "xxh3_128", dtype: str = "float16") -> Path:
    """Begin a store of format 1: `init` with this hash and dtype goes on with it. Returns: its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(folder)
    for path in layout.folders():
        path.mkdir()
    write_reserve(layout)
    layout.format.write_bytes(Form(durable.nonce(), hash, dtype, 1).to_bytes())
    return folder


def later_parts(folder: Path) -> list[str]:
    """List what in a store is not of format 1. Reads FORMAT, every record, and every blob of every pack."""
    found = [] if json.loads(Layout(folder).format.read_bytes())["format"] == 1 else ["FORMAT"]
    repo = Repository(folder)
    for number in repo.log.numbers():
        record = repo.log.read(number)
        if record.format != 1 or record.origin is not None:
            found.append(f"record {number}")
        for document in (record.changes, record.whole or {}):
            found += [f"record {number}: {name}" for name in LATER if name in document]
            found += [f"record {number}: {name}" for name in _later_entries(document)]
    for pack in repo.packs.opened():
        for digest in pack.digests():
            blob = pack.get(digest)
            if blob[:1] == b"v" and blob[:2] != b"vp":
                found.append(f"page {blob[:3]!r}")
            elif blob[:1] == b"{" and json.loads(blob).keys() & {"store", "fields"}:
                found.append(f"manifest {blob!r}")
    repo.close()
    return found


def _later_entries(document: Document) -> Iterator[str]:
    for name, entry in (document.get("snapshots") or {}).items():
        if "/" in name or (entry and "fields" in entry):
            yield name
    for id, space in (document.get("spaces") or {}).items():
        if space and "identity" in space:
            yield id


def many_snapshots(folder: Path, snapshots: int, paths: int = 20, *, changed: int = 3) -> Repository:
    """Make a store of format 1 with tags, forgotten snapshots, two lines of parents, and a rollback with its undo.

    paths:   of each snapshot; no file is there for any of them.
    changed: how many of them get another key from snapshot to snapshot.
    """
    fake = FakeEmbedder()
    begin(folder)
    Store.init(folder, recipe=fake.recipe)
    repo = Repository(folder)
    space = space_id(fake.recipe)
    random = np.random.default_rng(1).integers(0, 256, (paths + snapshots * changed, 16), dtype=np.uint8)
    keys = [bytes(key) for key in random]
    unused = iter(keys[paths:])
    rows = [unit_vectors(len(keys)).astype(np.float16)]
    with repo.committing("sync"):
        ref = repo.write_segment(space, keys, rows)
        root = Root("r", bytes(folder.parent / "r"), False)
        repo.publish(
            "seal", {"segments": repo.state.segments_changed(space, [ref]), "roots": {root.label: root.to_json()}}
        )
    aliases: dict[bytes, bytes | None] = {b"r/%03d/%06d.png" % (n % 100, n): keys[n] for n in range(paths)}
    names = sorted(aliases)
    tree = Tree.empty(repo.hash, repo.packs.get).edited(aliases)
    for number in range(snapshots):
        with repo.committing("sync"):
            snapshot, changes, blobs = new_snapshot(
                repo, space, tree, paths, repo.state.current_snapshot, f"number {number}"
            )
            repo.publish("sync", changes, blobs=blobs, about=snapshot.name)
        edits: dict[bytes, bytes | None] = {names[(7919 * number + n) % paths]: next(unused) for n in range(changed)}
        tree = Tree(repo.hash, repo.packs.get, tree.root).edited(edits)
        if number == snapshots // 2:
            _move(repo, "rollback", {"current": "v2"})  # what comes next has another line
        if number % 40 == 30:
            _move(repo, "tag", {"tags": {f"tag-{number}": f"v{number // 2 + 1}"}})
        if number % 50 == 45:
            _move(repo, "forget", {"snapshots": {f"v{number // 2}": {"kept": False}}})
    _move(repo, "rollback", {"current": "v1"})
    with Store(folder) as store:
        store.undo()
    repo.reload()
    for path in repo.layout.packs.iterdir():  # the undo merged them, and only gc would remove them
        if path.name not in repo.state.file_names():
            path.unlink()
    return repo


def _move(repo: Repository, op: str, changes: dict[str, Any]) -> None:
    with repo.committing(op):
        repo.publish(op, changes)
