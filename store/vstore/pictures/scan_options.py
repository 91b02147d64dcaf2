"""The stored options of a root, and their changes by a command or a wider root. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.paths import several
from vstore.pictures.left_out import left_out
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted

if TYPE_CHECKING:
    from vstore.format.usual_words import UsualWords

SWITCHES = ("follow_symlinks", "one_file_system", "ignore_inode", "ignore_ctime", "accept_truncated")


class ScanOptions(NamedTuple):
    """The options of one root.

    exclude:         gitignore patterns, relative to the root, of files to skip.
    include:         gitignore patterns of files to take despite their extension.
    follow_symlinks: symlinked folders are listed, too.
    one_file_system: folders on other disks are skipped.
    ignore_inode:    the disk makes up inode numbers.
    ignore_ctime:    the disk makes up change times.
    accept_truncated: percent of its lines from which on a picture is taken whose file is cut; 0 takes none.
    off:             names of options that were switched off although the user has them on elsewhere.
    """

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    follow_symlinks: bool = False
    one_file_system: bool = False
    ignore_inode: bool = False
    ignore_ctime: bool = False
    accept_truncated: int = 0
    off: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> ScanOptions:
        known = {name: value[name] for name in cls._fields if name in value}
        for name in ("exclude", "include", "off"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)

    @classmethod
    def of_user(cls, words: UsualWords) -> ScanOptions:
        """Take the usual options of a user. Raises: UsageError if a share of lines is none."""
        share = words.get("accept_truncated", 0)
        refuse_no_share(share)
        return cls(
            exclude=several(words.get("exclude", ())),
            include=several(words.get("include", ())),
            follow_symlinks=words.get("follow_symlinks", False),
            one_file_system=words.get("one_file_system", False),
            ignore_inode=words.get("ignore_inode", False),
            ignore_ctime=words.get("ignore_ctime", False),
            accept_truncated=share,
        )

    def to_json(self, before: Container[str] = ()) -> dict[str, Any]:
        """Return every option: the log merges objects, so an option left out would stay as it was.

        before: the names that the log has. `accept_truncated` and `off` came later: where nobody gave them, they are
                left out.
        """
        every = {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}
        for name in ("accept_truncated", "off"):
            if not every[name] and name not in before:
                del every[name]
        return every

    def kept(self) -> dict[str, Any]:
        """List the options that are set, or switched off."""
        return {name: value for name, value in self._asdict().items() if name != "off" and (value or name in self.off)}

    def filled(self, usual: ScanOptions) -> ScanOptions:
        """Take the user's usual options where this folder keeps none of its own."""
        return usual._replace(**self.kept(), off=self.off)

    def taking_over(self, inner: ScanOptions, within: bytes, place: bytes) -> ScanOptions:
        """Add the options of a folder inside this root, so that taking it over neither adds nor hides a picture.

        within: path of that folder, relative to the root.
        place:  real path of the root.
        """
        moved = (_moved_down(glob, within) for glob in inner.exclude)
        return ScanOptions(
            exclude=(*self.exclude, *_entering(within, place), *moved),
            include=(*self.include, *(_moved_down(glob, within) for glob in inner.include)),
            follow_symlinks=self.follow_symlinks or inner.follow_symlinks,
            one_file_system=self.one_file_system or inner.one_file_system,
            ignore_inode=self.ignore_inode or inner.ignore_inode,
            ignore_ctime=self.ignore_ctime or inner.ignore_ctime,
            accept_truncated=min(filter(None, (self.accept_truncated, inner.accept_truncated)), default=0),
            off=tuple(name for name in self.off if name in inner.off or not getattr(inner, name)),
        )


NONE = ScanOptions()


def _not_excluded(glob: str, options: ScanOptions, usual: ScanOptions) -> UsageError:
    if not options.exclude and glob in usual.exclude:
        return UsageError(
            f"the exclude {glob!r} is one of your configuration, for every folder that keeps none of its own",
            "take it out there; or give this folder excludes of its own, which take the place of all of them: "
            f"--exclude {quoted('!' + glob)}",
        )
    has = f"it has: {', '.join(options.exclude)}" if options.exclude else "it has no excludes"
    return UsageError(f"this folder has no exclude {glob!r}", has)


