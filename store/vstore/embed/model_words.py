"""The words that name a space's model, and the settings of a run: no part of the space's identity. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted

if TYPE_CHECKING:
    from typing import Unpack

    from vstore.embed.consent import Consent
    from vstore.embed.typed_words import ModelWords

BUILTIN = "builtin"  # the word of --model for the embedder that needs no model
OF_FILES = ("model", "adapter", "revision", "adapter_revision", "compute", "trust_remote_code")
_UNKNOWN = "MODEL"  # stands in a command for the model of a space that was made without one
_KINDS = ("auto", "cpu", "cuda", "mps")  # of devices
_DEVICE = r"auto|(cpu|cuda|mps)(:(0|[1-9][0-9]*))?"  # compiled where it is asked: few commands name a device
_GPU = "mps" if sys.platform == "darwin" else "cuda"


class Words(NamedTuple):
    """The words of `ModelWords` as a space keeps them: its revisions are commits, noted when the space is made."""

    model: str | None = None
    adapter: str | None = None
    revision: str | None = None
    adapter_revision: str | None = None
    compute: str | None = None
    max_side: int | None = None
    prepare: int | None = None
    colour: str | None = None
    decode: str | None = None
    prompt: str | None = None
    query_prompt: str | None = None
    preset: str | None = None
    pooling: str | None = None
    trust_remote_code: bool | None = None

    def over(self, older: Words) -> Words:
        """Fill the words that are left open with those of an older space."""
        if self.adapter is not None:
            older = older._replace(adapter_revision=None)
        if self.prompt is not None:
            older = older._replace(preset=None)
        if self.preset is not None:
            older = older._replace(prompt=None, query_prompt=None)
        return Words.from_json({**older.to_json(), **self.to_json()})

    @classmethod
    def of(cls, **model: Unpack[ModelWords]) -> Words:
        """Take the options as a caller gave them. Raises: UsageError if one is empty."""
        _refuse_empty(model)
        return cls(**model)

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Words:
        """Take the words of a model out of the options of a caller, which keep the others.

        Raises: UsageError if one is empty.
        """
        _refuse_empty(options)
        return cls(**{name: options.pop(name) for name in cls._fields if name in options})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Words:
        """Read the words of a space, from the log."""
        return cls(**{name: value[name] for name in cls._fields if name in value})

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}

    def command(self, name: str) -> str:
        """Write the whole command that adds a space of these words: it takes nothing from the current space.

        name: of the space.
        """
        return self._command(name)

    def proof_command(self, space: str) -> str:
        """Write the whole command that proves the model of these words to be that of a space."""
        return self.of_files._command("--same-as", space)

    @property
    def of_files(self) -> Words:
        """The words that say where a model lies and how it is computed: all others are part of a space's recipe."""
        return Words(**{word: getattr(self, word) for word in OF_FILES})

    def _command(self, *of: str) -> str:
        words = self if self.model is not None or self.adapter is not None else self._replace(model=_UNKNOWN)
        parts = ["vstore", "model", "add", *of]
        for option in self._fields:
            value = getattr(words, option)
            if value is not None and value is not False:
                parts.append("--" + option.replace("_", "-"))
                if value is not True:
                    parts.append(str(value))
        return " ".join(map(quoted, parts))


def _refuse_empty(options: Mapping[str, Any]) -> None:
    """Refuse an empty word of a model: it would mean another model. A prompt may be empty. Raises: UsageError."""
    for name in Words._fields:
        if options.get(name) == "" and name not in ("prompt", "query_prompt"):
            raise UsageError(f"{name} is empty", "give it a value, or leave it out")


class Settings(NamedTuple):
    """The settings of one run of a model.

    device:     the value of `--device`.
    batch_size: most pictures of a batch; None chooses by the device.
    compile:    let torch compile the model for this machine first, which takes up to a minute.
    offline:    download nothing.
    consent:    the user's consents to models that a store names; None: to none.
    """

    device: str = "auto"
    batch_size: int | None = None
    compile: bool = False
    offline: bool = False
    consent: Consent | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        """The named devices. Raises: UsageError."""
        return device_words(self.device)


def settings_of(
    device: str = "auto", batch_size: int | None = None, compile: bool = False, *, offline: bool = False
) -> Settings:
    """Read the settings of a caller before anything is done. Raises: UsageError for a malformed device."""
    device_words(device)
    return Settings(device, batch_size, compile, offline)


def device_words(text: str) -> tuple[str, ...]:
    """Split words such as `cuda:0,cuda:1`; the devices need not exist. Raises: UsageError."""
    if not isinstance(text, str):
        raise UsageError(f"{text!r:.100} does not name devices", "give a text: auto, cpu, cuda, cuda:1 or mps")
    words = tuple(word.strip() for word in text.split(","))
    if _are_devices(words):
        return words
    near = [_near_device(word) or "" for word in words]
    raise UsageError(
        f"{text!r} does not name devices",
        "write auto, cpu, cuda, cuda:1 or mps, or several as cuda:0,cuda:1",
        instead=(text, ",".join(near)) if _are_devices(near) else None,
    )


def _are_devices(words: Sequence[str]) -> bool:
    return all(re.fullmatch(_DEVICE, word) for word in words) and ("auto" not in words or len(words) == 1)


def _near_device(word: str) -> str | None:
    """Find the device that a mistyped one most likely means: `cuda:1` for `gpu1`."""
    from vstore.closeness import nearest  # few devices are mistyped

    if re.fullmatch(_DEVICE, word):
        return word
    found = re.match(r"([a-z]+)\W?([0-9]{0,3})", word.lower())
    kind = None if found is None else _GPU if found[1] in ("gpu", "nvidia") else nearest(found[1], _KINDS)
    return f"cuda:{int(found[2])}" if found is not None and kind == "cuda" and found[2] else kind
