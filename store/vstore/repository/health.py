"""The health of a model that failed on pictures: its probes tell whether it, or its device, is at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vstore.embed.embedder import Embedder
from vstore.embed.faults import DOCTOR, said
from vstore.embed.probe_texts import TEXT
from vstore.embed.probes import PROBES, Probes, Proofs, drift
from vstore.errors import ModelError, VstoreError
from vstore.format.entries import Space
from vstore.repository.proof import embed_probes, environment_of, kept_probes
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


def require_sound(
    embedder: Embedder, kept: Probes | None, *, model: str, met: str, probes: Sequence[str] = PROBES
) -> None:
    """Make sure that a model gives its probes the vectors that it must, after it failed on pictures or texts.

    kept:   the first vectors of its probes; without them any vector will do.
    model:  names it, for the message.
    met:    what it did to the pictures, for the message.
    probes: those to embed.
    Raises: ModelError that names the device: the pictures are not at fault.
    """
    where = f" on {device}" if (device := getattr(embedder, "device", None)) else ""
    for probe in probes:
        if kept is not None and probe not in kept.vectors:
            continue
        try:
            vector = embed_probes(embedder, [probe])[probe]
        except VstoreError:
            raise
        except Exception as err:
            raise _sick(f"{model}{where}", met, f"it fails on its probe {probe!r} too ({said(err)})") from err
        wrong = _wrong(probe, vector, kept, embedder)
        if wrong:
            raise _sick(f"{model}{where}", met, wrong)


def prover(repo: Repository, space: Space, embedder: Embedder) -> Callable[[str], bool]:
    """Make the function that proves an embedder on one device: it returns False, as there is no other, or raises."""

    def prove(met: str) -> bool:
        require_sound(embedder, kept_probes(repo, space), model=model_of(space), met=met)
        return False

    return prove


def require_sound_texts(repo: Repository, space: Space, embedder: Embedder, met: str) -> None:
    """Make sure of the same for texts. met: what the model did to one. Raises: ModelError."""
    require_sound(embedder, kept_probes(repo, space), model=model_of(space), met=met, probes=(TEXT, *PROBES))


def model_of(space: Space) -> str:
    """Name the model of a space, for messages."""
    return f"the model of the space {space.name!r}"


def _wrong(probe: str, vector: Floats, kept: Probes | None, embedder: Embedder) -> str:
    """Say what is wrong with the vector of a probe; nothing if it is as it must be."""
    if not drift(vector, vector) < 1:
        return f"it gives no usable vector for its probe {probe!r} either"
    if kept is None:
        return ""
    worst = kept.worst(Proofs({probe: vector}, environment_of(embedder)))
    return f"its probe {probe!r} is off by {worst.found:.2g} now" if worst.is_too_much else ""


def _sick(model: str, met: str, also: str) -> ModelError:
    return ModelError(
        f"{model} does not work: {met}, and {also}. So no picture is at fault: none is remembered as failed, and every "
        "finished vector is kept",
        f"run the command again, with another --device if this one is at fault; {DOCTOR}",
    )
