"""Decides about pictures: two or more are different, or the same, or some are to stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from vstore.closeness import instead
from vstore.decide.keys import KeyOf, Keys
from vstore.decide.news import news_among
from vstore.decide.report import Decided
from vstore.decide.rows import Row, rows_of
from vstore.errors import UsageError
from vstore.format.decisions import MOST, VERBS
from vstore.paths import AnyPath, several
from vstore.repository.decisions import WHAT, Choice, newest_decisions
from vstore.repository.decisions import decide as add
from vstore.repository.repository import Repository


def decide(
    repo: Repository,
    verb: str | None,
    pictures: Sequence[AnyPath],
    key_of: KeyOf,
    *,
    over: Sequence[AnyPath],
    rows: AnyPath | BinaryIO | Iterable[Mapping[str, Any]] | None,
    dry_run: bool,
) -> Decided:
    """Decide about pictures, or make all decisions that rows say, in one record. What holds already is left out.

    key_of: finds the key of a picture that a word means.
    Raises: UsageError for what is no decision or no picture; MigrationNeeded; ForeignStore, Locked, Damage,
            DiskTrouble.
    """
    repo.reload()
    repo.require_format_2(WHAT)
    if not dry_run:
        repo.refuse_writing()
    pictures, over = several(pictures), several(over)
    if (rows is None) == (verb is None) or (rows is not None and (pictures or over)):
        raise UsageError(
            "a decision and a file of decisions are given" if verb else "no decision is given",
            "such as: vstore decide different a.jpg b.jpg, or: vstore decide --from FILE",
        )
    said = [Row("", verb, pictures, over)] if verb is not None else list(rows_of(rows or ()))
    found = repo.reading(lambda: _choices(repo, key_of, said))
    news = repo.reading(lambda: news_among(found, newest_decisions(repo)))
    about = {key for choice in news for key in choice.keys}
    if not dry_run:
        add(repo, news)
    return Decided(
        made=len(news),
        known=len(found) - len(news),
        pictures=len(about),
        absent=len(about) - _present(repo, about),
        dry_run=dry_run,
    )


def _choices(repo: Repository, key_of: KeyOf, rows: Iterable[Row]) -> list[Choice]:
    """Find the pictures of decisions. Raises: UsageError, naming the place of a fault."""
    keys = Keys(repo, key_of)
    found = []
    for row in rows:
        try:
            found.append(_choice(keys, row))
        except UsageError as err:
            if not row.at:
                raise
            raise UsageError(f"{row.at}: {err.message}", f"{err.next_step}; nothing was changed") from err
    return found


def _choice(keys: Keys, row: Row) -> Choice:
    """Make the choice that words say. Raises: UsageError."""
    _, verb, pictures, over = row
    if not isinstance(verb, str) or verb not in VERBS:
        every = ", ".join(VERBS)
        meant = instead(verb, VERBS) if isinstance(verb, str) else None
        raise UsageError(f"{verb!r} is no decision", f"decide one of: {every}", instead=meant)
    if over and verb != "keep":
        raise UsageError(f"nothing is kept over other pictures by {verb}", "leave out --over, or decide: keep")
    least = 1 if verb == "keep" else 2
    if len(pictures) < least:
        few = "no picture is named" if not pictures else "one picture is named"
        raise UsageError(
            f"{few}, and {verb} is about {'one' if least == 1 else 'two'} or more",
            "such as: vstore decide keep a.jpg --over b.jpg"
            if least == 1
            else f"such as: vstore decide {verb} a.jpg b.jpg",
        )
    named, others = ({keys.of(word) for word in words} for words in (pictures, over))
    if len(named) < least:
        raise UsageError(
            f"all that is named is one picture, {_short(named)}: copies of one content are always the same",
            "name another one",
        )
    if named & others:
        raise UsageError(
            f"a picture cannot be kept over itself: {_short(named & others)}",
            "files with the same bytes are one picture; a plan says which of them stay: vstore dupes --plan FILE",
        )
    if len(named | others) > MOST:
        raise UsageError(
            f"a decision is about at most {MOST:,} pictures, and this is about {len(named | others):,}", "make several"
        )
    return Choice(verb, sorted(named | others), sorted(named) if verb == "keep" else ())


def _short(keys: set[bytes]) -> str:
    return min(keys).hex()[:12]


def _present(repo: Repository, keys: set[bytes]) -> int:
    """Count the keys that the current snapshot has."""
    snapshot = repo.state.current_snapshot
    if snapshot is None:
        return 0
    return repo.reading(lambda: len(keys.intersection(repo.tree(snapshot).every_key())))
