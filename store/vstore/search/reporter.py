"""Makes hits of the keys that a search found."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from vstore.errors import Damage
from vstore.repository.repository import Repository
from vstore.search.hit import Hit
from vstore.search.open_snapshot import OpenSnapshot

PathsOf = Callable[[int], list[bytes]]


class Reporter:
    """Makes hits of keys: their paths, and the files there today. It does so once for each key."""

    def __init__(
        self,
        repo: Repository,
        opened: OpenSnapshot,
        paths: PathsOf | None = None,
        chance: Callable[[float], float] | None = None,
    ) -> None:
        """
        paths:  gives the paths of the picture with a number; None means all.
        chance: tells which share of what is unrelated scores as high.
        """
        self._cache = repo.layout.cache
        self._opened = opened
        self._paths = opened.paths.paths_at if paths is None else paths
        self._chance = chance
        self._known: dict[bytes, Hit] = {}

    def hits(self, found: Iterable[tuple[bytes, float]], flats: Container[bytes]) -> tuple[Hit, ...]:
        """Give the hits of keys with their scores. flats: the pictures of one colour among them. Raises: Damage."""
        return tuple(self.hit(key, score, flats) for key, score in found)

    def hit(self, key: bytes, score: float, flats: Container[bytes]) -> Hit:
        """Give the hit of a key with its score. Raises: Damage."""
        known = self._known.get(key)
        if known is not None:
            return known._replace(score=score)
        opened = self._opened
        number = opened.paths.find(key)
        paths = [] if number is None else self._paths(number)
        if not paths:
            raise Damage(
                f"{self._cache}/ marks pictures that {opened.snapshot.name} does not hold",
                "remove that folder and run the command again: vstore makes it again",
            )
        files = tuple(map(opened.file_of, paths))
        unnamed = [f for path, f in zip(paths, files, strict=True) if f is not None and not opened.is_known(path)]
        chance = None if self._chance is None else self._chance(score)
        hit = self._known[key] = Hit(key, score, tuple(paths), files, key in flats, tuple(unnamed), chance)
        return hit
