"""SigLIP 2 NaFlex: pictures keep their aspect, in a limited number of patches."""

from __future__ import annotations

from vstore.embed.hf.families.siglip import Siglip
from vstore.embed.hf.source.model_folder import ModelFolder


class Naflex(Siglip):
    """SigLIP 2 at a variable size."""

    name = "siglip-naflex"
    title = "SigLIP 2 NaFlex"
    model_types = frozenset({"siglip2"})

    @classmethod
    def is_second(cls, folder: ModelFolder) -> bool:
        return True
