"""Where a space's model is, and how it is run here: no part of the space's identity. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from typing import Unpack

from vstore.errors import UsageError

_DEVICE = re.compile(r"[a-z]+(:(0|[1-9][0-9]*))?")


class ModelWords(TypedDict, total=False):
    """The options that describe a model, as keyword arguments: `def sync(folder, **model: Unpack[ModelWords])`.

    model:             a folder or a hub id.
    adapter:           a folder or a hub id.
    revision:          commit of the hub model.
    compute:           "fp32" or "bf16".
    max_side:          pixels to which pictures are fitted.
    prompt:            text given to the model with each picture.
    pooling:           one of the family's poolings.
    trust_remote_code: run the code that lies in the model's folder.
    """

    model: str | None
    adapter: str | None
    revision: str | None
    compute: str | None
    max_side: int | None
    prompt: str | None
    pooling: str | None
    trust_remote_code: bool | None


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
    def of(cls, **model: Unpack[ModelWords]) -> Words:
        """Take the options as a caller gave them."""
        return cls(**model)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Words:
        return cls(**{name: value[name] for name in cls._fields if name in value})

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}


class Settings(NamedTuple):
    """How a model is run this time. device: what `--device` takes. batch_size: None finds one itself.

    compile: let torch translate the model for this machine first, which takes up to a minute.
    """

    device: str = "auto"
    batch_size: int | None = None
    compile: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that were named. Raises: UsageError."""
        return device_words(self.device)


def device_words(text: str) -> tuple[str, ...]:
    """The devices that `cuda:0,cuda:1` names; whether they are there is another question. Raises: UsageError."""
    words = tuple(word.strip() for word in text.split(","))
    if all(_DEVICE.fullmatch(word) for word in words) and ("auto" not in words or len(words) == 1):
        return words
    raise UsageError(
        f"{text!r} names no devices", "write auto, cpu, cuda, cuda:1 or mps, or several of them as cuda:0,cuda:1"
    )
