"""Commands near a word that is none: mistyped ones, and those of other tools."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import click

from vstore import UsageError

# What users of restic, borg, git, rclip and servers of pictures type. The empty text is the group of all commands.
ELSEWHERE = {
    "": {
        "add": "sync", "backup": "sync", "build": "sync", "commit": "sync", "create": "sync", "embed": "sync",
        "ingest": "sync", "refresh": "sync", "reindex": "sync", "scan": "sync", "update": "sync",
        "upload": "sync", "query": "search", "grep": "search",
        "cat": "show", "open": "show", "view": "show", "ls-files": "ls", "dir": "ls", "tree": "ls", "glob": "find",
        "locate": "find", "daemon": "watch", "monitor": "watch", "options": "config list", "settings": "config list",
        "compare": "snapshot diff", "history": "log", "reflog": "log", "list": "snapshot list",
        "snapshots": "snapshot list", "tags": "snapshot list", "versions": "snapshot list", "branch": "snapshot tag",
        "checkout": "rollback", "reset": "rollback", "restore": "rollback", "revert": "undo", "switch": "rollback",
        "delete": "snapshot forget", "remove": "root remove", "rm": "root remove", "unlink": "root remove",
        "mv": "root rename", "rename": "root rename", "folders": "root list", "roots": "root list",
        "clean": "gc", "compact": "gc", "prune": "gc", "vacuum": "gc",
        "fix": "repair", "fsck": "check", "scrub": "check", "verify": "check", "upgrade": "migrate",
        "du": "stats", "info": "stats", "size": "stats", "dedup": "dupes", "dedupe": "dupes", "duplicates": "dupes",
        "models": "model list", "spaces": "model list", "page": "serve", "web": "serve", "browse": "serve",
        "ui": "serve", "version": "--version", "train": "index build",
    },
    "index": {
        "create": "index build", "make": "index build", "new": "index build", "update": "index build",
        "rebuild": "index build", "train": "index build", "optimize": "index build", "info": "index status",
        "list": "index status", "ls": "index status", "show": "index status", "stats": "index status",
        "delete": "index drop", "remove": "index drop", "rm": "index drop",
    },
    "snapshot": {
        "ls": "snapshot list", "history": "snapshot list", "log": "log", "info": "snapshot show",
        "compare": "snapshot diff", "create": "sync", "new": "sync", "name": "snapshot tag",
        "delete": "snapshot forget", "drop": "snapshot forget", "remove": "snapshot forget",
        "rm": "snapshot forget", "checkout": "rollback",
        "restore": "rollback", "use": "rollback",
    },
    "root": {
        "ls": "root list", "info": "root list", "show": "root list", "add": "sync", "new": "sync", "scan": "sync",
        "delete": "root remove", "drop": "root remove", "forget": "root remove", "rm": "root remove",
        "label": "root rename", "move": "root rename", "mv": "root rename",
    },
    "model": {
        "ls": "model list", "info": "model show", "new": "model add", "delete": "model drop", "remove": "model drop",
        "rm": "model drop", "activate": "model use", "checkout": "model use", "select": "model use", "set": "model use",
        "switch": "model use", "default": "model use", "trust": "model allow",
        "compare": "model diff",
    },
}  # fmt: skip
_ALIKE = 0.65  # of difflib; `lgo` is 0.67 to `log`
_ALIKE_ELSEWHERE = 0.75


def no_such_command(ctx: click.Context, args: Sequence[str]) -> UsageError:
    """Make the error for a word that is no command of a group. args: the word, and what follows it."""
    word, *rest = args
    group = ctx.command_path.partition(" ")[2]
    near = _near(ctx, group, word, rest)
    helps = f"vstore {group} --help" if group else "vstore --help"
    step = f"did you mean: {near}; all commands: {helps}" if near else f"all commands: {helps}"
    return UsageError(f"there is no command {f'{group} {word}'.strip()!r}", step)


def _near(ctx: click.Context, group: str, word: str, rest: Sequence[str]) -> str | None:
    """Find the command that a word means, with the words that follow it where it takes them."""
    root = ctx.find_root()
    if not group and word == "vstore" and rest and _command(root, rest[:1]) is not None:
        return shlex.join(["vstore", *rest])
    if word == "help":
        return shlex.join(
            ["vstore", *group.split(), *_known(root, [*group.split(), *rest])[len(group.split()) :], "--help"]
        )
    meant = _meant(root, group, word)
    if meant is None and group == "index":  # of pictures, as other tools say
        meant, rest = "sync", [word, *rest]
    if meant is None:
        return None
    command = _command(root, meant.split())
    words = ["vstore", *meant.split(), *(rest if command is not None and _takes(command, rest) else ())]
    return shlex.join(words)


def _meant(root: click.Context, group: str, word: str) -> str | None:
    """Find the command that a word of a group means: by a table, in another group, or by its letters."""
    low = word.lower()
    if low in ELSEWHERE.get(group, {}):
        return ELSEWHERE[group][low]
    own = [f"{group} {name}".strip() for name in _names(root, group.split())]
    others = [name for name in _every(root) if name not in own]
    if f"{group} {low}".strip() in own:
        return f"{group} {low}".strip()
    found = _alike(low, own, _ALIKE)
    if found is None:
        found = next((name for name in others if name.split()[-1] == low), None)
    return found or _alike(low, others, _ALIKE_ELSEWHERE)


def _alike(word: str, commands: Iterable[str], cutoff: float) -> str | None:
    by_last: dict[str, str] = {}
    for command in commands:
        by_last.setdefault(command.split()[-1], command)
    begun = [command for last, command in by_last.items() if len(word) > 2 and last.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    swapped = [last for last in by_last if sorted(last) == sorted(word)]  # difflib takes `stauts` for `stats`
    near = swapped or get_close_matches(word, by_last, n=1, cutoff=cutoff)
    return by_last[near[0]] if near else None


def _every(root: click.Context) -> list[str]:
    """List all commands, those of groups by both words."""
    names = _names(root, [])
    return [*names, *(f"{name} {below}" for name in names for below in _names(root, [name]))]


def _names(root: click.Context, words: Sequence[str]) -> list[str]:
    """List the commands of a group; none of any other command."""
    command = _command(root, words)
    return command.list_commands(root) if isinstance(command, click.Group) else []


def _known(root: click.Context, words: Sequence[str]) -> Sequence[str]:
    """Take the first words that are a command."""
    count = next((n for n in range(min(2, len(words)), 0, -1) if _command(root, words[:n]) is not None), 0)
    return words[:count]


def _command(root: click.Context, words: Sequence[str]) -> click.Command | None:
    command: click.Command | None = root.command
    for word in words:
        command = command.get_command(root, word) if isinstance(command, click.Group) else None
    return command


def _takes(command: click.Command, words: Sequence[str]) -> bool:
    """Tell whether a command has all options among some words."""
    options = {"-h", "--help"} | {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = words[: words.index("--")] if "--" in words else words
    return all(word.partition("=")[0] in options for word in given if word.startswith("-") and word != "-")
