"""The cleaning of texts as OpenCLIP does it before they are tokenised; ftfy repairs broken encodings."""

from __future__ import annotations

import html
import string

from vstore.packages import FTFY

CLEANINGS = ("lower", "whitespace", "canonicalize")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def require_cleaning() -> None:
    """Prove that texts can be cleaned here. Raises: ModelError if ftfy is missing."""
    FTFY.load()


def cleaned(text: str, how: str) -> str:
    """Clean a text.

    how:    `whitespace`, `lower` (in lower case, too) or `canonicalize` (and without punctuation).
    Raises: ModelError if ftfy is missing.
    """
    text = html.unescape(html.unescape(FTFY.load().fix_text(text)))
    if how == "canonicalize":
        text = text.strip().replace("_", " ").translate(_PUNCTUATION)
    text = " ".join(text.split())
    return text if how == "whitespace" else text.lower()
