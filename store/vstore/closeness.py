"""Names near a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable

_ALIKE = 0.65  # of difflib; `lgo` is 0.67 to `log`, `lits` 0.75 to `list`, `prune` 0.36 to `repair`


def nearest(wanted: str, names: Iterable[str]) -> str | None:
    """Find the name that a mistyped one most likely means: in other case, begun, or misspelt; None if none is near."""
    plain = {name.casefold(): name for name in sorted(names, reverse=True)}
    low = wanted.casefold()
    if low in plain:
        return plain[low]
    begun = [name for name in plain if len(low) > 2 and name.startswith(low)]
    if len(begun) == 1:
        return plain[begun[0]]
    swapped = [name for name in plain if sorted(name) == sorted(low)]  # difflib takes `stauts` for `stats`
    if len(swapped) == 1:
        return plain[swapped[0]]
    from difflib import get_close_matches  # few commands are mistyped

    found = get_close_matches(low, plain, n=1, cutoff=_ALIKE)
    return plain[found[0]] if found else None


def instead(wanted: str, names: Iterable[str]) -> tuple[str, str] | None:
    """Pair a mistyped name with the nearest, as errors take it; None if none is near."""
    near = nearest(wanted, names)
    return None if near is None else (wanted, near)
