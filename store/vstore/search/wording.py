"""The kinds of words that people type for a picture, told by their form. Pure."""

from __future__ import annotations

import re

from vstore.errors import UsageError
from vstore.quoting import quoted

# Compiled when a picture is not there at once: few searches ask.
_PICTURE = r".*[^/\s.]\.(jpe?g|jpe|jfif|png|apng|webp|gif|tiff?|bmp|hei[cf]|hif|avif|jxl|jp2)"
_VIDEO = r".*\.(mp4|m4v|mov|avi|mkv|webm|wmv|flv|mpe?g|mts|m2ts|3gp|ogv)"


def refuse_pattern(word: str) -> None:
    """Refuse a pattern for pictures that a shell left as it is, as no file matched. Raises: UsageError."""
    if re.search(r"[*?]|\[.+\]", word) and names_picture(word) and " " not in word:
        glob = quoted(word.rpartition("/")[2])
        raise UsageError(f"no file matches {word}", f"name a picture file, or look for some with: vstore find {glob}")


def names_picture(word: str) -> bool:
    """Tell whether a word ends as the name of a picture does."""
    return re.fullmatch(_PICTURE, word, re.IGNORECASE) is not None


def refuse_video(word: str) -> None:
    """Refuse a video by its name. Raises: UsageError."""
    if re.fullmatch(_VIDEO, word, re.IGNORECASE | re.DOTALL):
        raise UsageError(
            f"{word} is a video, and vstore searches with pictures",
            f"take a picture out of it first: ffmpeg -i {quoted(word)} -frames:v 1 frame.png",
        )
