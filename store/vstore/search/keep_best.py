"""The best file of several copies, by rules in an order: whose file stays if one is to stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.closeness import instead
from vstore.errors import UsageError
from vstore.format.canonical import Json, named_file, named_path
from vstore.format.entries import Snapshot
from vstore.format.facts import (
    ALTITUDE,
    CAMERA,
    CUT_LINES,
    FORMAT,
    FRAMES,
    HEIGHT,
    LATITUDE,
    LENS,
    RATING,
    TAKEN,
    WIDTH,
    ZONE,
    Column,
    Value,
)
from vstore.paths import AnyPath, as_bytes, several
from vstore.repository.files import UNKNOWN, Files
from vstore.repository.places import is_below
from vstore.repository.repository import Repository
from vstore.search.decided import Verdict
from vstore.search.group_files import Found

# The rules in their usual order, and what they say of the file that is better by them. Metadata come before the format:
# a photograph that was saved again as PNG has often lost them.
RULES = {
    "complete": "more complete",
    "pixels": "more pixels",
    "metadata": "more metadata",
    "format": "better format",
    "bytes": "larger file",
    "oldest": "older file",
}
_ALWAYS = {"decided": "as you decided", "preferred": "in a preferred folder", "path": "first by its path"}
_SAID = (TAKEN, ZONE, CAMERA, LENS, LATITUDE, ALTITUDE, RATING)  # metadata that counts
# What keeps all, first; then what cameras write; then what is made for the web.
_FORMATS = ("RAW", "TIFF", "PNG", "BMP", "JXL", "HEIF", "AVIF", "JPEG2000", "JPEG", "WEBP", "GIF")
_COLUMNS = {CUT_LINES, FRAMES, WIDTH, HEIGHT, FORMAT, *_SAID}

Rank = tuple[float, ...]  # the greatest one is the best


@briefly
class Best(NamedTuple):
    """The best file of copies.

    part:   the part of the group whose copies these are.
    path:   its stored path.
    key:    its picture.
    rules:  what told it from the others, in order: `decided`, `preferred`, names of rules, `path`.
    why:    the same, for people.
    others: the other files, the better ones first; those that are not there come last.
    """

    part: int
    path: bytes
    key: bytes
    rules: tuple[str, ...]
    why: str
    others: tuple[bytes, ...]

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files."""
        return {
            "part": self.part,
            **named_path(self.path),
            **named_file(where.file_of(self.path)),
            "key": self.key.hex(),
            "rules": list(self.rules),
            "why": self.why,
            "others": [named_path(path) for path in self.others],
        }


def rules_of(words: str | Sequence[str] | None) -> tuple[str, ...]:
    """Read the rules that a user names, in one text with commas or several; None for the usual ones.

    Raises: UsageError.
    """
    if words is None:
        return tuple(RULES)
    names = tuple(name.strip() for word in several(words) for name in str(word).split(","))
    for at, name in enumerate(names):
        if name not in RULES:
            raise UsageError(
                f"{name!r} is no rule for the best file",
                f"it goes by: {', '.join(RULES)}",
                instead=instead(name, RULES),
            )
        if name in names[:at]:
            raise UsageError(f"the rule {name} is given twice", "leave one of them out")
    return names


