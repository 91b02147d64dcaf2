from __future__ import annotations

from typing import Any

import pytest

from vstore.format.facts import CAMERA, HEIGHT, ORIENTATION, TAKEN, WIDTH
from vstore.search.bursts import Shot, of_bursts, shot_of

SECOND = 1_000_000
NOON = 1_700_000_000 * SECOND


def shot(seconds: float, **changed: Any) -> Shot:
    return Shot("Canon EOS R5", (6000, 4000), NOON + round(seconds * SECOND))._replace(**changed)


def found(*shots: Shot) -> list[int]:
    """The numbers of the shots that are of bursts."""
    return [*of_bursts(dict(enumerate(shots)))]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((0, 1), [0, 1]),
        ((0, 10), [0, 1]),
        ((3, 0), [0, 1]),
        ((0.25, 0.5), [0, 1]),
        ((0, 60, 62), [1, 2]),
        ((0, 8, 16, 24), [0, 1, 2, 3]),
        ((0, 0, 1), [0, 1, 2]),
        ((0, 11), []),
        ((0, 3600), []),
        ((0, 20, 40), []),
        ((0, 0), []),  # one moment makes one picture: these are copies of it
        ((0.5, 0.5), []),
        ((0,), []),
        ((), []),
    ],
    ids=str,
)
def test_pictures_that_were_taken_within_seconds_are_of_a_burst(
    seconds: tuple[float, ...], expected: list[int]
) -> None:
    assert found(*map(shot, seconds)) == expected


@pytest.mark.parametrize("changed", [{"camera": "NIKON Z 9"}, {"size": (4000, 6000)}], ids=str)
def test_another_camera_or_size_takes_none(changed: dict[str, Any]) -> None:
    assert found(shot(0), shot(1, **changed)) == []
    assert found(shot(0), shot(1, **changed), shot(2, **changed)) == [1, 2]


def test_a_shot_needs_a_camera_a_size_and_a_time() -> None:
    facts: dict[Any, Any] = {CAMERA: "A", WIDTH: 30, HEIGHT: 20, TAKEN: 5}
    assert shot_of(facts) == Shot("A", (30, 20), 5)
    assert shot_of({**facts, ORIENTATION: 6}) == Shot("A", (20, 30), 5)
    for missing in facts:
        assert shot_of({column: value for column, value in facts.items() if column != missing}) is None
