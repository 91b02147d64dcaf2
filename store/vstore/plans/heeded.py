"""What was decided about copies, as a plan heeds it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vstore.format.decisions import Decision, Verdicts

DIFFERENT = "decided to be another picture"
STAYS = "decided to stay"


class Heeded:
    """The decisions of a store, asked about copies."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        every = sorted(decisions, key=lambda one: (one.time, one.id))
        self._verdicts = Verdicts(every)
        self._newest_keep = {key: one for one in every if one.verb == "keep" for key in one.keys}

    def in_order(self, keys: Sequence[bytes]) -> list[bytes]:
        """Put pictures over which another of them is to be kept behind all others."""
        among = set(keys)
        return sorted(keys, key=lambda key: not among.isdisjoint(self._verdicts.kept_for(key)))

    def why_it_stays(self, key: bytes, best: bytes) -> str:
        """Say why a picture must not go for another one; "" where it may. best: the other one; itself for copies."""
        newest = self._newest_keep.get(key)
        if newest is not None and newest.kept == newest.keys:
            return STAYS  # with all of its files
        held = self._verdicts.of(key, best) if key != best else None
        if held is None:
            return ""
        if held.verb == "different":
            return DIFFERENT
        return STAYS if held.verb == "keep" and key in held.kept else ""
