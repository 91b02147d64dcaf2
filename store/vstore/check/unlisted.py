"""Counts unused files: they are no damage, as a killed run may leave them."""

from __future__ import annotations

from collections import Counter

from vstore.check.findings import Findings
from vstore.disk import durable, inside
from vstore.disk.journal import Journal, journals
from vstore.errors import Damage
from vstore.format.layout import Layout
from vstore.format.state import State


def check_unlisted(layout: Layout, state: State, listed: set[str], findings: Findings) -> None:
    """Note unfinished files, unused files and journals. listed: the names of packs and segments in use."""
    counts = _files(layout, listed) + _journals(layout, state, findings)
    findings.notes += [what.format(amount) for what, amount in sorted(counts.items()) if amount]


def _files(layout: Layout, listed: set[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for folder in (layout.refs, layout.packs, layout.segments, layout.journal):
        for name in sorted(inside.names_if_any(folder)):
            if name.startswith(durable.TEMPORARY):
                counts[f"unfinished files in {folder.name}/: {{}}"] += 1
            elif folder in (layout.packs, layout.segments) and name not in listed:
                counts[f"unused files in {folder.name}/: {{}} (gc deletes them)"] += 1
    return counts


def _journals(layout: Layout, state: State, findings: Findings) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in journals(layout.journal):
        try:
            journal = Journal(path)
            frames = sum(1 for _ in journal.frames())
        except (ValueError, FileNotFoundError):  # it has no head, or a sync has sealed it meanwhile
            continue
        except Damage as err:
            findings.wrong(f"journal/{path.name}", err.message)
            continue
        if journal.space in state.spaces:
            counts["vectors in journals: {} (the next sync stores them)"] += frames
        else:
            counts["vectors in journals of unknown spaces: {} (gc deletes them)"] += frames
    return counts
