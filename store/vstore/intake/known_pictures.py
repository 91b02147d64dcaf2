"""The pictures of a space as one run knows them: those with a vector, those that fail, their facts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from vstore.disk.catalogue import Catalogue
from vstore.disk.facts import Batch, ModelFailure
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
    again:    the keys with a remembered failure that are tried again.
    """

    def __init__(
        self,
        space: str,
        catalogue: Catalogue | None,
        vectors: Vectors,
        *,
        fingerprint: Callable[[], str],
        machine: Callable[[], str],
        retry_failed: bool = False,
    ) -> None:
        """
        fingerprint:  of all that decides whether bytes decode in this run; asked for when it is needed.
        machine:      what is known of the machine before the model is loaded; asked for when it is needed.
        retry_failed: try every picture again that an earlier run remembers as failed.
        """
        self.vectors = vectors
        self.failures: dict[bytes, tuple[PictureFailure, bool]] = {}
        self.troubles: dict[bytes, PictureFailure] = {}
        self.again: set[bytes] = set()
        self._space = space
        self._catalogue = catalogue
        self._fingerprint = fingerprint
        self._ask_machine = machine
        self._retry_failed = retry_failed
        self._machine: str | None = None
        self._environment: str | None = None  # of the model, once it is loaded
        self._environments: dict[bytes, str] = {}  # of the remembered failures of the model
        self._facts: dict[bytes, tuple[int, Facts]] = {}
        self._asking = threading.Lock()

    def wants(self, key: bytes) -> bool:
        """Tell whether a picture must be embedded: it has no vector, and does not fail. Called in any thread."""
        with self._asking:
            if key in self.failures or key in self.vectors:
                return False
            known = self._remembered(key) if key not in self.again else None
            if known is not None:
                self.failures[key] = (known, True)
            return known is None

    def _remembered(self, key: bytes) -> PictureFailure | None:
        """Look up an earlier failure that would be met again; another one is noted as tried again."""
        if self._catalogue is None:
            return None
        found = self._catalogue.decode_failure(key, self._fingerprint())
        if found is not None and not self._retry_failed:
            return PictureFailure(*found)
        failure = self._catalogue.model_failure(self._space, key)
        if failure is not None and not self._retry_failed and self._is_of_here(failure):
            self._environments[key] = failure.environment
            return PictureFailure(failure.kind, failure.reason)
        if found is not None or failure is not None:
            self.again.add(key)
        return None

    def _is_of_here(self, failure: ModelFailure) -> bool:
        """Tell whether the model failed where it would run now. Its environment is known only once it is loaded."""
        if failure.machine != self.machine:
            return False
        return self._environment is None or failure.environment == self._environment

    @property
    def machine(self) -> str:
        if self._machine is None:
            self._machine = self._ask_machine()
        return self._machine

    def loaded(self, environment: Mapping[str, Any]) -> None:
        """Take note of the environment of the loaded model: failures of other ones are tried again."""
        with self._asking:
            self._environment = json.dumps(environment, sort_keys=True, default=str)
            for key, other in self._environments.items():
                if other != self._environment and self.failures.get(key, (None, False))[1]:
                    del self.failures[key]
                    self.again.add(key)
            self._environments.clear()

    def fail(self, key: bytes, failure: PictureFailure) -> None:
        """Take note that a picture has no vector."""
        self.failures[key] = (failure, False)

    def try_again(self, keys: Collection[bytes]) -> None:
        """Forget that pictures have no vector, and that an earlier run may know it."""
        for key in keys:
            self.failures.pop(key, None)
            self.again.add(key)

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
                there = ModelFailure(failure.kind, failure.reason, self.machine, self._environment or "")
                batch.put_model_failure(self._space, key, there)
            else:
                batch.put_decode_failure(key, self._fingerprint(), failure.kind, failure.reason)

        for key in self.again:
            if key in self.vectors:  # else the old failure would be believed once that vector is lost
                batch.drop_decode_failure(key)
                batch.drop_model_failure(self._space, key)

    def _put_facts(self, batch: Batch) -> None:
        for key, (size, facts) in self._facts.items():
            batch.put_facts(key, size=size, format=facts.format, width=facts.width, height=facts.height)
        self._facts.clear()
