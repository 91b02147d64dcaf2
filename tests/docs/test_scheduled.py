"""The jobs of the how-to page on schedules: they are what cron, systemd and vstore understand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from docs_tools.console import TOP, blocks
from support.folders import put
from support.lines import COMMAND, environment, found

from vstore_cli.main import HELP, vstore

VSTORE, FOLDER = "/home/ada/vstore/bin/vstore", "/srv/photos"
FILES = {
    block.directives["file"]: "\n".join(block.lines) + "\n"
    for block in blocks((TOP / "docs/howto/scheduled.md").read_text())
    if "file" in block.directives
}
UNITS = sorted(name for name in FILES if name != "crontab")


def test_the_page_has_its_units() -> None:
    assert UNITS == ["vstore-sync.service", "vstore-sync.timer", "vstore-watch.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    for name in UNITS:
        (tmp_path / name).write_text(FILES[name].replace(VSTORE, sys.executable).replace(FOLDER, str(tmp_path)))
    said = subprocess.run(["systemd-analyze", "verify", tmp_path / unit], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.endswith(".service")])
def test_vstore_understands_the_commands_of_the_units(unit: str) -> None:
    (line,) = [line for line in FILES[unit].splitlines() if line.startswith("ExecStart=")]
    command, name, *words = shlex.split(line.removeprefix("ExecStart="))
    assert command == VSTORE
    # click keeps a command's help option as the first context asks for it.
    found((name,)).make_context(name, words, parent=click.Context(vstore, help_option_names=HELP))


def test_the_lines_of_the_crontab_run_as_they_are_written(tmp_path: Path) -> None:
    put(tmp_path, {"pictures/a.png": 1, "pictures/broken.png": b"no picture"})
    subprocess.run([*COMMAND, "sync", "pictures", "-q"], cwd=tmp_path, env=environment(), capture_output=True)
    put(tmp_path, {"pictures/worse.png": b"nothing either"})  # exit code 3, which the line takes for done
    lines = [line for line in FILES["crontab"].splitlines() if line and not line.startswith("#")]
    assert len(lines) == 2
    for line in lines:
        minute, hour, day, month, weekday, command = line.split(None, 5)
        assert all(field == "*" or field.isdigit() for field in (minute, hour, day, month, weekday))
        command = command.replace(VSTORE, shlex.join(COMMAND)).replace(FOLDER, shlex.quote(str(tmp_path)))
        ran = subprocess.run(["/bin/sh", "-c", command], env=environment(), capture_output=True, text=True)
        assert ran.returncode == 0, ran
