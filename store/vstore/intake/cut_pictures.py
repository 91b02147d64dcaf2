"""The pictures of one run whose files are cut: from how many lines on they are taken, and their marks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.intake.survey import Survey
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.pictures.failures import PictureFailure
    from vstore.repository.cut_picture import Truncated

_KINDS = frozenset({"truncated", "not_an_image"})  # of failures that fewer lines may end


class CutPictures:
    """The cut pictures of one run.

    A picture is taken if any of its folders takes it: it has one vector, whatever its paths are.
    """

    def __init__(self, repo: Repository, least: Mapping[str, int], command: str) -> None:
        """least: label -> percent of the lines that must be there; 0 for folders that take no cut picture."""
        self._repo = repo
        self._command = command
        self._least = {label.encode("utf-8", "surrogateescape"): share for label, share in least.items() if share}
        self._lenient: dict[bytes, int] = {}  # of pictures that are tried again
        self._tried: dict[bytes, int] = {}  # of pictures that failed
        self._unmarked: set[bytes] = set()
        self.taken: dict[bytes, Truncated] = {}

    @property
    def word(self) -> str:
        """The part of a decoder's fingerprint: failures are tried again where folders take other pictures."""
        if not self._least:
            return ""
        from vstore.format.hashing import checksum

        return " cut " + checksum(*(b"%s/%d" % one for one in sorted(self._least.items()))).hex()

    def least(self, path: bytes, key: bytes) -> int:
        """Return the percent of lines that a picture must have; 0 if it must be whole. Called in any thread."""
        return self._lenient.get(key) or self._least.get(path.partition(b"/")[0], 0)

    def failed(self, path: bytes, key: bytes, failure: PictureFailure) -> None:
        """Take note that a picture did not decode."""
        if self._least and failure.kind in _KINDS:
            self._tried[key] = self.least(path, key)

    def to_try_again(self, survey: Survey) -> Collection[bytes]:
        """Find the pictures that failed and lie in another folder, too, which takes fewer lines."""
        found: set[bytes] = set()
        for chunk in survey.chunks if self._tried else ():
            share = self._least.get(chunk.folder.partition(b"/")[0], 0)
            for number in range(len(chunk)) if share else ():
                key = chunk.key(number)
                if key is not None and key in self._tried and (not self._tried[key] or share < self._tried[key]):
                    self._lenient[key] = self._tried[key] = share
                    found.add(key)
        return found

    def learn(self, path: bytes, key: bytes, cut: tuple[int, int]) -> None:
        """Take note of a cut picture. cut: its lines that are there, and all."""
        from vstore.repository.cut_picture import Truncated  # few pictures are cut

        self.taken[key] = Truncated(path, *cut)
        self._unmarked.add(key)

    def mark(self) -> None:
        """Publish the marks of cut pictures, before anything keeps their vectors: none must be found without."""
        if not self._unmarked:
            return
        from vstore.format.facts import CUT_HEIGHT, CUT_LINES, NO_READER, Fact
        from vstore.repository.facts import added

        cut = {key: self.taken[key] for key in self._unmarked}
        facts = [Fact(key, NO_READER, {CUT_LINES: one.lines, CUT_HEIGHT: one.of}) for key, one in cut.items()]
        with self._repo.committing(self._command):
            changes, blobs = added(self._repo, facts)
            self._repo.publish("seal", changes, blobs=blobs, about=counted(len(facts), "cut picture"))
        self._unmarked.clear()
