"""What is written to standard output and error while nobody may be held up by it."""

from __future__ import annotations

import subprocess
import sys

from support.lines import environment

_SAYS = """
import os, sys
from vstore_cli.terminal.outlets import outlets
with outlets():
    print("a traceback", file=sys.stderr)
    os._exit(0)
"""


def test_a_line_on_standard_error_is_there_at_once() -> None:
    ran = subprocess.run([sys.executable, "-c", _SAYS], env=environment(), capture_output=True, text=True)
    assert ran.stderr == "a traceback\n"
