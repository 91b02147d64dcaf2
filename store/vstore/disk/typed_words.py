"""The words of a program about its user, for type checkers."""

from __future__ import annotations

from typing import TypedDict

from vstore.format.usual_words import UsualWords
from vstore.paths import AnyPath


class UserWords(TypedDict, total=False):
    """The words of a program about the user for whom it opens a store.

    config:   the user's folder for configurations; None is ~/.config.
    cache:    the user's folder for caches; None is ~/.cache.
    trust:    the store may be written into, whoever owns it.
    sudo_uid: the id of the user who became root by sudo: stores of both are their own.
    usual:    options of folders that keep none of their own.
    """

    config: AnyPath | None
    cache: AnyPath | None
    trust: bool
    sudo_uid: int | None
    usual: UsualWords | None
