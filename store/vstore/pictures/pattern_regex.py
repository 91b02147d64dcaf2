"""Translates patterns of ignore files into regular expressions. Pure."""

from __future__ import annotations

import re

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_STAR, _DEEP = "*", "**/"  # tokens; a star that stands for itself is an escaped one


def regex_of(text: str) -> str:
    """Translate a pattern without its `!` and its outer slashes into a regular expression for a whole path.

    The time of a match grows with pattern × path: what stands between two stars, or between two `**/`, is taken
    where it is met first, and never looked for again. What follows it may begin anywhere later, so nothing is missed.
    Raises: ValueError if no name can match it.
    """
    first, *others = _split(_tokens(text), _DEEP)
    out = [_names(first)]
    for number, tokens in enumerate(others, 1):
        found = f"(?:[^/]*/)*?{_names(tokens)}"
        out.append(found if number == len(others) else f"(?>{found})")
    return "".join(out)


def _names(tokens: list[str]) -> str:
    """Translate the names between two `**/`."""
    return "/".join(map(_name, _split(tokens, "/")))


def _name(tokens: list[str]) -> str:
    """Translate one name."""
    begins, *others = ("".join(part) for part in _split(tokens, _STAR))
    if not others:
        return begins
    *middle, ends = others
    return begins + "".join(f"(?>[^/]*?{part})" for part in middle) + "[^/]*" + ends


def _split(tokens: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _tokens(text: str) -> list[str]:
    """Cut a pattern into slashes, stars, and regular expressions that match one character each, but for `.*`."""
    out = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            first = at - 1
            while text[at : at + 1] == "*":
                at += 1
            is_name = (first == 0 or text[first - 1] == "/") and (at == len(text) or text[at] == "/")
            if at - first == 1 or not is_name:
                out.append(_STAR)
            elif at == len(text):
                out.append(".*")
            else:  # any folders, or none
                out.append(_DEEP)
                at += 1
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            inside, at = _class(text, at)
            out.append(inside)
        elif char == "\\":
            if at == len(text):
                raise ValueError("it ends in a backslash")
            out.append(re.escape(text[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return out


def _class(text: str, at: int) -> tuple[str, int]:
    """Translate a character class, from after its first bracket, into a regular expression.

    Returns: the expression, and the position after the class.
    """
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    out = ""
    first = True
    while True:
        char = text[at : at + 1]
        if not char:
            raise ValueError("a bracket is not closed")
        if char == "]" and not first:
            break
        first = False
        if text.startswith("[:", at):
            name, colon, _ = text[at + 2 :].partition(":]")
            if colon:
                if name not in _CLASSES:
                    raise ValueError(f"unknown class {name}")
                out += _CLASSES[name]
                at += len(name) + 4
                continue
        low, at = _member(text, at)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(text, at + 1)
            out += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)
        else:
            out += re.escape(low)
    # Never a slash. A class without members matches nothing; a negated one, anything else.
    members = f"[{'^' if negated else ''}{out}]" if out else ("." if negated else r"(?!)")
    return f"(?!/){members}", at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    if text[at] == "\\":
        at += 1
        if at == len(text):
            raise ValueError("a bracket is not closed")
    return text[at], at + 1
