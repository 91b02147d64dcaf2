"""The facts of prepared pixels, their digests first: those that a run sees, and those that the store holds.

The catalogue has no part in them: what a digest decides is whose vector a picture gets.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

from vstore.format.delta import Change, Edit
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.format.facts import Fact
    from vstore.format.recipes import Recipe
    from vstore.repository.looks import Look


class PreparedPixels:
    """The digests of pixels that are prepared for one space, as one run knows them."""

    def __init__(self, repo: Repository, recipe: Recipe) -> None:
        """recipe: of the space."""
        self._repo = repo
        # Without the word, another program chose the preparation.
        self._preparation: dict[str, Any] | None = recipe.get("prepare") if repo.format > 1 else None
        self._run: dict[bytes, bytes] = {}
        self._unlisted: dict[bytes, Look] = {}
        self._stored: dict[bytes, bytes | None] = {}

    @property
    def are_kept(self) -> bool:
        """True if the store keeps digests, and the space has a preparation to name them by."""
        return self._preparation is not None

    def look(self, picture: Image) -> Look | None:
        """Look at a prepared picture, in any thread; None where nothing of it is kept."""
        if self._preparation is None:
            return None
        from vstore.repository.looks import look  # a run without news looks at none

        return look(self._repo.hash, self._preparation, picture)

    def learn(self, key: bytes, seen: Look) -> None:
        """Take note of a picture that was read."""
        self._run[key] = seen.digest
        self._unlisted[key] = seen

    def of(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Find the digests of pictures, with one look-up in the facts for all that are asked for the first time.

        Raises: Damage, FileNotFoundError.
        """
        wanted = set(keys)
        unknown = wanted - self._run.keys() - self._stored.keys()
        if unknown and self._preparation is not None and self._repo.state.facts:
            from vstore.format.facts import pixels
            from vstore.repository.facts import facts_of

            column = pixels(self._preparation)
            found = facts_of(self._repo, unknown, {column})
            values = {key: found[key].values.get(column) if key in found else None for key in unknown}
            self._stored |= {key: value if isinstance(value, bytes) else None for key, value in values.items()}
        known = ((key, self._run.get(key) or self._stored.get(key)) for key in wanted)
        return {key: digest for key, digest in known if digest is not None}

    def same(self, changes: Iterable[Change]) -> list[Edit]:
        """Choose the changes of paths whose pictures before and after have the same pixels. Raises: as `of`."""
        edits = [(path, old, new) for path, old, new in changes if old is not None and new is not None]
        digests = self.of(key for _, old, new in edits for key in (old, new))
        return [edit for edit in edits if edit[1] in digests and digests[edit[1]] == digests.get(edit[2])]

    def unlisted(self, having: Container[bytes]) -> list[Fact]:
        """Make facts of the digests that no record lists yet. having: the keys of pictures with a vector."""
        keys = [key for key in self._unlisted if key in having]
        if not keys or self._preparation is None:
            return []
        return [self._unlisted[key].fact(key, self._preparation) for key in keys]

    def listed(self, facts: Iterable[Fact]) -> None:
        """Take note that a record lists facts."""
        for fact in facts:
            self._unlisted.pop(fact.key, None)
