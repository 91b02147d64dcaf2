"""The error for a folder that is not the one meant, where others are likely meant: it names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vstore.embed.model_words import Words
from vstore.errors import ModelError

_REVISIONS = {"model": "revision", "adapter": "adapter_revision"}


class OtherWords(ModelError):
    """Words that do not name a model or an adapter, with the words that may be meant.

    why:    what the words below are, as the beginning of a sentence; may be empty.
    words:  the words that may be meant; those of the caller are filled in by `completed`.
    """

    def __init__(self, message: str, why: str, **words: Any) -> None:
        self.why = why
        self._changes = words
        self.words = Words(**words)
        super().__init__(message, f"{why}: {_options(self.words)}" if why else _options(self.words))

    def completed(self, given: Words) -> OtherWords:
        """Fill in the other words that the caller gave. A revision belongs to the model that it was given for."""
        left_out = {_REVISIONS[name]: None for name in self._changes if name in _REVISIONS}
        found = OtherWords(self.message, self.why, **{**given.to_json(), **left_out, **self._changes})
        found._changes = self._changes
        return found


def _options(words: Words) -> str:
    return "run it again with " + words.command("NAME").partition(" NAME ")[2]


@contextmanager
def whole_commands(write: Callable[[Words], str]) -> Iterator[None]:
    """Let errors that name other words end with the whole command.

    write: writes the command of a model's words.
    """
    try:
        yield
    except OtherWords as err:
        command = write(err.words)
        raise ModelError(err.message, f"{err.why}: {command}" if err.why else command) from err
