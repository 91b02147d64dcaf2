"""Look-alikes: the groups that a snapshot's pictures make by their vectors, with their tiers and bursts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vstore.format.facts import Column, Value, pixels
from vstore.repository.facts import facts_of
from vstore.repository.repository import Repository
from vstore.search.bursts import COLUMNS, Shot, of_bursts, shot_of
from vstore.search.decided import Decided, Undecided
from vstore.search.group_files import FileOf
from vstore.search.groups import ALIKE, BYTES, PIXELS, Group, Picture, group_of_pictures
from vstore.search.keep_best import KeepBest
from vstore.search.linkage import linked, stars
from vstore.search.pairs import Pairs, scores_of

_ONE = 1_000_000  # millionths, in which scores are

Paths = Mapping[bytes, Sequence[bytes]]


def look_alikes(
    repo: Repository,
    space: str,
    paths: Paths,
    pairs: Pairs,
    *,
    loose: bool,
    bursts: bool,
    undecided: Undecided,
    keep_best: KeepBest,
    file_of: FileOf,
) -> list[Group]:
    """Group pictures that look alike. Identical ones do, of course.

    paths:  the stored paths of each picture, by its key.
    pairs:  those of them that look alike.
    loose:  let each of them reach it with the representative.
    bursts: count pictures of a burst as copies, too.
    undecided: chooses those that are shown.
    keep_best: finds the best file of each.
    Raises: Damage, FileNotFoundError.
    """
    decided = undecided.decided
    alike = _alike(repo, space, pairs, decided, loose=loose)
    scores = _scores(repo, space, alike, bursts=bursts)
    keep_best.learn(key for one in alike for keys in one.equal for key in keys)
    groups = []
    for one in alike:
        verdict = undecided.about({key: paths[key] for keys in one.equal for key in keys})
        if verdict is None:
            continue
        pictures = [*_in_order(one, scores, paths, bursts=bursts)]
        lowest = min(picture.score for picture in pictures)
        if one.least is not None:
            lowest = min(lowest, one.least / _ONE)
        groups.append(group_of_pictures(repo, pictures, file_of, least=lowest, verdict=verdict, keep_best=keep_best))
    grouped = {key for one in alike for keys in one.equal for key in keys}
    identical = (key for key, same in paths.items() if len(same) > 1 and key not in grouped)
    return groups + [
        group for key in identical for group in alone(repo, key, paths[key], undecided, keep_best, file_of)
    ]


def alone(
    repo: Repository, key: bytes, paths: Sequence[bytes], undecided: Undecided, keep_best: KeepBest, file_of: FileOf
) -> Iterator[Group]:
    """Make the group of one picture that several files hold, among groups of look-alikes, if it is shown."""
    verdict = undecided.about({key: paths})
    if verdict is not None:
        yield group_of_pictures(
            repo, [Picture(key, 1.0, tuple(paths))], file_of, least=None, verdict=verdict, keep_best=keep_best
        )


class _Alike(NamedTuple):
    """Pictures that look alike, in no order.

    first: the representative.
    least: the least score of two of them, in millionths, as far as it is known.
    equal: the pictures, those with the same pixels together.
    shots: by their numbers in `equal`, what a camera took within seconds of another one.
    """

    first: bytes
    least: int | None
    equal: list[list[bytes]]
    shots: Mapping[int, Shot]


def _alike(repo: Repository, space: str, pairs: Pairs, decided: Decided, *, loose: bool) -> list[_Alike]:
    """Group pictures, and find what facts tell of each group. Raises: Damage, FileNotFoundError."""
    keys = pairs.keys
    if loose:
        different = [number for number, key in enumerate(keys) if key in decided.different]
        found = stars(pairs, lambda one, other: decided.are_apart(keys[one], keys[other]), different)
    else:
        found = linked(pairs)
    prepare = repo.recipe(space).get("prepare") if repo.state.spaces[space].recipe else None
    digest = None if prepare is None else pixels(prepare)
    wanted = [keys[number] for one in found for number in one.members]
    facts = facts_of(repo, wanted, {*COLUMNS, *([] if digest is None else [digest])}) if repo.state.facts else {}
    values = {key: fact.values for key, fact in facts.items()}
    alike = []
    for one in found:
        equal, shots = _by_facts([keys[number] for number in one.members], values, digest)
        alike.append(_Alike(keys[one.representative], one.least, equal, shots))
    return alike


def _by_facts(
    keys: Iterable[bytes], values: Mapping[bytes, Mapping[Column, Value]], digest: Column | None
) -> tuple[list[list[bytes]], dict[int, Shot]]:
    """Put pictures with the same pixels together, and find the shots of bursts, as in `_Alike`.

    values: the facts of the pictures.
    digest: the column of their pixels.
    """
    by_pixels: dict[Value, list[bytes]] = {}
    for key in keys:
        same = None if digest is None else values.get(key, {}).get(digest)
        by_pixels.setdefault(key if same is None else same, []).append(key)
    equal = [*by_pixels.values()]
    shots = {}
    for number, same_ones in enumerate(equal):
        known = [shot for key in same_ones if (shot := shot_of(values.get(key, {}))) is not None]
        if known:
            shots[number] = min(known)  # the same pixels are one shot, whatever dates were written into them
    return equal, of_bursts(shots)


def _scores(repo: Repository, space: str, alike: Iterable[_Alike], *, bursts: bool) -> dict[tuple[bytes, bytes], int]:
    """Score the pairs that put groups in order, in millionths. Raises: Damage, FileNotFoundError."""
    pairs: list[tuple[bytes, bytes]] = []
    for one in alike:
        pairs += ((one.first, key) for keys in one.equal for key in keys)
        if not bursts:
            others = (keys[0] for number, keys in enumerate(one.equal) if number not in one.shots)
            pairs += ((one.equal[frame][0], other) for other in others for frame in one.shots)
    return dict(zip(pairs, scores_of(repo, space, pairs), strict=True))


def _in_order(
    one: _Alike, scores: Mapping[tuple[bytes, bytes], int], paths: Paths, *, bursts: bool
) -> Iterator[Picture]:
    """Yield the pictures of a group: the representative, then the most alike; those of one part together."""

    def rank(key: bytes) -> tuple[bool, int, tuple[bytes, ...], bytes]:
        return key != one.first, -scores[one.first, key], tuple(paths[key]), key

    parts = [
        sorted((sorted(map(rank, one.equal[number])), number in one.shots) for number in part)
        for part in ([[*range(len(one.equal))]] if bursts else _parts(one, scores))
    ]
    for number, part in enumerate(sorted(parts)):
        for ranks, is_of_burst in part:
            for at, (is_other, _, same, key) in enumerate(ranks):
                tier = PIXELS if at else ALIKE if is_other else BYTES
                score = scores[one.first, key] / _ONE if is_other else 1.0
                yield Picture(key, score, same, tier, is_of_burst, number)


def _parts(one: _Alike, scores: Mapping[tuple[bytes, bytes], int]) -> list[list[int]]:
    """Part a group, as numbers of `equal`: one part for each shot of a burst, with what is most like it."""
    if not one.shots:
        return [[*range(len(one.equal))]]
    parts: dict[Shot, list[int]] = {}
    for number, keys in enumerate(one.equal):
        shot = one.shots.get(number)
        if shot is None:
            frame = max(one.shots, key=lambda frame: scores[one.equal[frame][0], keys[0]])  # the first of equals
            shot = one.shots[frame]
        parts.setdefault(shot, []).append(number)
    return [*parts.values()]
