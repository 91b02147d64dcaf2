"""The pictures of a space as one run knows them: those with a vector, those that fail, their facts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from vstore.disk.catalogue import Catalogue
from vstore.disk.facts import Batch
from vstore.intake.stored_keys import Vectors
from vstore.pictures.failures import PASSING, PictureFailure

if TYPE_CHECKING:
    from vstore.pictures.decoding import Facts

FACTS = 1024  # facts that wait for the catalogue


class KnownPictures:
    """The pictures of one space, as one run and the catalogue know them.

    vectors:  the keys that have a vector.
    failures: key -> why the picture has no vector, and whether an earlier run knew it.
    troubles: path -> why the file was not read.
    """

    def __init__(
        self, space: str, catalogue: Catalogue | None, vectors: Vectors, *, fingerprint: Callable[[], str]
    ) -> None:
        """fingerprint: of all that decides whether bytes decode in this run; asked for when it is needed."""
        self.vectors = vectors
        self.failures: dict[bytes, tuple[PictureFailure, bool]] = {}
        self.troubles: dict[bytes, PictureFailure] = {}
        self._space = space
        self._catalogue = catalogue
        self._fingerprint = fingerprint
        self._facts: dict[bytes, tuple[int, Facts]] = {}
        self._asking = threading.Lock()

    def wants(self, key: bytes) -> bool:
        """Tell whether a picture must be embedded: it has no vector, and does not fail. Called in any thread."""
        with self._asking:
            if key in self.failures or key in self.vectors:
                return False
            if self._catalogue is not None:
                known = self._catalogue.decode_failure(key, self._fingerprint())
                known = known or self._catalogue.model_failure(self._space, key)
                if known is not None:
                    self.failures[key] = (PictureFailure(*known), True)
                    return False
            return True

    def fail(self, key: bytes, failure: PictureFailure) -> None:
        """Take note that a picture has no vector."""
        self.failures[key] = (failure, False)

    def add_facts(self, key: bytes, size: int, facts: Facts) -> None:
        """Take note of a picture's facts. size: bytes of its file."""
        self._facts[key] = (size, facts)
        if len(self._facts) >= FACTS and self._catalogue is not None:
            with self._catalogue.batch() as batch:
                self._put_facts(batch)

    @property
    def has_news(self) -> bool:
        """True if something was learnt that the catalogue does not have yet."""
        return bool(self._facts or any(not known for _, known in self.failures.values()))

    def put(self, batch: Batch) -> None:
        """Write facts and failures to the catalogue. Failures that may pass are not remembered."""
        self._put_facts(batch)
        for key, (failure, known) in self.failures.items():
            if known or failure.kind in PASSING:
                continue
            if failure.kind == "model":
                batch.put_model_failure(self._space, key, failure.kind, failure.reason)
            else:
                batch.put_decode_failure(key, self._fingerprint(), failure.kind, failure.reason)

    def _put_facts(self, batch: Batch) -> None:
        for key, (size, facts) in self._facts.items():
            batch.put_facts(key, size=size, format=facts.format, width=facts.width, height=facts.height)
        self._facts.clear()
