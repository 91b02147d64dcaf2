"""The command that fills a space."""

from __future__ import annotations

from vstore.quoting import quoted
from vstore.repository.repository import Repository


def filling(repo: Repository, name: str) -> str:
    """Write the command that fills a space: it names a folder where the store knows none yet."""
    folder = "" if repo.state.roots else "FOLDER "
    return f"vstore sync {folder}--space {quoted(name)}"
