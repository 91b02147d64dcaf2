"""Turned and mirrored pictures in the built-in space: what a turn does to a picture does it to its row.

The row of a turned picture is a signed permutation of the row of the picture (FORMAT.md, section 8). Its numbers are
cosine waves over the picture and stand for directions of edges: a mirror changes the sign of every second wave and
swaps directions, a transposition swaps down and across. So one row is compared with all eight turns of another one,
and no second descriptor is stored.

Each turn is a transposition or none, then one of four mirrorings. Sums and differences of directions that mirrors
swap have a parity under both mirrors; so has each wave. The cosines of the numbers of each of the four parities, added
with the right signs, are those with the four mirrored rows: one matrix product in four parts gives all four, and
another one with the transposed rows the other four.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vstore.embed.builtin import COLOUR_WAVES, EDGE_WAVES, LIGHT_WAVES, is_builtin, waves_kept
from vstore.format.recipes import Recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Doubles = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Numbers = TypeVar("Numbers", Floats, Doubles)

# By number: bit 0 mirrors left-right, bit 1 top-bottom, bit 2 transposes before that (Pillow's names).
TURNS = (
    "as it is",
    "mirrored",
    "mirrored top-bottom",
    "turned by 180 degrees",
    "transposed",
    "turned by 90 degrees clockwise",
    "turned by 90 degrees counter-clockwise",
    "transversed",
)
_LEFT_RIGHT, _TOP_BOTTOM, _TRANSPOSED = 1, 2, 4
_LINES = 128  # compared at once
_DIRECTIONS = 8  # of edges, 45 degrees apart, from across to down


class Parted(NamedTuple):
    """Rows ready to be compared in all turns.

    upright:    float32 (n, 333), sums and differences of their numbers, one parity after the other.
    transposed: the same of the rows of the transposed pictures.
    """

    upright: Floats
    transposed: Floats


def has_turns(recipe: Recipe) -> bool:
    """Tell whether a turn of a picture does to its row in a space what is said above."""
    return is_builtin(recipe)


def turned(rows: Numbers, turn: int) -> Numbers:
    """Give the rows of turned pictures. Exact: numbers move, and change sign.

    rows: (n, 333). turn: a number of TURNS.
    """
    places, signs = _moves()
    moved: Numbers = rows[:, places[turn]] * signs[turn].astype(rows.dtype)
    return moved


def parted(rows: Floats) -> Parted:
    """Make rows ready. rows: float32 (n, 333), norm 1."""
    return Parted(_by_parity(rows), _by_parity(turned(rows, _TRANSPOSED)))


def best_of_turns(some: Parted, others: Parted) -> Floats:
    """Compare each of some pictures with each of others in all turns. Takes about two products of whole rows.

    Returns: float32 (m, n), the best cosine of each pair; off by roundings of float32, as any product of blocks.
    """
    import numpy as np

    ends = _parities()[1]
    parts = list(zip((0, *ends), ends, strict=False))
    best = np.empty((len(some.upright), len(others.upright)), np.float32)
    # A few lines at a time, in memory that is kept: outside the cache of a core, sums take most of the time.
    kept = np.empty((5, min(_LINES, len(best)), best.shape[1]), np.float32)
    for at in range(0, len(best), _LINES):
        lines = some.upright[at : at + _LINES]
        even, down, across, both, low = kept[:, : len(lines)]
        line_best = best[at : at + _LINES]
        for rows in others:
            for product, (begin, end) in zip((even, down, across, both), parts, strict=True):
                np.matmul(lines[:, begin:end], rows[:, begin:end].T, out=product)
            # The best of even ± down ± across ± both, with two minus signs or none:
            # of even + down ± (across + both) and of even - down ± (across - both).
            np.subtract(even, down, out=low)
            np.add(even, down, out=even)
            np.subtract(across, both, out=down)
            np.add(across, both, out=across)
            np.add(even, np.abs(across, out=across), out=even)
            np.add(low, np.abs(down, out=down), out=low)
            if rows is others.upright:
                np.maximum(even, low, out=line_best)
            else:
                np.maximum(line_best, even, out=line_best)
                np.maximum(line_best, low, out=line_best)
    return best


def _by_parity(rows: Floats) -> Floats:
    """Give sums and differences of numbers that mirrors swap, an orthogonal change, one parity after the other."""
    import numpy as np

    order, _ = _parities()
    waves = len(waves_kept(EDGE_WAVES))
    edges = rows[:, : _DIRECTIONS * waves].reshape(-1, _DIRECTIONS, waves)
    mixed = np.matmul(_mixing().astype(rows.dtype), edges).reshape(len(rows), -1)
    found: Floats = np.concatenate([mixed, rows[:, _DIRECTIONS * waves :]], axis=1)[:, order]
    return found


@cache
def _mixing() -> Doubles:
    """Compute the sums and differences of directions, each with a parity under both mirrors: orthogonal, (8, 8)."""
    import numpy as np

    half = np.sqrt(0.5)
    mixing = np.zeros((_DIRECTIONS, _DIRECTIONS))
    mixing[0, [0, 4]], mixing[1, [0, 4]] = half, (half, -half)
    mixing[2, [2, 6]], mixing[3, [2, 6]] = half, (half, -half)
    # Of the four oblique ones, 1 and 3 are mirrored left-right, 1 and 7 top-bottom.
    mixing[4:, [1, 3, 7, 5]] = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    mixing.setflags(write=False)
    return mixing


# Of the lines of _mixing: whether a mirror left-right, and one top-bottom, changes the sign.
_ODD = ((0, 0), (1, 0), (0, 0), (0, 1), (0, 0), (1, 0), (0, 1), (1, 1))


@cache
def _parities() -> tuple[Ints, tuple[int, ...]]:
    """Sort the numbers of a mixed row by parity: even, odd top-bottom, odd left-right, odd under both.

    Returns: their order, int64 (333,), and where each parity ends.
    """
    import numpy as np

    found = []
    for (odd_across, odd_down), waves in [(odd, EDGE_WAVES) for odd in _ODD]:
        found += [2 * ((odd_across + v) & 1) + ((odd_down + u) & 1) for u, v in waves_kept(waves)]
    for u, v in _other_waves():
        found.append(2 * (v & 1) + (u & 1))
    parities = np.array(found)
    return np.argsort(parities, kind="stable"), tuple(np.cumsum(np.bincount(parities, minlength=4)).tolist())


def _other_waves() -> list[tuple[int, int]]:
    """List the waves (down, across) of the numbers behind the edges: light, two colours, brightness, constant."""
    flat = (0, 0)
    return [*waves_kept(LIGHT_WAVES)[1:], *waves_kept(COLOUR_WAVES), *waves_kept(COLOUR_WAVES), flat, flat]


@cache
def _moves() -> tuple[Ints, Ints]:
    """Find where each number of a turned row comes from, and its sign: two arrays of int64, (8, 333)."""
    import numpy as np

    # Each number: its block, its direction if it is of the edges, its wave down and across.
    numbers = [(0, k, u, v) for k in range(_DIRECTIONS) for u, v in waves_kept(EDGE_WAVES)]
    block_ends = np.cumsum([len(waves_kept(LIGHT_WAVES)) - 1, *2 * [len(waves_kept(COLOUR_WAVES))], 1, 1]).tolist()
    for at, (u, v) in enumerate(_other_waves()):
        block = 1 + sum(at >= end for end in block_ends)
        numbers.append((block, 0, u, v))
    place_of = {number: place for place, number in enumerate(numbers)}
    places, signs = np.empty((len(TURNS), len(numbers)), np.int64), np.empty((len(TURNS), len(numbers)), np.int64)
    for turn in range(len(TURNS)):
        for place, (block, k, u, v) in enumerate(numbers):
            sign = (-1) ** (v * bool(turn & _LEFT_RIGHT) + u * bool(turn & _TOP_BOTTOM))
            # From the turned picture back: its mirrors are undone first, and change a direction across or down.
            k = (4 - k) % _DIRECTIONS if turn & _LEFT_RIGHT and not block else k
            k = -k % _DIRECTIONS if turn & _TOP_BOTTOM and not block else k
            if turn & _TRANSPOSED:
                k, u, v = (2 - k) % _DIRECTIONS if not block else k, v, u
            places[turn, place], signs[turn, place] = place_of[block, k, u, v], sign
    for array in (places, signs):
        array.setflags(write=False)
    return places, signs
