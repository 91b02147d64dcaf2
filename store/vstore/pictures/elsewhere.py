"""Pictures whose content is not here: a program that keeps it elsewhere left a link or a few bytes in its place. Pure.

Such a picture is not gone: its path keeps the picture that it had.
"""

from __future__ import annotations

import re

from vstore.pictures.failures import PictureFailure

ANNEX, LFS, ICLOUD = "git-annex", "Git LFS", "iCloud"
FETCH = {ANNEX: "git annex get .", LFS: "git lfs pull", ICLOUD: "download them in the Finder"}
"""What brings the content here."""

ABSENT = "elsewhere"  # the kind of trouble, or of failure
_LONGEST = 32 << 10  # bytes of a pointer of git-annex
# Compiled when one is needed: each run would pay for it, and few meet such a file.
_OF_ANNEX = rb"/annex/objects/[^/\n]+(?:\n|\Z)"
_OF_LFS = rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n(?:.*\n)*?oid sha256:"
_IN_ANNEX = r"(?:^|/)annex/objects/"
_OF_ICLOUD = ".icloud"


class Elsewhere(PictureFailure):
    """A picture whose content is not here. program: has it."""

    def __init__(self, program: str) -> None:
        super().__init__(ABSENT, reason_of(program))
        self.program = program


def program_of_pointer(data: bytes | bytearray) -> str | None:
    """Name the program whose pointer a file is; None if it is none."""
    if not data.startswith((b"/annex/", b"version https://")) or len(data) > _LONGEST:
        return None
    return ANNEX if re.match(_OF_ANNEX, data) else LFS if re.match(_OF_LFS, data) else None


def program_of_link(target: str) -> str | None:
    """Name the program that made a link which leads nowhere; None if it may be anybody's."""
    return ANNEX if re.search(_IN_ANNEX, target) else None


def name_at_icloud(name: str) -> str | None:
    """Return the name of the file that a name stands for while iCloud alone has its content; None if none."""
    return name[1 : -len(_OF_ICLOUD)] or None if name[0] == "." and name.endswith(_OF_ICLOUD) else None


def reason_of(program: str) -> str:
    """Say that the content is not here, and what brings it."""
    return f"its content is not here but in {program}: {FETCH[program]}"
