"""The facts of prepared pixels, their digests first: those that a run sees, and those that the store holds.

The catalogue has no part in them: what a digest decides is whose vector a picture gets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vstore.format.delta import Change, Edit
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.format.facts import Column, Value
    from vstore.format.recipes import Recipe
    from vstore.repository.looks import Look


class PreparedPixels:
    """The digests of pixels that are prepared for one space, as one run knows them.

    unlisted: those of pictures that this run read, until a record lists them, by key: a digest, and a byte that is 1 if
              the picture is of one colour.
    """

    def __init__(self, repo: Repository, recipe: Recipe) -> None:
        """recipe: of the space."""
        self._repo = repo
        # Without the word, another program chose the preparation.
        self._preparation: dict[str, Any] | None = recipe.get("prepare") if repo.format > 1 else None
        self._named: tuple[Column, Column] | None = None
        self.unlisted: dict[bytes, bytes] = {}
        self._stored: dict[bytes, bytes | None] = {}

    @property
    def are_kept(self) -> bool:
        """True if the store keeps digests, and the space has a preparation to name them by."""
        return self._preparation is not None

    @property
    def _columns(self) -> tuple[Column, Column] | None:
        """The columns of digests and of flatness; None without a preparation. Naming them takes longer than a fact."""
        if self._named is None and self._preparation is not None:
            from vstore.format.facts import flat, pixels  # a run without news makes no facts

            self._named = pixels(self._preparation), flat(self._preparation)
        return self._named

    def look(self, picture: Image) -> Look | None:
        """Look at a prepared picture, in any thread; None where nothing of it is kept."""
        if self._preparation is None:
            return None
        from vstore.repository.looks import look  # a run without news looks at none

        return look(self._repo.hash, self._preparation, picture)

    def learn(self, key: bytes, seen: Look) -> None:
        """Take note of a picture that was read."""
        self.unlisted[key] = seen.digest + bytes([seen.flat])

    def of(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Find the digests of pictures, with one look-up in the facts for all that are asked for the first time.

        Raises: Damage, FileNotFoundError.
        """
        wanted = set(keys)
        unknown = wanted - self.unlisted.keys() - self._stored.keys()
        if unknown and self._preparation is not None and self._repo.state.facts:
            from vstore.format.facts import pixels
            from vstore.repository.facts import facts_of

            column = pixels(self._preparation)
            found = facts_of(self._repo, unknown, {column})
            values = {key: found[key].values.get(column) if key in found else None for key in unknown}
            self._stored |= {key: value if isinstance(value, bytes) else None for key, value in values.items()}
        for key in wanted & self.unlisted.keys():  # the report asks again, once a record lists them
            self._stored[key] = self.unlisted[key][:-1]
        known = ((key, self._stored.get(key)) for key in wanted)
        return {key: digest for key, digest in known if digest is not None}

    def same(self, changes: Iterable[Change]) -> list[Edit]:
        """Choose the changes of paths whose pictures before and after have the same pixels. Raises: as `of`."""
        edits = [(path, old, new) for path, old, new in changes if old is not None and new is not None]
        digests = self.of(key for _, old, new in edits for key in (old, new))
        return [edit for edit in edits if edit[1] in digests and digests[edit[1]] == digests.get(edit[2])]

    def values(self, key: bytes) -> dict[Column, Value]:
        """Make the values of a fact of what no record lists yet of a picture."""
        packed = self.unlisted.get(key)
        if packed is None or self._columns is None:
            return {}
        digest, is_flat = self._columns
        return {digest: packed[:-1], is_flat: 1} if packed[-1] else {digest: packed[:-1]}

    def listed(self, key: bytes) -> None:
        """Take note that a record lists the fact of a picture: from now on it is read there."""
        self.unlisted.pop(key, None)
        if self._stored.get(key, b"") is None:  # it was asked for before the picture was read
            del self._stored[key]
