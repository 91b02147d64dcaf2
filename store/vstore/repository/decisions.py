"""The decisions of a store: read, and added to."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from vstore.clock import microseconds
from vstore.errors import Damage, UsageError
from vstore.format.decisions import ID_SIZE, Decision, Verdicts, decode_decision, encode_decision
from vstore.format.table import Table
from vstore.repository.repository import Repository
from vstore.repository.small_packs import merge_small_packs

WHAT = "decisions"


class Choice(NamedTuple):
    """A decision to be made.

    verb: `different`, `same` or `keep`.
    keys: the pictures.
    kept: those of `keep` to stay.
    """

    verb: str
    keys: Sequence[bytes]
    kept: Sequence[bytes] = ()


def decisions_of(repo: Repository) -> Table:
    """Open the decisions in force. Nothing is read yet."""
    return Table(repo.hash, repo.packs.get, repo.state.root("decisions"))


def newest_decisions(repo: Repository) -> Iterator[Decision]:
    """Yield the decisions in force, newest first. Raises: Damage."""
    for entry in decisions_of(repo).newest():
        yield decode_decision(entry, repo.hash.size)


def decide(repo: Repository, choices: Iterable[Choice]) -> list[Decision]:
    """Add decisions to those in force, in one record that `undo` takes back. A later choice is the newer.

    Raises: UsageError for what is no decision; MigrationNeeded; Locked, Damage, DiskTrouble.
    """
    wanted = [_decision(repo, choice) for choice in choices]
    if not wanted:
        return []
    with repo.committing("decide"):
        repo.require_format_2(WHAT)
        table = decisions_of(repo)
        begin = max(microseconds(), newest_time(table, repo.hash.size) + 1)
        made = [decision._replace(time=time) for time, decision in enumerate(wanted, begin)]
        if made[-1].fault():
            raise Damage("no time is later than that of the newest decision", "take it back with: vstore undo")
        after = table.edited(dict(encode_decision(decision) for decision in made))
        assert after.root is not None
        about = f"{len(made)} decision{'s' * (len(made) != 1)}"
        repo.publish("decide", {"trees": {"decisions": after.root.hex()}}, blobs=after.fresh, about=about)
        merge_small_packs(repo)
        return made


def _decision(repo: Repository, choice: Choice) -> Decision:
    """Make a decision that gets its time later. Raises: UsageError."""
    for key in choice.keys:
        if len(key) != repo.hash.size:
            raise UsageError(f"{key.hex()} is no key of a picture", f"a key has {repo.hash.size} bytes here")
    return Decision.of(choice.verb, choice.keys, choice.kept, id=os.urandom(ID_SIZE), time=0)


def kept_for(repo: Repository, keys: Collection[bytes]) -> dict[bytes, set[bytes]]:
    """Find the pictures that are to stay instead of some, as the decisions in force say. Reads all decisions.

    Returns: by picture, for those that need not stay. Raises: Damage.
    """
    if repo.state.root("decisions") is None:
        return {}
    verdicts = Verdicts(newest_decisions(repo))
    found = {key: set(verdicts.kept_for(key)) for key in keys}
    return {key: kept for key, kept in found.items() if kept}


def newest_time(table: Table, key_size: int) -> int:
    """Find the time of the newest decision; 0 where there is none. Reads one leaf. Raises: Damage."""
    newest = next(table.newest(), None)
    return 0 if newest is None else decode_decision(newest, key_size).time
