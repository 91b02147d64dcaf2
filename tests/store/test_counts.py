from __future__ import annotations

import pytest

from vstore.counts import counted, some


@pytest.mark.parametrize(("amount", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12345, "12,345 rows")])
def test_a_count_has_the_number_of_its_noun(amount: int, words: str) -> None:
    assert counted(amount, "row") == words


@pytest.mark.parametrize(
    ("names", "words"), [([], ""), (["a"], "a"), (list("abc"), "a, b, c"), (list("abcdefg"), "a, b, c and 4 more")]
)
def test_a_list_of_names_is_cut_after_three(names: list[str], words: str) -> None:
    assert some(names) == words
