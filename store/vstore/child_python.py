"""Another Python: started anew where a fork would break what runs here, or where what it does may take it down."""

from __future__ import annotations

import os
import sys


def command(code: str) -> list[str]:
    """What starts a Python that finds modules where this one does, and nowhere else, and runs some code.

    Not by multiprocessing, which would run the caller's main script again; nor with what lies in the folder it is
    started in before it, which may be a folder of strangers' files.
    """
    path = [os.path.abspath(place) for place in sys.path]
    return [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {path!r}; {code}"]
