"""How hypothesis runs here: without a deadline, as the disk and the other core decide how long an example takes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")
