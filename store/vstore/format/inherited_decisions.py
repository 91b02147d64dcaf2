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
    news = frozenset(new for some in heirs.values() for new in some)
    made: list[Decision] = []
    is_needed = False
    for decision in every:
        wanted: list[Decision] = []
        if not heirs.keys().isdisjoint(decision.keys) and _holds(decision, decision, verdicts, heirs):
            wanted = [*_mapped(decision, heirs)]
        for mapped in wanted:
            is_known = any(_holds(mapped, other, verdicts, news) for other in every)
            is_needed |= not (is_known or _is_outdone(mapped, decision.time, every))
        # What was said of an heir itself after that stays the newer one.
        if not news.isdisjoint(decision.keys) and any(_outdoes(one, decision) for one in made):
            made.append(decision._replace(id=b"", time=0))
        made += wanted
    return made if is_needed else []


def _outdoes(newer: Decision, decision: Decision) -> bool:
    """Tell whether a newer decision says something else of a pair of another one, or both keep a same picture."""
    if (newer.verb, newer.keys, newer.kept) == (decision.verb, decision.keys, decision.kept):
        return False
    both = len(set(newer.keys).intersection(decision.keys))
    return both > 1 or (both == 1 and newer.verb == decision.verb == "keep")


def _is_outdone(mapped: Decision, time: int, every: Iterable[Decision]) -> bool:
    """Tell whether something was said of all pictures of a decision, at once, after a time; of a keep: a keep."""
    keys = set(mapped.keys)
    later = (one for one in every if one.time > time and (mapped.verb != "keep" or one.verb == "keep"))
    return any(keys.issubset(one.keys) for one in later)


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
