"""Tokens of an expression. Only what stands here is ever handed to SQLite, with spaces between: it reads nothing else.

A comment, a parameter, a semicolon and a second statement are no tokens.
"""

from __future__ import annotations

import re

from vstore.errors import UsageError
from vstore.quick_tuple import NamedTuple

LONGEST = 65_536  # bytes of an expression
TEXT, QUOTED, NUMBER, WORD, OPERATOR, END = "text", "quoted", "number", "word", "operator", "end"

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\n\f\r]+)
  | (?P<comment>--|/\*)
  | (?P<text>'(?:[^'\0]|'')*')
  | (?P<quoted>"(?:[^"\0]|"")*"|`(?:[^`\0]|``)*`|\[[^]\0]*\])
  | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w$]))
  | (?P<word>[^\W\d][\w$]*)
  | (?P<operator><=|>=|<>|!=|==|\|\||<<|>>|[-+*/%<>=&|~(),.])
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    """A token of an expression.

    kind: of it.
    text: as it is written.
    at:   where it begins.
    """

    kind: str
    text: str
    at: int

    @property
    def name(self) -> str:
        """The name that it writes, without quotes."""
        if self.kind != QUOTED:
            return self.text
        quoted, quote = self.text[1:-1], self.text[0]
        return quoted if quote == "[" else quoted.replace(2 * quote, quote)


def tokens_of(text: str) -> list[Token]:
    """Divide an expression into tokens, the last of which is its end. Raises: UsageError."""
    _require_text(text)
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _no_token(text, at)
        kind = str(match.lastgroup)
        if kind == "comment":
            raise UsageError(f"--where takes no comments: {near(text, at)}", "leave it out")
        if kind != "space":
            found.append(Token(kind, match.group(), at))
        at = match.end()
    if not found:
        raise UsageError("--where is empty", "give an expression: --where \"camera like 'Canon%'\"")
    found.append(Token(END, "", len(text)))
    _require_balance(text, found)
    return found


def near(text: str, at: int) -> str:
    """Quote a piece of an expression, from a place on."""
    piece = " ".join(text[at : at + 30].split())
    return f"near {piece!a}" if piece else "at its end"


def _require_text(text: str) -> None:
    if not isinstance(text, str):
        raise UsageError(f"where is {text!r:.100}, and no text", 'give an expression: where="rating >= 4"')
    try:
        size = len(text.encode())
    except UnicodeEncodeError as err:
        raise UsageError("--where is not text in UTF-8", "write its letters in UTF-8") from err
    if size > LONGEST:
        raise UsageError(f"--where has {size:,} bytes", f"{LONGEST:,} at most are taken")


def _no_token(text: str, at: int) -> UsageError:
    if text[at] in "'\"`[":
        what = "text; a quote in a text is written twice: 'it''s'" if text[at] == "'" else "name"
        return UsageError(f"a quote of --where is not closed, {near(text, at)}", f"close it after the {what}")
    if text[at] == ";":
        return UsageError(f"--where is one expression, and goes on {near(text, at)}", "leave the semicolon out")
    return UsageError(f"--where cannot be read {near(text, at)}", "texts stand in single quotes: camera = 'Canon'")


def _require_balance(text: str, tokens: list[Token]) -> None:
    opened: list[int] = []
    for token in tokens:
        if token.kind == OPERATOR and token.text == "(":
            opened.append(token.at)
        elif token.kind == OPERATOR and token.text == ")":
            if not opened:
                raise UsageError(f"a parenthesis of --where closes nothing, {near(text, token.at)}", "leave it out")
            opened.pop()
    if opened:
        raise UsageError(f"a parenthesis of --where is not closed, {near(text, opened[-1])}", "close it")
