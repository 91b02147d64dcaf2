"""Near-duplicate pairs found the plain way: whole numbers of Python, every pair of pictures, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any

FOLDED = 999_500

Decided = Callable[[bytes, bytes], bool]


def plain_score(one: Any, other: Any) -> int:
    """Score two stored rows, in millionths."""
    left, right = ([round(float(number) * 2**24) for number in row] for row in (one, other))
    squares = float(sum(n * n for n in left)) * float(sum(n * n for n in right))
    cosine = float(sum(a * b for a, b in zip(left, right, strict=True))) / math.sqrt(squares)
    return max(-1_000_000, min(1_000_000, round(cosine * 1_000_000)))


def plain_nodes(
    rows: Mapping[bytes, Any], apart: Decided = lambda one, other: False, least: int = FOLDED
) -> list[list[bytes]]:
    """Fold pictures into nodes: the keys of each, in the order of their first ones. least: the score of each pair."""
    nodes: list[list[bytes]] = []
    for key in sorted(rows):
        for node in nodes:
            if all(plain_score(rows[key], rows[one]) >= least and not apart(key, one) for one in node):
                node.append(key)
                break
        else:
            nodes.append([key])
    return nodes


def plain_pairs(
    rows: Mapping[bytes, Any],
    least: int,
    apart: Decided = lambda one, other: False,
    score: Callable[[Any, Any], int] = plain_score,
) -> tuple[list[list[bytes]], dict[tuple[bytes, bytes], int]]:
    """Find the nodes, and the score of each pair of nodes that reaches `least`, by their first members."""
    nodes = plain_nodes(rows, apart, max(FOLDED, least))
    pairs = {}
    for one, other in combinations(nodes, 2):
        across = list(product(one, other))
        lowest = min(score(rows[a], rows[b]) for a, b in across)
        if lowest >= least and not any(apart(a, b) for a, b in across):
            pairs[one[0], other[0]] = lowest
    return nodes, pairs
