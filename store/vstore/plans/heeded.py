"""Decisions about copies, as a plan heeds them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vstore.format.decisions import Decision, Verdicts

DIFFERENT = "decided to be another picture"
STAYS = "decided to stay"


class Heeded:
    """The decisions of a store, asked about copies."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._verdicts = Verdicts(decisions)

    def in_order(self, keys: Sequence[bytes]) -> list[bytes]:
        """Put pictures that are to stay before all others, and those over which one of them is to be kept behind."""
        among = set(keys)

        def rank(key: bytes) -> int:
            if not among.isdisjoint(self._verdicts.kept_for(key)):
                return 1
            return -self._is_kept(key)

        return sorted(keys, key=rank)

    def why_it_stays(self, key: bytes, best: bytes) -> str:
        """Say why a picture must not go for another one; "" where it may. best: the other one; itself for copies."""
        if self._verdicts.keeps_all(key):
            return STAYS
        if key == best:
            return ""
        held = self._verdicts.of(key, best)
        if held is not None and held.verb == "different":
            return DIFFERENT
        if held is not None and held.verb == "keep":
            return STAYS if key in held.kept else ""
        return STAYS if self._is_kept(key) else ""

    def _is_kept(self, key: bytes) -> bool:
        """Tell whether the newest `keep` about a picture, whatever else it is about, says that it is to stay."""
        newest = self._verdicts.newest_keep(key)
        return newest is not None and key in newest.kept
