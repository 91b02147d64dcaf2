"""Adapters that cannot fail silently: every weight lands in its module, and the adapter changes vectors.

An adapter is trained on a full class (Qwen2VLForConditionalGeneration, CLIPVisionModel, …), and vstore runs the bare
one. So its own keys say where its weights belong: `files` and `keys` read them, `naming` finds their modules in the
bare model, `patterns` evaluates its configuration on the names that it was trained with, `placing` puts it in, `layers`
merges it.
"""

from vstore.embed.hf.adapters.effect import Effect, effect_of
from vstore.embed.hf.adapters.kinds import describe, refuse_other_kinds, version
from vstore.embed.hf.adapters.placing import apply

__all__ = ["Effect", "apply", "describe", "effect_of", "refuse_other_kinds", "version"]
