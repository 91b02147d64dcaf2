"""Probe texts: the same on every machine. Their vectors prove the text side of a space's model.

One text sees a tokenizer that was changed as a whole, and little else. Each of the others sees one part of it. All but
the long one are shorter than the shortest text side, so that none of their letters is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vstore.format.recipes import Recipe

TEXT = "text"  # the only one of spaces that an earlier vstore made
_LONG = "text-long"
_LONGEST = 512  # tokens: longer text sides are those of language models, to which a text of this length is a picture
_COLOURS = ("red", "green", "blue", "black", "white", "brown", "yellow")
_THINGS = ("car", "tree", "house", "dog", "boat", "bridge", "cloud", "horse", "road", "river", "table")

# Those that are there must stay, as stores hold their vectors.
TEXTS = {
    TEXT: "a photo of a red car",
    "text-letters": "The QUICK brown Fox jUMPS over the LAZY dog",
    "text-digits": "0123456789 3.14 1,000 2026-11-30 7/8 50% -6",
    "text-accents": "naïve Ångström Straße cafe\u0301 \ufb01n \uff21\uff22 ½",  # composed, and not; compatible letters
    "text-scripts": "Ωμέγα Привет 日本語 한국어 שלום 😀",
    "text-signs": "a  b\tc &amp; \"d\" <e> 'f' #g @h — (i) [j]\u2026",
    _LONG: " ".join(f"{_COLOURS[n % 7]} {_THINGS[n % 11]}" for n in range(300)),
}


def probe_texts(recipe: Recipe) -> list[str]:
    """List the texts that prove the text side of a recipe: the long one only where it is cut off."""
    side = recipe.get("text")
    length = side.get("max_length") if isinstance(side, Mapping) else None  # a plug-in writes what it likes
    is_cut = not isinstance(length, int) or length <= _LONGEST
    return [name for name in TEXTS if name != _LONG or is_cut]
