"""Fills in facts of pictures: reads the headers and decodes the pixels of those that lack them, and needs no model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple, TypedDict

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.facts.reading import PictureReader, Read
from vstore.facts.report import FactsReport, Undecoded
from vstore.facts.show import WHAT, show
from vstore.format.facts import CUT_HEIGHT, CUT_LINES, NEWEST_READER, NO_READER, Fact
from vstore.format.recipes import Recipe
from vstore.format.tree import paths_by_key
from vstore.progress import Stages
from vstore.repository.acquaintance import require_known
from vstore.repository.facts import added
from vstore.repository.pixel_facts import lacking
from vstore.repository.read_facts import unread
from vstore.repository.repository import Repository
from vstore.stop import finishing

BATCH = 4096  # pictures of a record
SECONDS = 60.0  # of work that a kill costs at most


class FillWords(TypedDict, total=False):
    """Options of filling facts in.

    max_pixels:       with pixels: larger pictures are not decoded; None means 179 million.
    isolate_decoding: with pixels: decode in worker processes with limits of time and memory: for pictures of strangers.
    wait:             wait for another process that is changing the store.
    """

    max_pixels: int | None
    isolate_decoding: bool
    wait: bool


class FillOptions(NamedTuple):
    """The words of `FillWords`, with their defaults."""

    max_pixels: int | None = None
    isolate_decoding: bool = False
    wait: bool = False


class _Done(NamedTuple):
    """The results for the pictures that lack facts."""

    read: int = 0
    filled: int = 0
    unread: int = 0
    failed: tuple[Undecoded, ...] = ()


def fill_in(
    repo: Repository, options: FillOptions, stages: Stages, stop: threading.Event, *, pixels: bool
) -> FactsReport:
    """Read the facts that pictures of the current snapshot lack, and publish them as they come.

    pixels: compute the digests of their prepared pixels, too.
    stop:   if it is set, the run ends with what it has; the next one goes on from there.
    Raises: MigrationNeeded, Locked, Untrusted, Damage, DiskTrouble, ReadOnly; ModelError if the recipe of the space is
            lost; UsageError if pixels are asked for and it does not say how pictures are prepared.
    """
    began = time.perf_counter()
    repo.require_format_2(WHAT)
    with repo.lock("ingest") as lock:
        lock.acquire(None if options.wait else 0.0, "facts", stop.is_set, stages.note)
        stages.share(lock.tell)
        repo.reload()
        repo.refuse_unsound()
        repo.sweep()
        require_known(repo)
        done = _fill(repo, options, stages, stop, pixels=pixels)
        return show(repo)._replace(
            **done._asdict(), seconds=round(time.perf_counter() - began, 3), interrupted=stop.is_set()
        )


def _fill(repo: Repository, options: FillOptions, stages: Stages, stop: threading.Event, *, pixels: bool) -> _Done:
    snapshot = repo.state.current_snapshot
    if snapshot is None:
        return _Done()
    recipe = repo.recipe(snapshot.space)
    if pixels and recipe.get("prepare") is None:
        name = repo.state.spaces[snapshot.space].name
        raise UsageError(
            f"the recipe of the space {name!r} does not say how pictures are prepared: no digest can be named by it",
            "leave out --pixels: vstore facts --fill reads what the headers of its pictures say",
        )
    paths = paths_by_key(repo.tree(snapshot))
    headers = unread(repo, paths)
    undigested = lacking(repo, recipe, paths) if pixels else set()
    wanted = headers | undigested
    done = _Done()
    with ExitStack() as stack:
        isolated = None
        if options.isolate_decoding:
            from vstore.pictures.isolation import IsolatedDecoder

            isolated = stack.enter_context(IsolatedDecoder())
        reader = PictureReader(
            repo,
            recipe,
            headers=headers,
            pixels=undigested,
            max_pixels=options.max_pixels,
            isolated=isolated,
            stages=stages,
        )
        stack.callback(reader.close)
        stages.begin("reading", len(wanted), unit="pictures")
        stack.enter_context(finishing(stop, "these pictures"))
        reads = stack.enter_context(closing(reader.reads({key: paths[key] for key in wanted}, stop)))
        for some in _batches(reads, stages):
            done = _taken(done, some)
            _publish(repo, recipe, some)
    return done._replace(failed=tuple(sorted(done.failed)))


def _batches(reads: Iterator[Read], stages: Stages) -> Iterator[list[Read]]:
    """Gather readings until they are many, or old."""
    some: list[Read] = []
    since = time.monotonic()
    for read in reads:
        stages.advance(1, read.size, failed=read.failure is not None)
        some.append(read)
        if len(some) >= BATCH or time.monotonic() - since >= SECONDS:
            yield some
            some, since = [], time.monotonic()
    yield some


def _taken(done: _Done, some: Sequence[Read]) -> _Done:
    headers = sum(read.about is not None for read in some)
    digests = sum(read.look is not None for read in some)
    failed = [Undecoded(read.path, read.failure.kind, read.failure.reason) for read in some if read.failure is not None]
    unread = sum(read.about is None and read.look is None and read.failure is None for read in some)
    return _Done(done.read + headers, done.filled + digests, done.unread + unread, (*done.failed, *failed))


def _publish(repo: Repository, recipe: Recipe, some: Sequence[Read]) -> None:
    """Add what was read to the facts of the store, in one record."""
    facts = [_fact(read, recipe) for read in some if read.about is not None or read.look is not None]
    if facts:
        with repo.committing("facts"):
            changes, blobs = added(repo, facts)
            repo.publish("seal", changes, blobs=blobs, about=f"facts of {counted(len(facts), 'picture')}")


def _fact(read: Read, recipe: Recipe) -> Fact:
    """Make the fact of a picture that was read; a cut one is marked."""
    fact = Fact(read.key, NEWEST_READER, read.about) if read.about is not None else Fact(read.key, NO_READER, {})
    values = dict(fact.values)
    if read.look is not None:
        values |= read.look.fact(read.key, recipe["prepare"]).values
    if read.cut is not None:
        values |= dict(zip((CUT_LINES, CUT_HEIGHT), read.cut, strict=True))
    return fact._replace(values=values)
