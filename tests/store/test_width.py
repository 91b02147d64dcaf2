"""The width of a model's vectors."""

from __future__ import annotations

import pytest

from vstore.embed.width import require_width
from vstore.errors import ModelError, UsageError


def test_the_same_width_is_accepted() -> None:
    require_width(24, 24)


def test_another_width_names_both() -> None:
    with pytest.raises(ModelError, match="gives vectors of 16 numbers, its space has vectors of 24 numbers") as caught:
        require_width(16, 24)
    assert caught.value.next_step == "use the model that the space was made with"


def test_an_index_is_named_in_place_of_a_space() -> None:
    with pytest.raises(UsageError, match=r"index\.faiss has vectors of 24 numbers") as caught:
        require_width(16, 24, "index.faiss", step="name another", error=UsageError)
    assert caught.value.next_step == "name another"
