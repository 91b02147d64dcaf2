"""A process without a descriptor left: the error names the limit. It is no damage, no lost disk, no lost picture."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from support.folders import World

from vstore.check.findings import Findings
from vstore.disk.file import File
from vstore.disk.trouble import lost, trouble
from vstore.errors import SystemLimit
from vstore.limits import refuse_limit
from vstore.pictures.folder import Trouble

LIMITS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]


def exhausted(number: int = errno.EMFILE) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", LIMITS)
def test_an_error_of_a_limit_is_no_error_of_what_was_being_done(tmp_path: Path, number: int) -> None:
    with pytest.raises(SystemLimit) as caught:
        refuse_limit(exhausted(number), "read it")
    assert caught.value.exit_code == 1 and caught.value.code == "system_limit"
    assert os.strerror(number) in caught.value.message and caught.value.next_step
    for context in (trouble, lost):
        with pytest.raises(SystemLimit), context(tmp_path):
            raise exhausted(number)
    with pytest.raises(SystemLimit):
        Trouble.of(b"a", exhausted(number), is_folder=True)


def test_other_errors_are_left_alone() -> None:
    refuse_limit(OSError(errno.EIO, "x"), "read it")
    assert Trouble.of(b"a", OSError(errno.EIO, "x"), is_folder=True).kind == "io"


def test_a_check_reports_no_damage_for_it() -> None:
    findings = Findings()

    def work() -> None:
        raise exhausted()

    with pytest.raises(SystemLimit):
        findings.attempt("packs/x", work)
    assert not findings.problems


@pytest.mark.parametrize("what", ["folders", "pictures"])
def test_a_sync_that_can_open_no_more_files_says_so_and_changes_nothing(
    settled: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    settled.put({"a.jpg": 1, "below/b.jpg": 2, "c.jpg": 3})
    settled.sync()
    settled.put({"c.jpg": 4, "d.jpg": 5})
    before = settled.store.snapshot_list()
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        is_folder = bool(flags & os.O_DIRECTORY) and os.fsencode(path) in (b"below", os.fsencode(settled.pictures))
        if is_folder if what == "folders" else os.fsencode(path).endswith(b"c.jpg"):
            raise exhausted()
        return real(path, flags, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refusing)
        with pytest.raises(SystemLimit) as caught:
            settled.sync()
    assert "mass-delete" not in str(caught.value) and "mount" not in str(caught.value)
    assert settled.store.snapshot_list() == before
    report = settled.sync()
    assert (report.unchanged, report.changed, report.new) == (2, 1, 1)


def test_no_file_of_the_store_is_damaged_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any, **__: Any) -> int:
        raise exhausted()

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(SystemLimit):
        File(tmp_path / "x")
