"""The variables that name your folders: those that name none are ignored, as their specification says."""

from __future__ import annotations

import os

_NAMES = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")

_ignored: dict[str, str] = {}


def ignore_unusable() -> None:
    """Take the variables that name no absolute path out of the environment, for the libraries, too.

    They would read files out of the working folder, which a stranger may have filled. Without HOME, the home is that of
    the list of users.
    """
    for name in _NAMES:
        value = os.environ.get(name, "/")
        if not os.path.isabs(value):
            _ignored[name] = os.environ.pop(name)


def ignored() -> list[str]:
    """Say which of the variables are ignored. An empty XDG variable means its default, and is not worth a word."""
    return [
        f"the environment variable {name} is ignored: it " + (f"is {value}, no absolute path" if value else "is empty")
        for name, value in _ignored.items()
        if value or name == "HOME"
    ]
