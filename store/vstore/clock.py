"""Times as the store writes them: ISO 8601, UTC."""

from __future__ import annotations

import time


def now() -> str:
    """The present moment, to the second: `2026-11-23T20:02:39Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
