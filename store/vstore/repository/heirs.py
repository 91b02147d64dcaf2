"""Hands on what users said of a picture to the one that an edit of its metadata made of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from vstore.clock import microseconds
from vstore.format.decisions import ID_SIZE, decode_decision, encode_decision
from vstore.format.delta import Edit
from vstore.format.inherited_decisions import inherited
from vstore.format.table import Table
from vstore.repository.decisions import decisions_of, newest_time
from vstore.repository.fields import fields_below
from vstore.repository.repository import Repository


def fields_after(fields: Table, edits: Iterable[Edit], named: Collection[bytes]) -> Table:
    """Give the fields of pictures to those that edits made of them; the old ones keep theirs.

    named: the keys that had a path before: a field that such a picture has, or one that an earlier edit gave, stays.
    Raises: Damage.
    """
    given: dict[bytes, bytes | None] = {}
    for _, old, new in sorted(edits):
        own = {name for name, _ in fields_below(fields, new)} if new in named else set()
        for name, value in fields_below(fields, old):
            if name not in own:
                given.setdefault(new + name, value)
    return fields.edited(given) if given else fields


def decisions_after(repo: Repository, edits: Iterable[Edit]) -> Table:
    """Make the decisions about pictures once more, about those that edits made of them. The old ones stay.

    Raises: Damage.
    """
    table = decisions_of(repo)
    heirs: dict[bytes, list[bytes]] = {}
    for _, old, new in sorted(edits):
        if new not in heirs.setdefault(old, []):
            heirs[old].append(new)
    if table.root is None or not heirs:
        return table
    made = inherited((decode_decision(entry, repo.hash.size) for entry in table.items()), heirs)
    begin = max(microseconds(), newest_time(table, repo.hash.size) + 1)
    stamped = (made._replace(id=os.urandom(ID_SIZE), time=time) for time, made in enumerate(made, begin))
    return table.edited(dict(map(encode_decision, stamped)))
