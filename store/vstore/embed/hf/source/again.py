"""The next step for files of a model that are missing or damaged: the command that brings them to where they belong."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from vstore.quoting import quoted

_CACHED = re.compile(r"(.+)/models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})(?:/(.+))?")
_LISTED = 4  # files that a command names one by one


def get_again(folder: Path, names: Sequence[str]) -> str:
    """Write the next step for files of a folder. A folder in the hub's cache tells its repository and its commit."""
    cached = _CACHED.fullmatch(str(folder).rstrip("/"))
    if cached is None:
        return _into_a_folder(folder, names)
    cache, owner, name, commit, inner = cached.groups()
    prefix = f"{inner}/" if inner else ""
    where = [] if _is_used(cache) else ["--cache-dir", cache]
    return "download again: " + _command(
        f"{owner}/{name}", [prefix + one for one in names], "--revision", commit, *where
    )


def _into_a_folder(folder: Path, names: Sequence[str]) -> str:
    commit = _commit_of(folder)
    at = ["--revision", commit] if commit else []
    command = _command("OWNER/NAME", names, *at, "--local-dir", str(folder))
    what = names[0] if len(names) == 1 else "them"
    return f"copy {what} into it again, or write its name on the hub for OWNER/NAME: {command}"


def _command(repository: str, names: Sequence[str], *options: str) -> str:
    """Write the command that fetches files, by their names or, if they are many, by how all of them begin."""
    if len(names) > _LISTED:
        alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
        names = ["".join(letters[0] for letters in alike) + "*"]
    # What such a pattern fits and is here is not fetched again. A file that is named may be here, and damaged.
    files = ["--include", *names] if names[0].endswith("*") else [*names, "--force-download"]
    return " ".join(map(quoted, ["hf", "download", repository, *files, *options]))


def _commit_of(folder: Path) -> str | None:
    """Find the commit of a folder that `hf download --local-dir` made; None if it is another one."""
    for path in sorted((folder / ".cache" / "huggingface" / "download").glob("*.metadata")):
        first = path.read_text(errors="replace").partition("\n")[0].strip()
        if re.fullmatch(r"[0-9a-f]{40}", first):
            return first
    return None


def _is_used(cache: str) -> bool:
    """Tell whether `hf` keeps its downloads in a folder."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return False
    return Path(cache).resolve() == Path(str(constants.HF_HUB_CACHE)).resolve()
