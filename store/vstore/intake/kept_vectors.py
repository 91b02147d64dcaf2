"""The vectors of one run, as they are computed: kept in a journal, and listed when that is large or old."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING

from vstore.format.entries import FileRef
from vstore.intake.keeper import Keeper, publish_seal
from vstore.intake.key_set import KeySet
from vstore.intake.known_pictures import KnownPictures
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats
    from vstore.format.facts import Fact


class KeptVectors:
    """The vectors that a run has computed.

    count:   of vectors.
    seconds: between the beginnings of readings and the newest vector of each.
    """

    def __init__(
        self,
        repo: Repository,
        space: str,
        pictures: KnownPictures,
        *,
        stored: Callable[[list[bytes]], None],
        facts: Callable[[Container[bytes]], Sequence[Fact]],
        listed: Callable[[Sequence[Fact]], None],
        command: str,
        clock: Callable[[], float],
    ) -> None:
        """
        stored:  receives the keys of each batch whose vectors are in the journal.
        facts:   lists the facts of pictures among these that no record lists yet.
        listed:  receives facts that a record lists now.
        command: the one that is running, for its records.
        clock:   tells the time in seconds.
        """
        self.count = 0
        self.seconds = 0.0
        self._repo = repo
        self._space = space
        self._pictures = pictures
        self._stored = stored
        self._facts = facts
        self._take_listed = listed
        self._command = command
        self._clock = clock
        self._keeper: Keeper | None = None
        self._since = 0.0
        self._computed = KeySet(repo.hash.size)  # since the last seal

    def begin(self) -> None:
        """Start the clock of a reading."""
        self._since = self._clock()

    def keep_usable(self, keys: list[bytes], unit: Floats) -> None:
        """Keep the rows that are vectors. unit: float32 (n, dim), norm 1, one for each key; NaN where there is none."""
        from vstore.embed.rows import usable  # a run without news keeps none

        good = usable(unit)
        some = [key for key, fine in zip(keys, good, strict=True) if fine]
        if some:
            self.keep(some, unit[good])

    def keep(self, keys: list[bytes], unit: Floats) -> None:
        """Keep vectors. unit: float32 (n, dim), norm 1, one for each key."""
        if self._keeper is None:
            self._keeper = Keeper(self._repo, self._space, self._repo.state.spaces[self._space].dim)
        keeper = self._keeper
        keeper.keep(keys, unit)
        self._pictures.vectors.add(keys)
        self._computed.update(keys)
        self._stored(keys)
        self.count += len(keys)
        now = self._clock()
        self.seconds += now - self._since
        self._since = now
        if keeper.is_due:
            refs = keeper.write()
            # Of copied vectors neither row nor fact is listed here: they belong into one record.
            facts = self._facts(self._computed)
            publish_seal(self._repo, self._command, self._space, refs, facts)
            keeper.listed()
            self._take_listed(facts)
            self._computed = KeySet(self._repo.hash.size)

    def write_rest(self) -> list[FileRef]:
        """Write the unsealed vectors as a segment, to be listed by the next record."""
        return self._keeper.write() if self._keeper else []

    def listed(self) -> None:
        """Remove the journals whose segments a record lists now."""
        if self._keeper:
            self._keeper.listed()

    def close(self) -> None:
        """Leave unsealed vectors where the next run finds them."""
        if self._keeper:
            self._keeper.close()
