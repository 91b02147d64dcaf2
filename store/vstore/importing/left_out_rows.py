"""Notes on rows of pictures that lie in folders which a scan leaves out by default. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vstore.counts import counted
from vstore.importing.listing import Entry
from vstore.importing.matching import MISSING, Answer
from vstore.intake.survey import Survey
from vstore.pictures.left_out import WORDS, taking_in


def left_out_rows(survey: Survey, entries: Sequence[Entry], answers: Sequence[Answer]) -> list[str]:
    """Say of how many missing entries the file may lie in a folder that was left out, and how it is taken in."""
    notes = []
    missing = [b"/" + entry.path for entry, answer in zip(entries, answers, strict=True) if answer.state == MISSING]
    for (kind, name), (_, path) in sorted(survey.passed.items()):
        rows = sum(b"/" + os.fsencode(name) + b"/" in listed for listed in missing) if kind in WORDS else 0
        if rows:
            folder = os.fsdecode(survey.file_of(path))
            notes.append(
                f"{counted(rows, 'missing row')} of {folder}, which is left out ({WORDS[kind]}): to take it "
                f"in, write the line {taking_in(name)} into .vstoreignore under --root and import again"
            )
    return notes
