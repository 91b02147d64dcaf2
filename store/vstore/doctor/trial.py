"""A trial of models: what `vstore init --model --adapter` does, with a tiny random model."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vstore.embed.hf.tiny import save_tiny
from vstore.embed.model_words import Settings, Words
from vstore.repository.model_space import make


def try_adapter() -> dict[str, Any]:
    """Make a space of a tiny model with an adapter. Raises: all that `make` and the libraries raise."""
    with TemporaryDirectory(prefix="vstore-") as top:
        model, adapter = save_tiny(Path(top))
        made = make(Words(model=str(model), adapter=str(adapter)), Settings("cpu"), lambda text: None)
    return {"dim": made.recipe["dim"], **made.probes.environment}
