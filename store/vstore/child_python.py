"""Another Python process: for work that a fork would break, or that may kill its process."""

from __future__ import annotations

import os
import sys


def command(code: str) -> list[str]:
    """Build the command line of a Python that runs some code and finds modules exactly where this one does.

    multiprocessing would run the caller's main script again. `-P` and the path keep out the folder in which the process
    starts: it may hold a stranger's files.
    """
    path = [os.path.abspath(place) for place in sys.path]
    return [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {path!r}; {code}"]
