"""Bursts: pictures that one camera took one after the other. They are no copies of one another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, TypeVar

from vstore.format.facts import CAMERA, HEIGHT, ORIENTATION, TAKEN, WIDTH, Column, Value, shown_size

COLUMNS = (CAMERA, WIDTH, HEIGHT, ORIENTATION, TAKEN)  # the facts that tell a burst

_APART = 10_000_000  # microseconds between two pictures: slow cameras, and whoever presses the button again at once

T = TypeVar("T")


class Shot(NamedTuple):
    """A moment at which a camera took a picture. All that programs saved of that are copies.

    camera, size: of the picture, as it is shown.
    taken:        when, in microseconds.
    """

    camera: str
    size: tuple[int, int]
    taken: int


def shot_of(facts: Mapping[Column, Value]) -> Shot | None:
    """Make the shot of a picture with these facts; None if they do not tell when, by what and in which size."""
    size = shown_size(facts)
    camera, taken = facts.get(CAMERA), facts.get(TAKEN)
    if not size or not isinstance(camera, str) or not isinstance(taken, int):
        return None
    return Shot(camera, (int(size[WIDTH]), int(size[HEIGHT])), taken)


def of_bursts(shots: Mapping[T, Shot]) -> dict[T, Shot]:
    """Choose the pictures for which another one has another shot of the same camera and size, within seconds."""
    found = set()
    for one, other in pairwise(sorted(set(shots.values()))):
        if one[:2] == other[:2] and other.taken - one.taken <= _APART:
            found |= {one, other}
    return {picture: shot for picture, shot in shots.items() if shot in found}
