"""Checks the installation, and suggests fixes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vstore.doctor import installed
from vstore.doctor.installation import core, faiss, models, pictures, watching
from vstore.doctor.machine import devices, hub_cache, python
from vstore.doctor.report import TROUBLE, DoctorReport

if TYPE_CHECKING:
    from vstore.disk.owner import User
    from vstore.embed.consent import Consent


def doctor(folder: Path | None = None, consent: Consent | None = None, user: User | None = None) -> DoctorReport:
    """Check Python, the packages, the devices and the cache; also the models of a store, if one is named."""
    findings = [python(), *core(), faiss()]
    torch = installed.ask("torch") if installed.is_there("torch") else None
    findings += [*models(torch), *devices(torch), pictures(), watching(), *hub_cache()]
    if folder is not None:
        from vstore.doctor.spaces import store

        findings += store(folder, consent, user)
    return DoctorReport(all(finding.state != TROUBLE for finding in findings), tuple(findings))
