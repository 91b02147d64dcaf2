"""Faults of a model: files are said to be damaged only where a file was being read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vstore.embed.faults import faults_of, reason
from vstore.embed.probes import Probes, Proofs
from vstore.errors import ModelError, UsageError
from vstore.repository.health import require_sound
from vstore.repository.proof import embed_probes
from vstore.testing import FakeEmbedder


@pytest.mark.parametrize(
    "read",
    [
        lambda: json.loads("{ oops"),
        lambda: b"\xff\xfe".decode(),
        lambda: Path("missing.json").read_bytes(),
    ],
    ids=["no JSON", "no UTF-8", "no file"],
)
def test_a_file_that_cannot_be_read_may_be_damaged(read: Callable[[], Any]) -> None:
    with pytest.raises(ModelError) as caught, faults_of("clip"):
        read()
    assert caught.value.message.startswith("the model clip cannot be used: ")
    assert "may be damaged" in caught.value.next_step and "vstore doctor" in caught.value.next_step


@pytest.mark.parametrize("error", [ImportError("it needs peft >= 99"), TypeError("no such word"), KeyError("dim")])
def test_libraries_that_do_not_fit_damage_no_file(error: Exception) -> None:
    with pytest.raises(ModelError) as caught, faults_of("clip"):
        raise error
    assert caught.value.__cause__ is error
    assert reason(error) in caught.value.message
    assert "damaged" not in caught.value.next_step and "vstore doctor" in caught.value.next_step


@pytest.mark.parametrize("error", [UsageError("a slip"), MemoryError(), KeyboardInterrupt()])
def test_other_errors_are_no_faults_of_a_model(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, faults_of("clip"):
        raise error
    assert caught.value is error


def test_a_reason_is_one_line() -> None:
    assert reason(ValueError("a\n  b\tc")) == "a b c"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 1000))) == 300


def test_a_model_whose_probes_drifted_is_at_fault_and_no_picture() -> None:
    """It gave its probes usable vectors when its pictures failed: other ones than when the space was made."""
    fake, other = FakeEmbedder(), FakeEmbedder("fake-2")
    kept = Probes(Proofs(embed_probes(fake, ["tiny"]), {}))
    require_sound(fake, kept, model="the model", met="it gave no vector")
    with pytest.raises(ModelError, match=r"the model does not work: it gave no vector, and its probe 'tiny' is off by"):
        require_sound(other, kept, model="the model", met="it gave no vector")
    require_sound(other, None, model="the model", met="it gave no vector")
