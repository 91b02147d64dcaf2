"""Options of a sync: the record of a run."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from vstore.embed.model_words import Settings, settings_of
from vstore.errors import UsageError
from vstore.limits import refuse_limit
from vstore.paths import AnyPath, as_bytes, as_path, several
from vstore.pictures.scan_options import OptionEdits, refuse_no_share
from vstore.quick_tuple import NamedTuple


class Options(NamedTuple):
    """The words of `SyncWords`, with their defaults. mypy compares the two as a caller's words become a record.

    leave_out: labels of known folders, for a watch: where no path is given, a sync passes them over.
    """

    message: str = ""
    exclude: Sequence[str] = ()
    no_exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude_from: AnyPath | None = None
    files_from: AnyPath | None = None
    follow_symlinks: bool | None = None
    one_file_system: bool | None = None
    ignore_inode: bool | None = None
    ignore_ctime: bool | None = None
    accept_truncated: int | None = None
    as_label: str | None = None
    space: str | None = None
    retry_failed: bool = False
    wait: bool = False
    allow_mass_delete: bool = False
    max_file_size: int = 256 << 20
    max_pixels: int | None = None
    commit_every: float = 1800.0
    batch_size: int | None = None
    compile: bool = False
    device: str = "auto"
    offline: bool = False
    isolate_decoding: bool = False
    leave_out: Collection[str] = ()

    @property
    def settings(self) -> Settings:
        """The settings of the model. Raises: UsageError for a malformed device."""
        return settings_of(self.device, self.batch_size, self.compile, offline=self.offline)

    def edits(self) -> OptionEdits:
        """Collect the changes to the options of a folder.

        Raises: UsageError if the file of excludes cannot be read, or a share of lines is none.
        """
        share = self.accept_truncated
        if share is not None:
            refuse_no_share(share)
        globs = [os.fsdecode(line) for line in _lines(self.exclude_from)] if self.exclude_from is not None else []
        return OptionEdits(
            exclude=(*several(self.exclude), *globs),
            no_exclude=several(self.no_exclude),
            include=several(self.include),
            follow_symlinks=self.follow_symlinks,
            one_file_system=self.one_file_system,
            ignore_inode=self.ignore_inode,
            ignore_ctime=self.ignore_ctime,
            accept_truncated=share,
        )

    def paths(self, named: Sequence[AnyPath]) -> list[bytes]:
        """Join the given paths with those of the file of paths.

        Raises: UsageError if a path is empty, or the file is, or cannot be read.
        """
        paths = [as_bytes(path) for path in several(named)]
        if self.files_from is None:
            return paths
        listed = _lines(self.files_from)
        if not listed:  # no path at all would mean every known folder
            raise UsageError(f"{os.fsdecode(self.files_from)} lists no path", "list one a line, or end each with a NUL")
        return paths + listed


def _lines(path: AnyPath) -> list[bytes]:
    """Read the lines of a file, or its parts between NULs; blank lines and comments (#) are left out.

    Raises: UsageError if it cannot be read.
    """
    try:
        data = as_path(path).read_bytes()
    except OSError as err:
        refuse_limit(err, f"read {os.fsdecode(path)}")
        from vstore.near_files import did_you_mean, near_files  # few names are mistyped

        near = near_files(os.fsencode(path)) if isinstance(err, FileNotFoundError) else []
        raise UsageError(
            f"cannot read {os.fsdecode(path)}: {err.strerror or err}", did_you_mean(near, "name a file of lines")
        ) from err
    if b"\0" in data:
        return [part for part in data.split(b"\0") if part]
    return [line for line in (raw.rstrip(b"\r") for raw in data.split(b"\n")) if line and not line.startswith(b"#")]
