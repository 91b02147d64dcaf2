"""The scope of a sync: known folders, parts of them, new, moved and wider ones."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence

from vstore.errors import LabelTaken, UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Root
from vstore.format.names import is_label
from vstore.limits import refuse_limit
from vstore.paths import hint_for_address
from vstore.pictures.scan_options import OptionEdits, ScanOptions
from vstore.pictures.spelling import ListedNames, on_disk
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import is_below, is_gone, is_same, relative
from vstore.repository.repository import Repository


class Target(NamedTuple):
    """A root, or a part of one.

    root:    as the log has it, or will have it.
    place:   the real path of the root.
    options: those of the scan.
    under:   path of the part, relative to the root; b"" for all of it.
    gone:    the part is not on disk any more.
    known:   the log knew this root before.
    named:   the user named all of it in this command, and knows where its links may lead.
    given:   the part as the user wrote it.
    """

    root: Root
    place: bytes
    options: ScanOptions
    under: bytes = b""
    gone: bool = False
    known: bool = True
    named: bool = False
    given: bytes = b""

    @property
    def prefix(self) -> bytes:
        """The stored path of the root or part."""
        label = os.fsencode(self.root.label)
        return label + b"/" + self.under if self.under else label


class Scope(NamedTuple):
    """The folders of a sync, and the news of them for the log.

    targets:  the folders and parts of folders, in the order of their stored paths.
    roots:    label -> new root for the log, or None if a wider root takes it in.
    absorbed: old label -> new prefix of its paths.
    given:    option and pattern: those that are new for the folders.
    """

    targets: list[Target]
    roots: dict[str, Root | None]
    absorbed: dict[str, str]
    given: Sequence[tuple[str, str]] = ()

    def changes(self) -> dict[str, Json]:
        """Return the changes of the roots, for a record."""
        changes: dict[str, Json] = {}
        if self.roots:
            changes["roots"] = {label: root and root.to_json() for label, root in self.roots.items()}
        if self.absorbed:
            changes["absorbed"] = dict(self.absorbed)
        return changes


def scope_of(
    repo: Repository,
    paths: Sequence[bytes],
    as_label: str | None,
    edits: OptionEdits,
    leave_out: Collection[str] = (),
) -> Scope:
    """Find the scope of a sync of these paths; no paths means all known folders, without some labels.

    Raises: UsageError, LabelTaken, MigrationNeeded; Untrusted if a folder may not be looked at, and is not named.
    """
    if as_label is not None and len(paths) != 1:
        raise UsageError("--as names one folder", "give exactly one PATH with it")
    if as_label is not None and not is_label(as_label):
        raise UsageError(
            f"{as_label!r:.100} cannot be a label",
            "a label is one name of at most 255 bytes, without /, and not . or ..",
        )
    if edits.accept_truncated:
        repo.require_format_2("the marks of cut pictures")
    builder = _ScopeBuilder(repo, as_label, edits)
    if paths:
        for path in paths:
            builder.add(path)
    else:
        builder.add_known(leave_out)
    return builder.finish()


class _ScopeBuilder:
    """A scope in the making, one path after another."""

    def __init__(self, repo: Repository, as_label: str | None, edits: OptionEdits) -> None:
        self._repo = repo
        self._as = as_label
        self._edits = edits
        self._known = dict(repo.state.roots)
        self._folders = KnownFolders(repo)
        self._edited: set[str] = set()
        self._scope = Scope([], {}, {}, edits.given)
        self._listed: dict[bytes, ListedNames] = {}  # by the place of a root

    def add_known(self, leave_out: Collection[str]) -> None:
        """Add all known folders, without some labels. Raises: UsageError if there are none; Untrusted."""
        if not self._known:
            raise UsageError("this store has no folder yet", "name one: vstore sync FOLDER")
        known = [root for root in self._known.values() if root.label not in leave_out]
        self._folders.require(known)
        for root in known:
            self._whole(root, self._repo.place(root))

    def add(self, path: bytes) -> None:
        """Add a folder, or a part of a known one. Raises: UsageError, LabelTaken."""
        real = os.path.realpath(path)
        store = os.path.realpath(os.fsencode(self._repo.layout.folder))
        if is_same(store, real) or relative(store, real) is not None:
            raise UsageError(f"{_shown(path)} is the store, or lies inside it", "name a folder of pictures")
        for root in self._known.values():
            place = self._repo.place(root)
            if self._folders.is_same(root, real) or place == os.path.abspath(path):
                if self._as not in (None, root.label):
                    raise LabelTaken(
                        f"{_shown(path)} is already known as {root.label!r}",
                        "sync it without --as; to give it another label: "
                        f"vstore root rename {quoted(root.label)} {quoted(self._as or '')}",
                    )
                self._whole(root, place, named=self._is_named(root))
                return
        for name, through_link in _names(path, real):
            for root in self._known.values():
                place = self._repo.place(root)
                under = self._folders.within(root, name)
                if under is not None and (self._follows(root) or not through_link):
                    self._part(root, place, under, path)
                    return
        self._refuse_unless_folder(path, real)
        self._new(real)

    def _refuse_unless_folder(self, path: bytes, real: bytes) -> None:
        """Refuse a path that is not a folder. real: its real path. Raises: UsageError."""
        try:
            found = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            hint = hint_for_address(_shown(path))
            raise UsageError(f"there is no folder {_shown(path)}", hint or self._meant(path)) from None
        except OSError as err:
            refuse_limit(err, f"read {_shown(path)}")
            raise UsageError(f"cannot read {_shown(path)}: {err.strerror}", "check its permissions") from err
        if not stat.S_ISDIR(found.st_mode):
            raise UsageError(
                f"{_shown(path)} is not a folder", "name a folder of pictures, or a file inside a synced one"
            )

    def _meant(self, path: bytes) -> str:
        """Say what a path that does not exist may mean: a stored path, or a file of nearly its name."""
        from vstore.near_files import did_you_mean, near_files, near_paths  # few folders are mistyped

        first, _, rest = path.rstrip(b"/").partition(b"/")
        places = {os.fsencode(label): self._repo.place(root) for label, root in self._known.items()}
        near = [] if first in places else near_files(path)
        for label in () if near else near_paths(lambda done: () if done else places, [first]):
            near.append(os.path.join(places[label], rest).rstrip(b"/"))
        return did_you_mean(near, "check the name, or that its disk is mounted")

    def _is_named(self, root: Root) -> bool:
        """Take a folder for named, unless the store alone says that its links to folders elsewhere are followed."""
        is_meant = self._is_meant(root)
        self._folders.name(root)
        return is_meant

    def _is_meant(self, root: Root) -> bool:
        folders = self._folders
        return (
            not self._follows(root)
            or bool(self._edits.follow_symlinks)
            or not folders.is_below(root)
            or folders.may_lead_out(root)
        )

    def _whole(self, root: Root, place: bytes, *, named: bool = False) -> None:
        root, options = self._with_options(root)
        self._scope.targets.append(Target(root, place, options, named=named))

    def _part(self, root: Root, place: bytes, under: bytes, path: bytes) -> None:
        if self._as is not None:
            raise UsageError(
                f"{_shown(path)} lies in {_shown(place)}, which is known as {root.label!r}", "sync it without --as"
            )
        root, options = self._with_options(root)
        gone = is_gone(os.path.join(place, under))
        if gone:
            self._folders.require([root])  # what its writer may have meant is looked for
        if gone and (spelled := on_disk(place, under)) is not None:
            under, gone = spelled, False
        elif not gone and self._folders.is_known(root):
            under = self._names(place).spelled(under)
        if gone and is_gone(place):
            raise UsageError(
                f"neither {_shown(os.path.join(place, under))} nor its folder {_shown(place)} exists",
                "check that its disk is mounted",
            )
        self._scope.targets.append(Target(root, place, options, under, gone=gone, given=path))

    def _names(self, place: bytes) -> ListedNames:
        if place not in self._listed:
            self._listed[place] = ListedNames(place)
        return self._listed[place]

    def _follows(self, root: Root) -> bool:
        asked = self._edits.follow_symlinks
        return self._repo.scan_options(root).follow_symlinks if asked is None else asked

    def _with_options(self, root: Root) -> tuple[Root, ScanOptions]:
        before = ScanOptions.from_json(root.options)
        if root.label in self._edited:  # by another PATH in this root
            return root, self._repo.scan_options(root)
        self._edited.add(root.label)
        options = self._edits.applied(before, self._repo.usual)
        self._edits.refuse_faulty(os.fsdecode(self._repo.place(root)), root.label)
        if options != before:
            root = root._replace(options=options.to_json(root.options))
            self._scope.roots[root.label] = root
            self._known[root.label] = root
        return root, self._repo.scan_options(root)

    def _new(self, real: bytes) -> None:
        """Add a folder that is new, or moved, or takes known ones in."""
        inside = [(r, within) for r in self._known.values() if (within := self._folders.around(r, real))]
        is_meant = all(self._is_meant(taken) for taken, _ in inside)
        label = self._free_label(real, [root for root, _ in inside])
        old = self._known.get(label)
        options = ScanOptions.from_json(old.options if old else {})
        for taken, within in inside:
            options = options.taking_over(ScanOptions.from_json(taken.options), within, real)
            self._absorb(taken, os.fsdecode(os.path.join(os.fsencode(label), within)))
        options = self._edits.applied(options, self._repo.usual)
        self._edits.refuse_faulty(os.fsdecode(real), label)
        root = self._root_at(label, real)._replace(options=options.to_json(old.options if old else ()))
        self._edited.add(label)
        self._scope.roots[label] = root
        self._known[label] = root
        self._folders.name(root)
        known = old is not None or bool(self._scope.absorbed)
        self._scope.targets.append(Target(root, real, self._repo.scan_options(root), known=known, named=is_meant))

    def _free_label(self, real: bytes, inside: list[Root]) -> str:
        """Choose the label of a folder: the given one, or its name. Raises: LabelTaken."""
        label = self._as or os.fsdecode(os.path.basename(real)) or "root"
        old = self._known.get(label)
        if old is not None and all(old is not root for root in inside):
            if self._as is None and not self._folders.is_gone(old):
                taken = f"the label {label} belongs to {_shown(self._repo.place(old))}"
                if self._folders.is_known(old):
                    raise LabelTaken(taken, "add --as NAME")
                raise LabelTaken(
                    f"{taken}, which you have not named at this machine",
                    f"add --as {quoted(label)} if this folder takes its place, else --as NAME",
                )
        elif label in self._repo.state.absorbed and "/" not in (
            now := os.fsdecode(self._repo.today(os.fsencode(label)))
        ):
            raise LabelTaken(f"the label {label} belongs to the folder {now!r} in older snapshots", "add --as NAME")
        elif label in self._repo.state.absorbed or label in {root.label for root in inside}:
            raise LabelTaken(f"the label {label} belongs to a folder inside another one", "add --as NAME")
        return label

    def _root_at(self, label: str, real: bytes) -> Root:
        """Make a root; its place is relative where the folder of the store lies in it, or it in that folder."""
        base = self._repo.base
        if (within := relative(base, real)) is not None or is_same(base, real):
            return Root(label, within or b".", True)
        if relative(real, base) is not None:
            return Root(label, os.path.relpath(real, base), True)
        return Root(label, real, False)

    def _absorb(self, taken: Root, prefix: str) -> None:
        """Let a wider folder take a root in. prefix: of its paths from now on."""
        if taken.label in self._repo.state.roots:
            self._scope.roots[taken.label] = None
            self._scope.absorbed[taken.label] = prefix
        else:  # named in the same command: no snapshot knows it
            del self._scope.roots[taken.label]
        self._scope.targets[:] = [t for t in self._scope.targets if t.root.label != taken.label]
        del self._known[taken.label]

    def finish(self) -> Scope:
        """Drop targets covered by others, and put the rest in the order of their stored paths."""
        widest: list[Target] = []
        for target in sorted(self._scope.targets, key=lambda t: t.prefix + b"/"):
            if not (widest and is_below(target.prefix, widest[-1].prefix)):
                widest.append(target)
        self._scope.targets[:] = widest
        return self._scope


def _shown(path: bytes) -> str:
    return os.fsdecode(path)


def _names(path: bytes, real: bytes) -> list[tuple[bytes, bool]]:
    """List the possible names of a path inside a root, and whether each needs a root that follows symlinks.

    A symlinked file belongs to the folder of the link, wherever it leads.
    """
    absolute = os.path.abspath(path)
    folder, name = os.path.split(absolute)
    named = os.path.join(os.path.realpath(folder), name)
    return [(named, named != real and os.path.isdir(real)), (real, False), (absolute, True)]
