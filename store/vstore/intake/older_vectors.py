"""The headers of pictures that come into a snapshot with a vector from before: one of a killed run has no facts."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from vstore.format.facts import NEWEST_READER
from vstore.intake.reader import WORKERS
from vstore.intake.survey import KNOWN, Item, Survey
from vstore.progress import Stages
from vstore.repository.facts import facts_of
from vstore.repository.headers import Header, header_of
from vstore.repository.repository import Repository


def headers_of_older(
    repo: Repository, survey: Survey, keys: Collection[bytes], stages: Stages, stop: threading.Event
) -> Iterator[tuple[bytes, Header]]:
    """Read the headers of pictures without facts; ends early when asked to stop: `facts --fill` reads the rest.

    keys:   of pictures that have a vector.
    Raises: Damage, FileNotFoundError.
    """
    known = facts_of(repo, keys, ())
    lacking = {key for key in keys if key not in known or known[key].reader < NEWEST_READER}
    files = list(_files(survey, lacking)) if lacking else []
    if not files:
        return
    stages.begin("reading", len(files), unit="pictures")
    with ThreadPoolExecutor(WORKERS, "vstore-read") as pool:
        for begin in range(0, len(files), 4 * WORKERS):
            if stop.is_set():
                return
            some = files[begin : begin + 4 * WORKERS]
            for (key, _), header in zip(some, pool.map(partial(_header, repo), some), strict=True):
                stages.advance(1)
                if header is not None:
                    yield key, header


def _files(survey: Survey, keys: set[bytes]) -> Iterator[tuple[bytes, Item]]:
    """Yield each key with the first file of the survey that has it."""
    rest = set(keys)
    for chunk in survey.chunks:
        there = {key: number for number in range(len(chunk)) if (key := chunk.key(number)) in rest}
        numbers = {number: key for key, number in there.items() if key is not None}
        for number, path, file in chunk.files() if numbers else ():
            if number in numbers:
                rest.discard(numbers[number])
                yield numbers[number], Item(chunk, number, path, file)


def _header(repo: Repository, found: tuple[bytes, Item]) -> Header | None:
    key, item = found

    def proves(now: os.stat_result) -> bool:
        is_settled = item.chunk.state(item.number) == KNOWN
        return is_settled and tuple(item.file)[1:] == (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)

    return header_of(repo, key, os.path.join(item.chunk.place, item.file.name), proves)
