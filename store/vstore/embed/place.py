"""Where a space's model is, and how it is run here: no part of the space's identity. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Words(NamedTuple):
    """What a user says of a model. None takes what the model's own files say, or the family's usual choice.

    model, adapter: a folder or a hub id. revision: of the hub model. compute: fp32 or bf16.
    adapter_revision: the commit of a hub adapter, noted when the space is made.
    """

    model: str | None = None
    adapter: str | None = None
    revision: str | None = None
    compute: str | None = None
    max_side: int | None = None
    prompt: str | None = None
    pooling: str | None = None
    trust_remote_code: bool | None = None
    adapter_revision: str | None = None

    def over(self, older: Words) -> Words:
        """These words, and for what they leave open those of another space."""
        if self.adapter is not None:
            older = older._replace(adapter_revision=None)
        return Words.from_json({**older.to_json(), **self.to_json()})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Words:
        return cls(**{name: value[name] for name in cls._fields if name in value})

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}


class Settings(NamedTuple):
    """How a model is run this time. device: auto, cpu, cuda, cuda:1, mps. batch_size: None finds one itself.

    compile: let torch translate the model for this machine first, which takes up to a minute.
    """

    device: str = "auto"
    batch_size: int | None = None
    compile: bool = False
