"""Groups of identical pictures, or of look-alikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_files, named_path
from vstore.repository.files import UNKNOWN, Files
from vstore.repository.repository import Repository
from vstore.search.decided import Verdict
from vstore.search.group_files import FileOf, GroupFile, GroupFiles
from vstore.search.keep_best import Best, KeepBest

# The tiers, the closest one first: the same bytes; the same pixels, as the space prepares them; alike.
BYTES, PIXELS, ALIKE = "bytes", "pixels", "near"
TIERS = (BYTES, PIXELS, ALIKE)


@briefly
class Picture(NamedTuple):
    """One of several look-alikes.

    key:   the hash of its bytes.
    score: its cosine with the representative of its group, which is the first picture; 1 of that one itself.
    paths: its stored paths.
    tier:  the likeness to what stands before it: `pixels`, those of the picture before it; else `near`; `bytes` of the
           first.
    burst: it was taken within seconds of another one of them, by the same camera in the same size.
    part:  the part of the group, from 0: the pictures of a part are copies of one another. A group has one part, with a
           burst one for each moment at which a picture was taken.
    """

    key: bytes
    score: float
    paths: tuple[bytes, ...]
    tier: str = BYTES
    burst: bool = False
    part: int = 0

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        return {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "tier": self.tier,
            "burst": self.burst,
            "part": self.part,
            "paths": [named_path(path) for path in self.paths],
            **named_files([where.file_of(path) for path in self.paths]),
        }


@briefly
class Group(NamedTuple):
    """Paths with one content, or with look-alikes.

    key:      the hash of the first picture's bytes, which is the representative of look-alikes.
    size:     bytes of the first existing file, or None.
    paths:    the stored paths.
    troubles: the trouble with a file, by its stored path: gone, unreadable, or (verified) not the same bytes.
    wasted:   bytes of all existing files but the largest of each part, each counted once.
    pictures: the pictures, in a group of look-alikes: the representative, then the most alike first, but those of one
              part together, and those with the same pixels.
    tier:     the least tier of them: all paths have the same `bytes`, the same `pixels`, or are `near`.
    least:    the least score of two of the pictures; in a loose group, or where it is 0.9995 or more, the least one
              with the representative. None of a group of one picture.
    copies:   files besides one of each part.
    verdict:  what was decided about it.
    best:     of each part the file that is the best of several.
    files:    the files that are there, by their stored paths.
    """

    key: bytes
    size: int | None
    paths: tuple[bytes, ...]
    troubles: Mapping[bytes, str]
    wasted: int
    pictures: tuple[Picture, ...] = ()
    tier: str = BYTES
    least: float | None = None
    copies: int = 0
    verdict: Verdict = Verdict()
    best: tuple[Best, ...] = ()
    files: Mapping[bytes, GroupFile] = {}  # never changed

    @property
    def burst(self) -> bool:
        """Tell whether pictures of it were taken within seconds of one another."""
        return any(picture.burst for picture in self.pictures)

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files."""
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "size": self.size,
            "wasted": self.wasted,
            "copies": self.copies,
            "tier": self.tier,
            "verdict": self.verdict.to_json(),
            "best": [one.to_json(where) for one in self.best],
            "paths": [self._named(path) for path in self.paths],
            **named_files([where.file_of(path) for path in self.paths]),
        }
        if self.pictures:
            value["least"] = None if self.least is None else round(self.least, 6)
            value["burst"] = self.burst
            value["pictures"] = [picture.to_json(where) for picture in self.pictures]
        return value

    def _named(self, path: bytes) -> dict[str, Json]:
        value = named_path(path)
        if path in self.files:
            value |= self.files[path].to_json()
        if path in self.troubles:
            value["trouble"] = self.troubles[path]
        return value


def group_of_pictures(
    repo: Repository,
    pictures: Sequence[Picture],
    file_of: FileOf,
    *,
    least: float | None,
    verdict: Verdict,
    keep_best: KeepBest,
) -> Group:
    """Make the group of look-alikes.

    pictures:  in the order that `Group` says.
    file_of:   finds the files.
    keep_best: finds the best file of each part.
    least, verdict: as in `Group`.
    """
    paths = tuple(path for picture in pictures for path in picture.paths)
    files = GroupFiles(repo, paths, file_of)
    parts: dict[int, list[tuple[bytes, bytes]]] = {}
    for picture in pictures:
        parts.setdefault(picture.part, []).extend((path, picture.key) for path in picture.paths)
    best = (keep_best.of(part, some, files.found, verdict) for part, some in parts.items())
    return Group(
        key=pictures[0].key,
        size=files.size,
        paths=paths,
        troubles=files.troubles,
        wasted=sum(files.wasted(path for path, _ in some) for some in parts.values()),
        pictures=tuple(pictures),
        tier=max((picture.tier for picture in pictures), key=TIERS.index),
        least=least,
        copies=len(paths) - len(parts),
        verdict=verdict,
        best=tuple(one for one in best if one is not None),
        files=files.files,
    )


def group_of_one(
    repo: Repository,
    key: bytes,
    paths: Sequence[bytes],
    file_of: FileOf,
    *,
    verify: bool,
    verdict: Verdict,
    keep_best: KeepBest,
) -> Group:
    """Make the group of one content.

    file_of:   finds the files.
    verify:    compare them byte for byte.
    verdict:   as in `Group`.
    keep_best: finds the best file.
    """
    files = GroupFiles(repo, paths, file_of)
    if verify:
        files.verify(key)
    best = keep_best.of(0, [(path, key) for path in paths], files.found, verdict)
    return Group(
        key=key,
        size=files.size,
        paths=tuple(paths),
        troubles=files.troubles,
        wasted=files.wasted(paths),
        copies=len(paths) - 1,
        verdict=verdict,
        best=() if best is None else (best,),
        files=files.files,
    )
