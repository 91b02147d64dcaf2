"""Words of commands as a shell reads them, for messages that name the next step."""

from __future__ import annotations


def quoted(word: str) -> str:
    """Quote a word for a shell, on one line: a prompt may hold line breaks."""
    if word.isprintable():
        import shlex  # most commands quote nothing

        return shlex.quote(word)
    escaped = "".join(_escaped(letter) for letter in word)
    return f"$'{escaped}'"


def _escaped(letter: str) -> str:
    if letter in ("'", "\\"):
        return "\\" + letter
    if letter.isprintable():
        return letter
    # Half a character stands for no byte of a name: a program may search for it all the same.
    errors = "surrogateescape" if "\udc80" <= letter <= "\udcff" else "surrogatepass"
    return {"\n": "\\n", "\t": "\\t"}.get(letter) or "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", errors))
