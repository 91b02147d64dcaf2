"""Checks the installation, and suggests fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.doctor import installed
from vstore.doctor.installation import core, faiss, models, page, pictures, tables, watching
from vstore.doctor.machine import devices, hub_cache, python
from vstore.doctor.report import TROUBLE, DoctorReport, Finding

if TYPE_CHECKING:
    from vstore.disk.owner import User
    from vstore.embed.consent import Consent


def doctor(
    folder: Path | None = None,
    consent: Consent | None = None,
    user: User | None = None,
    found: Callable[[Finding], None] | None = None,
) -> DoctorReport:
    """Check Python, the packages, the devices and the cache; also the models of a store, if one is named.

    found: is given each finding as soon as it is known.
    """
    findings = []
    for finding in _findings(folder, consent, user):
        findings.append(finding)
        if found is not None:
            found(finding)
    return DoctorReport(all(finding.state != TROUBLE for finding in findings), tuple(findings))


def _findings(folder: Path | None, consent: Consent | None, user: User | None) -> Iterator[Finding]:
    yield python()
    yield from core()
    yield faiss()
    torch = installed.ask("torch") if installed.is_there("torch") else None
    yield from models(torch)
    yield from devices(torch)
    yield pictures()
    yield watching()
    yield page()
    yield tables()
    yield from hub_cache()
    if folder is not None:
        from vstore.doctor.spaces import store

        yield from store(folder, consent, user)
