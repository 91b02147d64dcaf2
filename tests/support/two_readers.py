"""What vstore says of a store, and what the independent reader says of it, as plain data of one shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from support.independent_reader import StoreReader

from vstore.disk.index_parts import fitting_parts
from vstore.disk.journal import Journal, journals
from vstore.format.fields import FieldValue
from vstore.format.history import History
from vstore.repository.decisions import newest_decisions
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.fields import every_field
from vstore.repository.repository import Repository


def by_the_reader(folder: Path) -> dict[str, Any]:
    """Read a store without vstore."""
    reader = StoreReader(folder)
    kept = [name for name, entry in reader.snapshots.items() if entry.get("kept", True)]
    return {
        "store": reader.form["store"],
        "format": reader.form["format"],
        "state": reader.state,
        "records": [(record["number"], record["op"], record.get("about", "")) for record in reader.records],
        "snapshots": reader.snapshots,
        "aliases": {name: reader.aliases(name) for name in kept},
        "fields": {name: reader.fields(name) for name in kept},
        "rows": {space: reader.rows(space) for space in reader.state.get("spaces", {})},
        "journals": reader.journals(),
        "decisions": reader.decisions(),
        "history": reader.history(),
        "facts": reader.facts(),
        "indexes": sorted(reader.indexes(), key=repr),
    }


def by_vstore(folder: Path) -> dict[str, Any]:
    """Read a store with vstore."""
    repo = Repository(folder)
    every = list(repo.listing.every())
    kept = [snapshot for snapshot in every if snapshot.kept]
    spaces = repo.state.spaces
    history = History(repo.hash, repo.packs.get, repo.state.root("history"))
    found = {
        "store": repo.store_id,
        "format": repo.format,
        "state": repo.state.document,
        "records": [(record.number, record.op, record.about) for record in repo.records()],
        "snapshots": {snapshot.name: snapshot.to_json() for snapshot in every},
        "aliases": {snapshot.name: dict(repo.tree(snapshot)) for snapshot in kept},
        "fields": {s.name: {(f.key, f.name): plain(f.value) for f in every_field(repo, s)} for s in kept},
        "rows": {space: rows_of(repo, space) for space in spaces},
        "journals": {path.name: [key for _, key in Journal(path).frames()] for path in journals(repo.layout.journal)},
        "decisions": [(d.time, d.id, d.verb, list(d.keys), list(d.kept)) for d in newest_decisions(repo)][::-1],
        "history": [list(line) for line in history.newest()][::-1],
        "facts": facts(repo),
        "indexes": sorted((part for space in spaces for part in indexes(repo, space)), key=repr),
    }
    repo.close()
    return found


def plain(value: FieldValue) -> tuple[str, Any]:
    """Say the type and the content of a field; a time as microseconds since 1970."""
    if isinstance(value, datetime):
        return "d", (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, tuple):
        return "l", list(value)
    return {bool: "b", int: "i", float: "f", str: "t"}[type(value)], value


def rows_of(repo: Repository, space: str) -> dict[bytes, tuple[float, ...]]:
    """Read the row of each key of a space."""
    rows: dict[bytes, tuple[float, ...]] = {}
    for ref in repo.state.segments(space):
        segment = repo.segment(ref)
        for key, row in zip(segment.key_list(), segment.rows().astype(np.float64), strict=True):
            rows.setdefault(key, tuple(row.tolist()))
    return rows


def facts(repo: Repository) -> dict[bytes, dict[tuple[str, str], Any]]:
    """Read the facts that count of every key that has some."""
    keys = {fact.key for run in runs_of(repo) for fact in run}
    found = facts_of(repo, keys)
    return {key: {("reader", "2"): fact.reader, **fact.values} for key, fact in found.items()}


def indexes(repo: Repository, space: str) -> list[tuple[dict[str, Any], bytes]]:
    """Read the parts of indexes that may be used."""
    found = []
    for part in fitting_parts(repo.layout, space, repo.state.segments(space)):
        with part:
            head = {**part.head._asdict(), "covers": [list(one) for one in part.head.covers]}
            found.append((head, b"".join(part.blocks())))
    return found
