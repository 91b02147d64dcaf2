"""Decisions about the pictures of groups: which may share none, and which groups are still to be looked at."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json
from vstore.format.decisions import Decision
from vstore.repository.decisions import newest_decisions
from vstore.repository.repository import Repository

Paths = Mapping[bytes, Sequence[bytes]]


@briefly
class Verdict(NamedTuple):
    """The decisions about a group.

    pairs: of its pictures.
    same:  of these, that are decided to be the same.
    keep:  of these, about which it is decided which are to stay.
    over:  pictures over which others of the group are to be kept, by their keys, rising.
    kept:  the others of which the newest `keep`, whatever else it is about, says that they are to stay.
    whole: all is decided: about each pair, and of each picture with several files that they are to stay.
    """

    pairs: int = 0
    same: int = 0
    keep: int = 0
    over: tuple[bytes, ...] = ()
    kept: tuple[bytes, ...] = ()
    whole: bool = False

    def to_json(self) -> dict[str, Json]:
        return {
            **self._asdict(),
            "over": [key.hex() for key in self.over],
            "kept": [key.hex() for key in self.kept],
        }


class Decided:
    """The decisions of a store, asked about its groups.

    different: the pictures that are decided to be different from any.
    """

    def __init__(self, newest: Iterable[Decision]) -> None:
        """newest: the decisions in force, newest first."""
        self._decisions = [*newest]
        self._about: dict[bytes, list[int]] = {}
        for number, one in enumerate(self._decisions):
            for key in one.keys:
                self._about.setdefault(key, []).append(number)
        self.different = {key for one in self._decisions if one.verb == "different" for key in one.keys}

    def are_apart(self, one: bytes, other: bytes) -> bool:
        """Tell whether two pictures are decided to be different: the newest decision about both says so."""
        few, other = sorted((one, other), key=lambda key: len(self._about.get(key, ())))
        newest = next((number for number in self._about.get(few, ()) if self._is_about(number, other)), None)
        return newest is not None and self._decisions[newest].verb == "different"

    def _is_about(self, number: int, key: bytes) -> bool:
        keys = self._decisions[number].keys
        at = bisect.bisect_left(keys, key)
        return at < len(keys) and keys[at] == key

    def about(self, paths: Paths) -> Verdict:
        """Tell what was decided about a group. paths: of its pictures."""
        keys = [*paths]
        pairs = len(keys) * (len(keys) - 1) // 2
        if not any(key in self._about for key in keys):
            return Verdict(pairs)
        # Of each picture, as bits: those with which its pair was decided by the decisions so far.
        seen = [1 << at for at in range(len(keys))]
        place = {key: at for at, key in enumerate(keys)}
        count = Counter[str]()
        over = set[bytes]()
        for number in self._touching(keys):
            one = self._decisions[number]
            inside = [place[key] for key in one.keys if key in place]
            both = sum(1 << at for at in inside)
            kept = sum(1 << place[key] for key in one.kept if key in place)
            for at in inside:
                news = both & ~seen[at]
                seen[at] |= both
                count[one.verb] += news.bit_count()
                if news & kept and not kept >> at & 1:
                    over.add(keys[at])
        decided = (count["same"] + count["keep"]) // 2
        return Verdict(
            pairs=pairs,
            same=count["same"] // 2,
            keep=count["keep"] // 2,
            over=tuple(sorted(over)),
            kept=tuple(sorted(key for key in keys if key not in over and self._is_kept(key))),
            whole=decided == pairs and all(len(paths[key]) < 2 or self._keeps_copies(key) for key in keys),
        )

    def _touching(self, keys: Iterable[bytes]) -> list[int]:
        """Find the decisions about two of some pictures, newest first."""
        counts = Counter(number for key in keys for number in self._about.get(key, ()))
        return sorted(number for number, times in counts.items() if times > 1)

    def _keeps_copies(self, key: bytes) -> bool:
        """Tell whether all files of a picture are to stay: the newest `keep` about it lets all of its pictures stay."""
        newest = self._newest_keep(key)
        return newest is not None and newest.kept == newest.keys

    def _is_kept(self, key: bytes) -> bool:
        newest = self._newest_keep(key)
        return newest is not None and key in newest.kept

    def _newest_keep(self, key: bytes) -> Decision | None:
        every = (self._decisions[number] for number in self._about.get(key, ()))
        return next((one for one in every if one.verb == "keep"), None)


class Undecided:
    """The groups that are shown: those about which something is to be decided, or all.

    decided:  the decisions.
    left_out: groups that are not shown, as all is decided about them.
    """

    def __init__(self, repo: Repository, *, all: bool) -> None:
        """Raises: Damage."""
        self.decided = Decided(newest_decisions(repo))
        self.left_out = 0
        self._all = all

    def about(self, paths: Paths) -> Verdict | None:
        """Tell what was decided about a group; None if it is not shown."""
        verdict = self.decided.about(paths)
        if verdict.whole and not self._all:
            self.left_out += 1
            return None
        return verdict
