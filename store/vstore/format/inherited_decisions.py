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
    made = _Made()
    is_needed = False
    for decision in every:
        wanted: list[Decision] = []
        if not heirs.keys().isdisjoint(decision.keys) and _holds(decision, decision, verdicts, heirs):
            wanted = [*_mapped(decision, heirs)]
        for mapped in wanted:
            is_known = any(_holds(mapped, other, verdicts, news) for other in every)
            is_needed |= not (is_known or _is_outdone(mapped, decision.time, every))
        # What was said after that stays the newer word: of an heir itself, and of the other pictures.
        if made.outdo(decision):
            made.add(decision._replace(id=b"", time=0))
        for mapped in wanted:
            made.add(mapped)
    return made.all if is_needed else []


class _Made:
    """Decisions that become the newest, looked up by their pictures."""

    def __init__(self) -> None:
        self.all: list[Decision] = []
        self._about: dict[bytes, list[int]] = {}

    def add(self, decision: Decision) -> None:
        for key in decision.keys:
            self._about.setdefault(key, []).append(len(self.all))
        self.all.append(decision)

    def outdo(self, decision: Decision) -> bool:
        """Tell whether one of them says something else of a pair of a decision, or both keep a same picture."""
        seen, alike = set[int](), set[int]()
        for key in decision.keys:
            for number in self._about.get(key, ()):
                one = self.all[number]
                if number in alike:
                    continue
                if (one.verb, one.keys, one.kept) == (decision.verb, decision.keys, decision.kept):
                    alike.add(number)
                elif number in seen or one.verb == decision.verb == "keep":
                    return True
                seen.add(number)
        return False


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
