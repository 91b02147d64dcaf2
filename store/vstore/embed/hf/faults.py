"""Errors of other people's code, told apart: a file that cannot be read, or libraries that do not fit together."""

from __future__ import annotations

import json

DOCTOR = "see what is installed and fits together with: vstore doctor"


def reason(err: BaseException) -> str:
    """Put what an error says on one line. Returns: 300 characters at most, never none."""
    return " ".join(str(err).split())[:300] or type(err).__name__


def is_about_a_file(err: BaseException) -> bool:
    """Tell whether an error is about a file that was being read: only then may the file be at fault."""
    if type(err).__name__ == "SafetensorError":  # by its name: what a plug-in raises may come without safetensors
        return True
    return isinstance(err, (OSError, UnicodeDecodeError, json.JSONDecodeError))
