"""The decisions about pictures that edits turned into others of the same pixels: made once more, about these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vstore.format.decisions import Decision, Verdicts

Heirs = Mapping[bytes, Sequence[bytes]]  # key of a picture -> those that edits made of it


def inherited(decisions: Iterable[Decision], heirs: Heirs) -> list[Decision]:
    """Make the decisions that hold about pictures once more, about their heirs.

    decisions: all that are in force.
    Returns: new ones in the order of the old ones, without their ids and times; none if all of them hold already.
    """
    every = sorted(decisions, key=lambda decision: (decision.time, decision.id))
    verdicts = Verdicts(every)
    wanted = [
        mapped
        for decision in every
        if not heirs.keys().isdisjoint(decision.keys) and _holds(decision, decision, verdicts, heirs)
        for mapped in _mapped(decision, heirs)
    ]
    news = frozenset(new for some in heirs.values() for new in some)
    if all(any(_holds(mapped, decision, verdicts, news) for decision in every) for mapped in wanted):
        return []
    return wanted


def _holds(decision: Decision, stored: Decision, verdicts: Verdicts, about: Iterable[bytes]) -> bool:
    """Tell whether a stored decision says what this one says, and is the newest on a pair of its pictures."""
    if (decision.verb, decision.keys, decision.kept) != (stored.verb, stored.keys, stored.kept):
        return False
    if len(stored.keys) == 1:
        return True
    wanted = frozenset(about)
    pairs = ((a, b) for a in stored.keys if a in wanted for b in stored.keys if b != a)
    return any(verdicts.of(a, b) is stored for a, b in pairs)


def _mapped(decision: Decision, heirs: Heirs) -> Iterator[Decision]:
    """Put heirs in the places of pictures: the first of each, then the second, for as long as one has more."""
    for number in range(max(len(heirs.get(key, ())) for key in decision.keys)):
        names = {key: heirs[key][min(number, len(heirs[key]) - 1)] for key in decision.keys if key in heirs}
        keys, kept = ({names.get(key, key) for key in keys} for keys in (decision.keys, decision.kept))
        made = Decision(b"", decision.verb, tuple(sorted(keys)), tuple(sorted(kept)), 0)
        if len(keys) == len(decision.keys):  # else two of its pictures have become one
            yield made
