"""The health of a model that failed on pictures: its probes tell whether it, or its device, is at fault."""

from __future__ import annotations

from vstore.embed.embedder import Embedder
from vstore.embed.faults import DOCTOR, said
from vstore.embed.probes import PROBES, Probes, drift, tolerance
from vstore.errors import ModelError, VstoreError
from vstore.repository.proof import embed_probes, environment_of


def require_sound(embedder: Embedder, kept: Probes | None, *, name: str, met: str) -> None:
    """Make sure that a model gives its picture probes the vectors that it must, after it failed on pictures.

    kept:   the first vectors of its probes; without them any vector will do.
    name:   of its space, for the message.
    met:    what the model did to the pictures, for the message.
    Raises: ModelError that names the device: the pictures are not at fault.
    """
    names = [probe for probe in PROBES if kept is None or probe in kept.vectors]
    where = f" on {device}" if (device := getattr(embedder, "device", None)) else ""
    for probe in names:
        try:
            vector = embed_probes(embedder, [probe])[probe]
        except VstoreError:
            raise
        except Exception as err:
            raise _sick(name, where, met, f"it fails on its probe {probe!r} too ({said(err)})") from err
        if not drift(vector, vector) < 1:
            raise _sick(name, where, met, f"it gives no usable vector for its probe {probe!r} either")
        if kept is not None:
            found = drift(kept.vectors[probe], vector)
            if not found <= tolerance(kept.environment, environment_of(embedder)):
                raise _sick(name, where, met, f"its probe {probe!r} is off by {found:.2g} now")


def _sick(name: str, where: str, met: str, also: str) -> ModelError:
    return ModelError(
        f"the model of the space {name!r}{where} does not work: {met}, and {also}. So the pictures are not at fault: "
        "none is remembered as failed, and finished vectors are safe",
        f"run the command again, with another --device if this one is at fault; {DOCTOR}",
    )
