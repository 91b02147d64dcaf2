"""The pictures that failed alone: the probes decide whether they are at fault, or the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vstore.embed.careful import begin, failed_on, try_all
from vstore.intake.kept_vectors import KeptVectors
from vstore.intake.known_pictures import KnownPictures
from vstore.intake.lazy_model import LazyModel
from vstore.pictures.failures import PictureFailure
from vstore.quick_tuple import NamedTuple

DOUBTS = 8  # pictures that failed alone, until the probes are asked: they cost as much as one picture each


class Doubt(NamedTuple):
    """A picture that failed alone: it or the device is at fault.

    key:    of the picture.
    reason: what the model did to it.
    input:  of the model; None where another attempt has no sense.
    """

    key: bytes
    reason: str
    input: Any = None


class Doubts:
    """The pictures of one run that failed alone since the probes were last asked."""

    def __init__(self, model: LazyModel, kept: KeptVectors, pictures: KnownPictures) -> None:
        self._model = model
        self._kept = kept
        self._pictures = pictures
        self._open: list[Doubt] = []

    def add(self, doubts: Iterable[Doubt]) -> None:
        """Note pictures that failed alone. Raises: as `judge`, which comes when there are many."""
        self._open += doubts
        if len(self._open) >= DOUBTS:
            self.judge()

    def judge(self) -> None:
        """Decide whether pictures that failed alone are at fault, or the model.

        Raises: ModelError if it is the model: no failure of these pictures is remembered.
        """
        doubts, self._open = self._open, []
        while doubts and self._model.prove(failed_on(doubt.reason for doubt in doubts)):
            # One device less, and it may be the one on which they failed.
            doubts = [again for doubt in doubts if (again := self._once_more(doubt)) is not None]
        for doubt in doubts:
            self._pictures.fail(doubt.key, PictureFailure("model", doubt.reason))

    def _once_more(self, doubt: Doubt) -> Doubt | None:
        """Try a picture on the devices that are left. Returns: the doubt, if there is one still."""
        if doubt.input is None:
            return doubt
        attempts = self._model.attempts()
        tried = try_all([doubt.input], begin(attempts.again, [doubt.input]), attempts)
        if tried.reasons:
            return doubt._replace(reason=tried.reasons[0])
        self._kept.keep([doubt.key], tried.unit)
        return None
