"""How hypothesis runs here: without a deadline, as the disk and the other core decide how long an example takes.

And the home of the tests: what a user allows is kept in a configuration that is nobody's.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

_HOME = tempfile.mkdtemp(prefix="vstore-home-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.setdefault("HF_HOME", os.path.expanduser("~/.cache/huggingface"))
os.environ["HOME"] = _HOME
os.environ.pop("XDG_CONFIG_HOME", None)
