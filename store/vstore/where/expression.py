"""Expressions: one that tells which pictures are meant, read and checked before anything is looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vstore.errors import UsageError
from vstore.quick_tuple import NamedTuple
from vstore.where.engine import FUNCTIONS, Engine
from vstore.where.tokens import END, NUMBER, OPERATOR, QUOTED, TEXT, WORD, Token, near, tokens_of

FACT, FIELD = "fact", "field"
SEPARATOR = "\x1f"  # between and around the texts of a list
_ESCAPE = "\x1e"
_HAS = "has"
_TAKEN = """
    AND OR NOT IN IS ISNULL NOTNULL NULL BETWEEN LIKE GLOB ESCAPE CASE WHEN THEN ELSE END CAST AS COLLATE TRUE FALSE
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
"""
_OF_QUERIES = """
    SELECT WITH RECURSIVE VALUES FROM WHERE GROUP ORDER BY HAVING LIMIT OFFSET UNION INTERSECT EXCEPT EXISTS JOIN USING
    OVER FILTER WINDOW PARTITION RAISE INSERT UPDATE DELETE REPLACE CREATE DROP ALTER ATTACH DETACH PRAGMA VACUUM
    REINDEX ANALYZE EXPLAIN BEGIN COMMIT ROLLBACK SAVEPOINT RELEASE TABLE INDEX VIEW TRIGGER DISTINCT ALL SET INTO ON
    MATCH REGEXP INDEXED NATURAL DEFAULT