def refuse_no_share(share: object) -> None:
    """Refuse what is no percentage. Raises: UsageError."""
    if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
        raise UsageError(f"{share!r} is no share of lines", "give a percentage, 1 to 100; or 0 to take none")


class OptionEdits(NamedTuple):
    """The changes of a command's words to the options of a root. None leaves an option as it is.

    repeated: they were recorded once, and maybe undone since: an exclude to take away may be gone.
    """

    exclude: Sequence[str] = ()
    no_exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    follow_symlinks: bool | None = None
    one_file_system: bool | None = None
    ignore_inode: bool | None = None
    ignore_ctime: bool | None = None
    accept_truncated: int | None = None
    repeated: bool = False

    @property
    def given(self) -> list[tuple[str, str]]:
        """List the new patterns, each after its option."""
        return [(option, glob) for option in ("exclude", "include") for glob in getattr(self, option)]

    def refuse_faulty(self, place: str, label: str) -> None:
        """Refuse new patterns that can match nothing in a folder. label: its name in the store. Raises: UsageError."""
        if not self.given:
            return
        from vstore.pictures.pattern_faults import fault_of
        from vstore.pictures.patterns import parsed

        for option, glob in self.given:
            parsed(glob)
            fault = fault_of(glob, place, label)
            if fault is not None:
                import shlex  # hardly any pattern is at fault

                right = " ".join(f"--{option} {shlex.quote(one)}" for one in fault.right)
                raise UsageError(
                    f"--{option} {shlex.quote(glob)} can match nothing in {place}: {fault.reason}",
                    f"give: {right}" if right else "name it as it is below the folder: /FOLDER/NAME",
                )

    def applied(self, options: ScanOptions, usual: ScanOptions = NONE) -> ScanOptions:
        """Return the options with these changes.

        usual: of the user. Switching off what is on there has to be kept.
        Raises: UsageError if `no_exclude` names one that is not set.
        """
        missing = [glob for glob in self.no_exclude if glob not in options.exclude]
        if missing and not self.repeated:
            raise _not_excluded(missing[0], options, usual)
        stay = [glob for glob in options.exclude if glob not in self.no_exclude]
        changed = options._replace(
            exclude=tuple(dict.fromkeys([*stay, *self.exclude])),
            include=tuple(dict.fromkeys([*options.include, *self.include])),
        )
        given = {name: getattr(self, name) for name in SWITCHES if getattr(self, name) is not None}
        off = [name for name in options.off if not given.get(name)]
        off += [name for name, value in given.items() if not value and getattr(usual, name) and name not in off]
        return changed._replace(**given, off=tuple(off))


def _entering(within: bytes, place: bytes) -> Iterator[str]:
    """Yield the patterns that take in a folder in spite of the default, and nothing beside it.

    within, place: as in `ScanOptions.taking_over`.
    """
    names = os.fsdecode(within).split("/")
    paths = ["/" + "/".join(names[: at + 1]) for at in range(len(names))]
    first = next((at for at, path in enumerate(paths) if left_out(os.fsdecode(place).rstrip("/") + path)), None)
    for at, path in enumerate(paths[first:] if first is not None else ()):
        if at:
            yield f"{_escaped(path[: path.rindex('/')])}/*"
        yield f"!{_escaped(path)}/"


def _escaped(path: str) -> str:
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _moved_down(glob: str, within: bytes) -> str:
    """Rewrite a gitignore pattern of a folder for a root above it."""
    folder = _escaped(os.fsdecode(within))
    no, glob = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
    # With a slash before its last character, a pattern means that folder's own names; else all names below it.
    anywhere = "" if "/" in glob.rstrip().rstrip("/") else "**/"
    return f"{no}/{folder}/{anywhere}{glob.lstrip('/')}"
