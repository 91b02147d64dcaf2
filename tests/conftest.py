"""How hypothesis runs here: without a deadline, as the disk and the other core decide how long an example takes.

Sockets of served models lie in a folder of the tests, with a short path.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="vstore-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)
