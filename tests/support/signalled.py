"""Commands in processes of their own that wait at a chosen place, so that a signal comes while they are there."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from support.lines import COMMAND, Ran, environment

# A shell that runs the tests in the background has them ignore Ctrl-C.
HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"

# A sync in a process of its own whose embedder waits after its first batch until the file "go" is there, so that
# however slow the machine is, the signal comes while there is something to do.
SLOW = """
import os, sys, time
from vstore.embed.builtin import BuiltinEmbedder
plain = BuiltinEmbedder.embed_images
calls = 0
def embed_images(self, pictures):
    global calls
    calls += len(pictures) == 16  # the probes of a model are fewer
    if calls == 2:
        open("reached", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
    return plain(self, pictures)
BuiltinEmbedder.embed_images = embed_images
from vstore_cli.main import main
main()
"""


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 180
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


class Running:
    """A sync that has embedded one batch and waits in the second. Whatever happens, it does not outlive its block.

    script:  another way to wait.
    streams: takes its output, instead of pipes.
    """

    def __init__(self, home: Path, *words: str, script: str = SLOW, streams: int = subprocess.PIPE) -> None:
        self._home = home
        self._process = subprocess.Popen(
            [COMMAND[0], "-c", HEEDING + script, *words],
            cwd=home,
            env=environment(),
            stdout=streams,
            stderr=streams,
        )
        self.pid = self._process.pid
        self._err = b""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Running:
        if self._process.stderr is not None:
            self._reader.start()
        wait_for(lambda: (self._home / "reached").exists() or self._process.poll() is not None)
        assert self._process.poll() is None, self._err
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        if self._process.stderr is not None:
            self._reader.join()
        self._process.__exit__(None, None, None)  # closes its pipes, and waits for it

    def _read(self) -> None:
        assert self._process.stderr is not None
        while part := os.read(self._process.stderr.fileno(), 4096):
            self._err += part

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def says(self, text: str) -> None:
        wait_for(lambda: text.encode() in self._err)

    def go_on(self) -> Ran:
        """Let it finish the batch, and wait for its end."""
        (self._home / "go").touch()
        return self.end()

    def wait(self) -> int:
        return self._process.wait(60)

    def end(self) -> Ran:
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        code = self._process.wait(60)
        self._reader.join()
        return Ran(code, out.decode(), self._err.decode())


def waiting_in(place: str, how: str = "while not os.path.exists('go'): time.sleep(0.01)") -> str:
    """Write a script that is `vstore`, and waits when it first comes to a function.

    place: module:name or module:class.name.
    how:   it waits; by default in Python, until the file "go" is there.
    """
    module, _, name = place.partition(":")
    owner, _, last = name.rpartition(".")
    return f"""
import importlib, os, sys, time
owner = importlib.import_module({module!r})
owner = getattr(owner, {owner!r}) if {owner!r} else owner
plain = owner.{last}
def waiting(*words, **more):
    if not os.path.exists("reached"):
        open("reached", "w").close()
        {how}
    return plain(*words, **more)
setattr(owner, {last!r}, waiting)
from vstore_cli.main import main
main()
"""


# A call of C that nothing ends but the end of the process, and that lets other threads run.
IN_C = "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 1 << 30)"


def typed(command: str, home: Path) -> Ran:
    """Type a command that starts with `vstore` in a shell."""
    body = f'vstore() {{ "$PYTHON" -c "{COMMAND[2]}" "$@"; }}\n{command}'
    done = subprocess.run(
        ["bash", "-c", body], cwd=home, env=environment(PYTHON=COMMAND[0]), capture_output=True, text=True
    )
    return Ran(done.returncode, done.stdout, done.stderr)