class KeepBest:
    """Finds the best file of copies."""

    def __init__(
        self,
        repo: Repository,
        snapshot: Snapshot,
        *,
        prefer: Sequence[AnyPath] = (),
        by: str | Sequence[str] | None = None,
    ) -> None:
        """
        prefer: folders whose files come first, in their order: stored paths, or on disk.
        by:     the rules, in their order, by their names.
        Raises: UsageError.
        """
        self._rules = rules_of(by)
        self._prefer = [self._prefixes(repo, snapshot, path) for path in several(prefer)]
        self._repo, self._snapshot = repo, snapshot
        self._facts: dict[bytes, Mapping[Column, Value]] = {}
        self._fields: dict[bytes, int] = {}

    @staticmethod
    def _prefixes(repo: Repository, snapshot: Snapshot, path: AnyPath) -> tuple[bytes, ...]:
        from vstore.repository.stored_paths import prefixes_of

        return prefixes_of(repo, snapshot, repo.tree(snapshot), as_bytes(path))

    def learn(self, keys: Iterable[bytes]) -> None:
        """Read what is known of some pictures, which are to be compared with one another. Raises: Damage."""
        wanted = sorted(set(keys))
        if self._repo.state.facts and wanted:
            from vstore.repository.facts import facts_of

            facts = facts_of(self._repo, wanted, _COLUMNS)
            self._facts = {key: one.values for key, one in facts.items() if one.reader}  # 0 read no header
        if self._snapshot.fields and wanted and "metadata" in self._rules:
            from vstore.repository.fields import fields_below, fields_of

            table = fields_of(self._repo, self._snapshot)
            self._fields = {key: sum(1 for _ in fields_below(table, key)) for key in wanted}

    def of(
        self, part: int, files: Sequence[tuple[bytes, bytes]], found: Mapping[bytes, Found], verdict: Verdict
    ) -> Best | None:
        """Find the best of some files; None if there are not two to choose from.

        files: stored paths, and their pictures.
        found: the files that are there.
        """
        keys = dict(files)
        there = [path for path in keys if path in found]
        if len(there) < 2:
            return None
        rules: list[str] = []
        decided = dict.fromkeys(verdict.kept, -1) | dict.fromkeys(verdict.over, 1)
        ranked = list[bytes]()
        for is_link in (False, True):  # whoever keeps a link keeps the file of another path
            some = [path for path in there if found[path].is_link is is_link]
            for rank in (-1, 0, 1):
                left = [path for path in some if decided.get(keys[path], 0) == rank]
                if left and not ranked and len(left) < len(some):
                    rules.append("decided")
                ranked += self._ranked(left, keys, found, [] if ranked else rules)
        best, *others = ranked
        others += sorted(path for path in keys if path not in found)
        return Best(
            part=part,
            path=best,
            key=keys[best],
            rules=tuple(rules),
            why=", ".join((_ALWAYS | RULES)[rule] for rule in rules),
            others=tuple(others),
        )

    def _ranked(
        self, paths: Sequence[bytes], keys: Mapping[bytes, bytes], found: Mapping[bytes, Found], told: list[str]
    ) -> list[bytes]:
        """Put paths in order, the best first. told: gets what tells the first one from others."""
        return self._by_rules(sorted(paths), ["preferred", *self._rules], keys, found, told)

    def _by_rules(
        self,
        paths: list[bytes],
        rules: Sequence[str],
        keys: Mapping[bytes, bytes],
        found: Mapping[bytes, Found],
        told: list[str],
    ) -> list[bytes]:
        for at, rule in enumerate(rules):
            if len(paths) < 2:
                return paths
            ranks = [self._rank(rule, path, keys[path], found[path]) for path in paths]
            known = [rank for rank in ranks if rank is not None]
            if len(known) < len(paths) or len(set(known)) < 2:
                continue  # where one is not known, none can be the better
            told.append(rule)
            ordered: list[bytes] = []
            for rank in sorted(set(known), reverse=True):
                equal = [path for path, other in zip(paths, known, strict=True) if other == rank]
                ordered += self._by_rules(equal, rules[at + 1 :], keys, found, [] if ordered else told)
            return ordered
        if len(paths) > 1:
            told.append("path")
        return paths

    def _rank(self, rule: str, path: bytes, key: bytes, file: Found) -> Rank | None:
        if rule == "preferred":
            places = (at for at, some in enumerate(self._prefer) if any(is_below(path, prefix) for prefix in some))
            return (-next(places, len(self._prefer)),)
        if rule == "bytes":
            return (file.size,)
        if rule == "oldest":
            return (-file.modified,)
        facts = self._facts.get(key)
        return None if facts is None else self._of_facts(rule, key, facts)

    def _of_facts(self, rule: str, key: bytes, facts: Mapping[Column, Value]) -> Rank | None:
        if rule == "complete":
            frames = facts.get(FRAMES, 1)
            return (CUT_LINES not in facts, frames if isinstance(frames, int) else 1)
        if rule == "metadata":
            return (sum(column in facts for column in _SAID) + self._fields.get(key, 0),)
        if rule == "format":
            name = facts.get(FORMAT)
            return (-_FORMATS.index(name),) if isinstance(name, str) and name in _FORMATS else None
        width, height = facts.get(WIDTH), facts.get(HEIGHT)
        return (width * height,) if isinstance(width, int) and isinstance(height, int) else None