"""
_KEYWORDS, _REFUSED = frozenset(_TAKEN.split()), frozenset(_OF_QUERIES.split())
_AFTER = {
    "AS": frozenset(("INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB")),
    "COLLATE": frozenset(("NOCASE", "BINARY", "RTRIM")),
}
_AGGREGATES = frozenset(("count", "sum", "avg", "total", "group_concat", "string_agg"))
_TIME = re.compile("now|current_|date|time|julian", re.IGNORECASE)
_SLOT = re.compile(r"\bc(\d+)\b")


class Name(NamedTuple):
    """The name of a column in an expression.

    home:      `fact` or `field`, where it stands before the name; None elsewhere.
    name:      the name.
    is_quoted: it stands in quotes.
    written:   as it is written.
    """

    home: str | None
    name: str
    is_quoted: bool
    written: str


class _Has(NamedTuple):
    """The question whether a list holds a text."""

    name: Name
    text: str


class Expression(NamedTuple):
    """An expression that was read.

    text:  as it was given.
    names: the columns that it names, each once.
    parts: what SQLite is given: pieces of it, and the names between them.
    """

    text: str
    names: tuple[Name, ...]
    parts: tuple[str | Name | _Has, ...]

    @property
    def depends_on_time(self) -> bool:
        """It may be true at another time for other pictures."""
        return bool(_TIME.search(self.text))

    @property
    def conjuncts(self) -> list[Expression]:
        """Cut it where AND joins its parts: it is true where all of these are."""
        found: list[list[str | Name | _Has]] = [[]]
        depth = between = 0
        for part in self.parts:
            if part in ("(", "CASE"):
                depth += 1
            elif part in (")", "END"):
                depth -= 1
            elif depth == 0 and part == "OR":
                return [self]
            elif depth == 0 and part == "BETWEEN":
                between += 1
            elif depth == 0 and part == "AND":
                if not between:
                    found.append([])
                    continue
                between -= 1
            found[-1].append(part)
        return [Expression(self.text, _names(parts), tuple(parts)) for parts in found]

    def sql(self, slots: Mapping[Name, int]) -> str:
        """Write it for SQLite. slots: the number of the column of each name."""
        return " ".join(part if isinstance(part, str) else _written(part, slots) for part in self.parts)


def _names(parts: Sequence[str | Name | _Has]) -> tuple[Name, ...]:
    named = (part.name if isinstance(part, _Has) else part for part in parts if not isinstance(part, str))
    return tuple(dict.fromkeys(named))


def _written(part: Name | _Has, slots: Mapping[Name, int]) -> str:
    if isinstance(part, Name):
        return f"c{slots[part]}"
    column = f"c{slots[part.name]}"
    item = (SEPARATOR + escaped(part.text) + SEPARATOR).encode().hex()
    text = part.text.replace("'", "''")
    return f"( {column} = '{text}' OR ( typeof ( {column} ) = 'blob' AND instr ( {column} , x'{item}' ) ) )"


def escaped(text: str) -> str:
    """Escape the separators in a text of a list."""
    return text.replace(_ESCAPE, _ESCAPE + "0").replace(SEPARATOR, _ESCAPE + "1")


def read_expression(text: str) -> Expression:
    """Read an expression, and let SQLite check it. What its names mean is not looked up.

    Raises: UsageError.
    """
    tokens = tokens_of(text)
    parts = tuple(_Reader(text, tokens).parts())
    names = _names(parts)
    expression = Expression(text, names, parts)
    slots = {name: slot for slot, name in enumerate(names)}
    with Engine([""] * len(names)) as engine:
        try:
            engine.check(expression.sql(slots))
        except UsageError as err:
            raise UsageError(_in_words(err.message, names, tokens), err.next_step) from err
    return expression


def _in_words(message: str, names: Sequence[Name], tokens: Sequence[Token]) -> str:
    """Write a message with the names that the user gave, and without the parenthesis that stands around his words."""
    last = tokens[-2]
    goes_on = last.kind == OPERATOR or (last.kind == WORD and last.text.upper() in _KEYWORDS)
    if last.text != ")" and (goes_on or all(token.text != ")" for token in tokens)):
        message = message.replace('near ")": syntax error', f"something is missing after {last.text!a}, at its end")
    return _SLOT.sub(lambda match: names[int(match[1])].written if int(match[1]) < len(names) else match[0], message)


class _Reader:
    """Reads the tokens of an expression."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    def parts(self) -> list[str | Name | _Has]:
        found: list[str | Name | _Has] = []
        while self._now.kind != END:
            found.append(self._part())
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    @property
    def _next(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _take(self) -> Token:
        token = self._now
        if token.kind != END:
            self._at += 1
        return token

    def _part(self) -> str | Name | _Has:
        token = self._now
        if token.kind in (TEXT, NUMBER, OPERATOR):
            return self._take().text
        if token.kind == QUOTED or self._next.text == ".":
            return self._name()
        upper = token.text.upper()
        if upper in _KEYWORDS:
            self._take()
            return f"{upper} {self._one_of(upper)}" if upper in _AFTER else upper
        if self._next.text == "(":
            return self._function()
        if upper in _REFUSED:
            raise self._refused(token, f"{upper} is not taken")
        return self._name()

    def _one_of(self, before: str) -> str:
        token = self._take()
        if token.kind != WORD or token.text.upper() not in _AFTER[before]:
            known = ", ".join(sorted(_AFTER[before])).lower()
            raise UsageError(
                f"{before} is followed by no word that --where takes {near(self._text, token.at)}",
                f"take one of: {known}",
            )
        return token.text.upper()

    def _name(self) -> Name:
        first = self._take()
        if self._now.text != ".":
            return Name(None, first.name, first.kind == QUOTED, first.text)
        home = first.name.casefold()
        if home not in (FACT, FIELD):
            raise UsageError(
                f"no such column: {self._text[first.at : self._next.at + len(self._next.text)]}",
                'before a dot only fact and field may stand: field."my label"',
            )
        self._take()
        second = self._take()
        if second.kind not in (WORD, QUOTED):
            raise UsageError(f"the name of a {home} is missing {near(self._text, second.at)}", f'write {home}."name"')
        return Name(home, second.name, second.kind == QUOTED, f"{first.text}.{second.text}")

    def _function(self) -> str | _Has:
        token = self._take()
        name = token.text.casefold()
        if name == _HAS:
            return self._has(token)
        if name in FUNCTIONS:
            return name
        if name in _AGGREGATES:
            raise UsageError(
                f"{name}() counts over many pictures, and --where judges each by itself {near(self._text, token.at)}",
                "compare the columns of one picture",
            )
        if name.upper() in _REFUSED:
            raise self._refused(token, f"{name.upper()} is not taken")
        raise UsageError(f"no such function: {token.text}{meant(name, [*FUNCTIONS, _HAS])}", functions())

    def _has(self, token: Token) -> _Has:
        self._take()
        if self._now.kind in (WORD, QUOTED):
            name = self._name()
            comma, text, end = self._take(), self._take(), self._take()
            if comma.text == "," and text.kind == TEXT and end.text == ")":
                return _Has(name, text.text[1:-1].replace("''", "'"))
        raise UsageError(
            f"has() takes a field and a text {near(self._text, token.at)}", "write it so: has(tags, 'holiday')"
        )

    def _refused(self, token: Token, what: str) -> UsageError:
        if token.text.upper() in ("REGEXP", "MATCH"):
            step = "compare with like ('IMG%') or glob ('IMG*')"
        else:
            step = f'--where is one expression without queries; a field of this name is written "{token.text}"'
        return UsageError(f"{what} in --where {near(self._text, token.at)}", step)


def functions() -> str:
    """Say which functions there are."""
    return f"the functions are: {', '.join(sorted([*FUNCTIONS, _HAS]))}"


def meant(name: str, known: Sequence[str]) -> str:
    """Ask whether a name like one is meant; nothing if there is none."""
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
