"""Mends a damaged store: from its other files, from its pictures, and at last by saying what a snapshot has lost.

It never makes anything worse: what is needed is written first, then two records in a row carry the whole state, and
only then is what is damaged moved to `quarantine/`. Run again, it finds nothing to do.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vstore import durable
from vstore.catalogue import Catalogue, renew
from vstore.embed import Embedder, Recipe, space_id
from vstore.embed.builtin import DEFAULT_RECIPE
from vstore.errors import Damage, MissingPackage, ModelError, NoStore, VstoreError
from vstore.gc import empty_cache
from vstore.images import PictureFailure, Preparation, prepare
from vstore.journal import Journal, journals
from vstore.layout import Layout
from vstore.oplog import Tip
from vstore.packs import write_pack
from vstore.pages import Alias, Tree, decode_inner, decode_leaf, level_of
from vstore.progress import Progress, Silent
from vstore.records import (
    FileRef,
    Json,
    Manifest,
    Record,
    Snapshot,
    Space,
    State,
    beginning,
    canonical,
    content_id,
    merge_patch,
    named_path,
)
from vstore.repository import COMMIT_WAIT, RESERVE, Form, Repository, read_format
from vstore.salvage import is_whole, pack_ref, remains, segment_ref, sound_blobs
from vstore.segments import FOOTER_SIZE, Footer, Segment, write_segment
from vstore.sync.keeper import Keeper, segment_of
from vstore.sync.vectors import align

if TYPE_CHECKING:
    from PIL.Image import Image

_PACK = re.compile(r"[0-9a-f]{32}\.pack")
_SEGMENT = re.compile(r"[0-9a-f]{32}\.faiss")
_BATCH = 16  # pictures per call of the embedder
_PATHS = 10  # paths that a loss names


class Loss(NamedTuple):
    """A snapshot that could not be made whole: how many paths it has less, and some of them, where they are known."""

    snapshot: str
    lost: int
    paths: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "lost": self.lost, "paths": [named_path(path) for path in self.paths]}


class RepairReport(NamedTuple):
    """What was mended, or would be.

    done: one line each. embedded: vectors computed anew. quarantined: damaged files, as they were called.
    degraded: snapshots that hold less than they did. left: what could not be mended, and what to do.
    changed: whether the log had to learn anything.
    """

    dry_run: bool
    changed: bool
    done: tuple[str, ...]
    embedded: int
    quarantined: tuple[str, ...]
    degraded: tuple[Loss, ...]
    left: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["degraded"] = [loss.to_json() for loss in self.degraded]
        for name in ("done", "quarantined", "left"):
            value[name] = list(value[name])
        return value


def repair(
    folder: Path,
    load_embedder: Callable[[Recipe], Embedder] | None,
    *,
    dry_run: bool = False,
    embed: bool = True,
    wait: bool = False,
    progress: Progress | None = None,
) -> RepairReport:
    """Mend a store.

    dry_run: say what would be done and lost, and change nothing.
    embed:   compute lost vectors anew from the pictures that are still there; else their pictures leave the snapshots.
    Raises:  NoStore, FormatTooNew, Locked, DiskTrouble; Damage if not even what kind of store it is can be found out.
    """
    form, format_is_sound = _form(folder)
    repo = Repository.unread(folder, form)
    if dry_run:
        return _Repair(repo, load_embedder, True, embed, progress).run(format_is_sound)
    for path in repo.layout.folders():
        durable.make_folder(path)
    with repo.lock("ingest") as ingest:
        ingest.acquire(None if wait else 0.0, "repair")
        # `commit` too, all the while: nobody may build on what is being mended.
        with repo.lock("commit") as commit:
            commit.acquire(None if wait else COMMIT_WAIT, "repair")
            try:
                return _Repair(repo, load_embedder, False, embed, progress).run(format_is_sound)
            finally:
                repo.close()


def _form(folder: Path) -> tuple[Form, bool]:
    """What kind of store this is, by FORMAT or, where that is lost, by the footers of its files."""
    layout = Layout(folder)
    try:
        return read_format(folder), True
    except NoStore:
        if not layout.refs.is_dir():
            raise
    except Damage:
        pass
    for path in _files(layout.segments, _SEGMENT):
        try:
            with path.open("rb") as file:
                file.seek(-FOOTER_SIZE, os.SEEK_END)
                footer = Footer.from_bytes(file.read())
        except (OSError, ValueError):
            continue
        return Form(durable.nonce(), "xxh3_128" if footer.key_size == 16 else "sha256", footer.dtype), False
    for path in sorted(layout.refs.glob("*.json")):
        # No vector was ever stored, so that nothing depends on the dtype; the last line of a record is a digest in hex.
        digits = len(durable.read(path).rstrip(b"\n").rpartition(b"\n")[2])
        if digits in (32, 64):
            return Form(durable.nonce(), "xxh3_128" if digits == 32 else "sha256", "float16"), False
    raise Damage(f"{layout.format} is lost, and nothing else tells what it said", "restore the store from a backup")


def _files(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if pattern.fullmatch(name)]


class _Repair:
    """One run. What it finds out is collected here; `_publish` is the only place that makes it true."""

    def __init__(
        self,
        repo: Repository,
        load_embedder: Callable[[Recipe], Embedder] | None,
        dry_run: bool,
        embed: bool,
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._load = load_embedder
        self._dry_run = dry_run
        self._embed = embed
        self._progress: Progress = progress or Silent()
        self._document: dict[str, Json] = {}
        self._done: list[str] = []
        self._left: list[str] = []
        self._aside: list[Path] = []
        self._degraded: list[Loss] = []
        self._embedded = 0
        self._changed = False
        self._gap = False
        self._next_before_gap = 1
        # Blobs: those in sound packs that the log lists, those elsewhere, and what has to go into a new pack.
        self._listed: set[bytes] = set()
        self._elsewhere: dict[bytes, Path] = {}
        self._salvaged: dict[bytes, bytes] = {}
        self._manifests: dict[bytes, Manifest] = {}
        self._fresh: dict[bytes, bytes] = {}
        self._pages: list[bytes] = []
        # What kept snapshots name: space -> keys; snapshot -> its aliases that could be read, and whether that is all.
        self._named: dict[str, set[bytes]] = {}
        self._broken: set[str] = set()
        self._stored: dict[str, set[bytes]] = {}
        self._keepers: list[Keeper] = []

    def run(self, format_is_sound: bool) -> RepairReport:
        if not format_is_sound:
            self._done.append("FORMAT written anew, from what other files say")
        try:
            return self._run(format_is_sound)
        finally:
            for keeper in self._keepers:
                keeper.close()

    def _run(self, format_is_sound: bool) -> RepairReport:
        self._log()
        self._read_packs()
        if self._gap:
            self._adopt_over_gap()
        self._walk_snapshots()
        self._keep_blobs()
        self._segments()
        self._find_lost()
        self._degrade()
        self._choose_current()
        if not self._dry_run:
            self._write(format_is_sound)
        return RepairReport(
            self._dry_run,
            self._changed,
            tuple(self._done),
            self._embedded,
            tuple(str(path.relative_to(self._repo.layout.folder)) for path in self._aside),
            tuple(self._degraded),
            tuple(self._left),
        )

    @property
    def _state(self) -> State:
        return State(self._document)

    def _did(self, what: str) -> None:
        self._done.append(what)
        self._changed = True

    # The log

    def _log(self) -> None:
        """Fold all records that are sound, over those that are not."""
        log, layout = self._repo.log, self._repo.layout
        sound: dict[int, Record] = {}
        numbers = log.numbers()
        bad: list[int] = []
        for number in numbers:
            try:
                sound[number] = self._record(number)
            except (Damage, OSError):
                bad.append(number)
        wholes = [number for number, record in sound.items() if record.whole is not None]
        base = max(wholes, default=0)
        before = ""
        self._gap = not wholes
        for number in (n for n in sorted(sound) if n >= base):
            record = sound[number]
            if record.whole is not None:
                self._document = dict(record.whole)
            else:
                if record.before != before:
                    self._mark_gap()
                self._document = merge_patch(self._document, record.changes)
            before = record.digest
        if any(number > base for number in bad):
            self._mark_gap()
        self._tail_is_lost = bool(bad) and bad[-1] == numbers[-1]
        newest = max(sound, default=0)
        self._tip = Tip(self._state, newest, sound[newest].digest if newest else "", numbers[-1] if numbers else 0, 0)
        for number in bad:
            self._aside.append(layout.record(number))
        if bad:
            self._did(f"the log begins anew, without {len(bad)} records that are damaged")
        elif (self._gap and (sound or self._has_objects())) or self._chain_is_broken(sound):
            self._did("the log begins anew: records are missing")

    def _chain_is_broken(self, sound: dict[int, Record]) -> bool:
        numbers = [number for number in sorted(sound) if number >= beginning(sound)]
        first = sound[numbers[0]] if numbers else None
        begins = first is None or first.whole is not None or not first.before
        return not begins or any(sound[b].before != sound[a].digest for a, b in pairwise(numbers))

    def _record(self, number: int) -> Record:
        try:
            return self._repo.log.read(number)
        except (Damage, OSError):
            return self._repo.log.read(number)  # a disk that hesitated once is no reason to do without a record

    def _mark_gap(self) -> None:
        if not self._gap:
            self._next_before_gap = self._state.next_v
        self._gap = True

    def _has_objects(self) -> bool:
        layout = self._repo.layout
        return bool(_files(layout.packs, _PACK) or _files(layout.segments, _SEGMENT))

    # Packs

    def _read_packs(self) -> None:
        """Read every blob of every pack, listed or not."""
        layout, hash = self._repo.layout, self._repo.hash
        listed = self._state.packs
        segments = sum(len(self._state.segments(space)) for space in self._document.get("segments", {}))
        self._progress.stage("read the store", len(listed) + segments)
        keep = []
        for ref in listed:
            self._progress.advance()
            whole, blobs = sound_blobs(layout.packs, ref, hash)
            for digest, blob in blobs:
                self._note_blob(digest, blob)
                if whole:
                    self._listed.add(digest)
                else:
                    self._salvaged[digest] = blob
            if whole:
                keep.append(ref)
            else:
                self._did(f"packs/{ref.name} is damaged or missing: what is left of it is kept")
                self._put_aside(layout.packs / ref.name)
        names = {ref.name for ref in listed}
        for path in _files(layout.packs, _PACK):
            if path.name not in names:
                try:
                    _, blobs = sound_blobs(layout.packs, pack_ref(path), hash)
                except OSError:
                    continue
                for digest, blob in blobs:
                    if digest not in self._listed:
                        self._elsewhere.setdefault(digest, path)
                        self._note_blob(digest, blob)
        self._document["packs"] = [ref.to_json() for ref in keep]
        self._repo.tip = self._tip._replace(state=self._state)
        self._repo.packs.listing(keep)

    def _put_aside(self, path: Path) -> None:
        if path.exists():
            self._aside.append(path)

    def _note_blob(self, digest: bytes, blob: bytes) -> None:
        if blob[:2] == b"vp":
            self._pages.append(digest)
        elif blob[:1] == b"{" and b'"tree"' in blob:
            try:
                self._manifests[digest] = Manifest.from_bytes(blob)
            except Damage:
                return

    def _fetch(self, digest: bytes) -> bytes:
        """A blob that will be needed: where no sound pack of the log has it, it goes into a new one.

        Raises: Damage if it is nowhere.
        """
        blob = self._read(digest)
        if digest not in self._listed:
            self._fresh[digest] = blob
        return blob

    def _read(self, digest: bytes) -> bytes:
        """A blob, wherever it lies. Raises: Damage."""
        if digest in self._listed:
            return self._repo.packs.get(digest)
        blob = self._fresh.get(digest) or self._salvaged.get(digest)
        if blob is None and digest in self._elsewhere:
            path = self._elsewhere[digest]
            _, blobs = sound_blobs(path.parent, pack_ref(path), self._repo.hash)
            blob = next((found for name, found in blobs if name == digest), None)
        if blob is None:
            raise Damage(f"the blob {digest.hex()} is lost")
        return blob

    # What lost records said

    def _adopt_over_gap(self) -> None:
        """Snapshots, spaces and segments that only the lost records named, from manifests, recipes and footers."""
        known = self._document.get("snapshots", {})
        newest: dict[str, tuple[bytes, Manifest]] = {}
        for digest, manifest in self._manifests.items():
            number = int(manifest.name[1:])
            if manifest.name in known or number < self._next_before_gap:
                continue
            if manifest.name not in newest or manifest.time >= newest[manifest.name][1].time:
                newest[manifest.name] = digest, manifest
        self._adopt_spaces({manifest.space for _, manifest in newest.values()})
        for name, (digest, manifest) in sorted(newest.items(), key=lambda pair: int(pair[0][1:])):
            if manifest.space not in self._state.spaces:
                self._left.append(f"{name} is of a space whose recipe is lost: it stays in its pack")
                continue
            snapshot = Snapshot(
                name,
                manifest.content_id(self._repo.hash),
                digest,
                manifest.space,
                manifest.paths,
                manifest.images,
                manifest.time,
                manifest.message,
                manifest.parent,
                manifest.partial,
            )
            self._document["snapshots"] = {**self._document.get("snapshots", {}), name: snapshot.to_json()}
            self._document["next_v"] = max(self._state.next_v, int(name[1:]) + 1)
            if self._tail_is_lost or not self._tip.number:
                self._document["current"] = name
            self._did(f"{name} found again by its manifest")
        if not self._document.get("roots") and self._document.get("snapshots"):
            self._left.append("where the folders of pictures lie is lost: name them once more with vstore sync FOLDER")

    def _adopt_spaces(self, wanted: set[str]) -> None:
        for path in _files(self._repo.layout.segments, _SEGMENT):
            segment = self._segment(path)
            if segment is not None:
                wanted = wanted | {segment.footer.space.hex()}
        for space in sorted(wanted - self._state.spaces.keys()):
            recipe = self._recipe_of(space)
            if recipe is None:
                continue
            digest = self._repo.hash.digest(recipe)
            self._fresh[digest] = recipe
            value = json.loads(recipe)
            entry = Space(space, str(value.get("name", space[:12])), "verified", digest, value["dim"])
            self._document["spaces"] = {**self._document.get("spaces", {}), space: entry.to_json()}
            self._document.setdefault("start_space", space)
            self._did(f"the space {entry.name} found again by its recipe")

    def _recipe_of(self, space: str) -> bytes | None:
        """The recipe of a space: from a pack, or the one that this version has built in."""
        import hashlib

        for digest in [*self._listed, *self._salvaged, *self._elsewhere]:
            if digest in self._manifests:
                continue
            blob = self._read(digest)
            if blob[:1] == b"{" and hashlib.sha256(blob).hexdigest() == space:
                return blob
        return canonical(DEFAULT_RECIPE) if space_id(DEFAULT_RECIPE) == space else None

    # Snapshots and recipes

    def _walk_snapshots(self) -> None:
        """Read every page of every kept snapshot; those of which one is lost are broken."""
        walked: dict[str, dict[bytes, bool]] = {}
        for snapshot in self._state.snapshots():
            keys = self._named.setdefault(snapshot.space, set())
            root = self._root_of(snapshot)
            if root is None:
                self._broken.add(snapshot.name)
                continue

            if not self._walk(root, keys, walked.setdefault(snapshot.space, {})):
                self._broken.add(snapshot.name)

    def _walk(self, digest: bytes, keys: set[bytes], walked: dict[bytes, bool]) -> bool:
        """Take the keys below a page. Returns: whether all of it could be read."""
        if digest not in walked:
            try:
                page = self._fetch(digest)
                if level_of(page):
                    children = decode_inner(page, self._repo.hash.size)
                    found = [self._walk(child.digest, keys, walked) for child in children]  # all, not up to the first
                    walked[digest] = all(found)
                else:
                    keys.update(key for _, key in decode_leaf(page, self._repo.hash.size))
                    walked[digest] = True
            except Damage:
                walked[digest] = False
        return walked[digest]

    def _root_of(self, snapshot: Snapshot) -> bytes | None:
        """The root of a snapshot's alias tree; its manifest is made anew where it is lost."""
        try:
            return Manifest.from_bytes(self._fetch(snapshot.manifest)).tree
        except Damage:
            pass
        # The content id is a digest of the root, so the page that gives it is the root.
        for digest in self._pages:
            if content_id(self._repo.hash, snapshot.space, digest) == snapshot.id:
                data = Manifest(
                    snapshot.name,
                    snapshot.space,
                    digest,
                    snapshot.paths,
                    snapshot.images,
                    snapshot.time,
                    snapshot.message,
                    snapshot.parent,
                    snapshot.partial,
                ).to_bytes()
                self._fresh[self._repo.hash.digest(data)] = data
                self._put_snapshot(snapshot._replace(manifest=self._repo.hash.digest(data)))
                self._did(f"the manifest of {snapshot.name} made anew from what the log says of it")
                return digest
        return None

    def _put_snapshot(self, snapshot: Snapshot) -> None:
        self._document["snapshots"] = {**self._document["snapshots"], snapshot.name: snapshot.to_json()}

    def _keep_blobs(self) -> None:
        for space in self._state.spaces.values():
            try:
                self._fetch(space.recipe)
            except Damage:
                recipe = self._recipe_of(space.id)
                if recipe is None:
                    self._left.append(
                        f"the recipe of the space {space.name} is lost: its vectors can be searched, and added to "
                        "once the same model is added again"
                    )
                else:
                    self._fresh[space.recipe] = recipe
        for digest in self._state.blobs() - {space.recipe for space in self._state.spaces.values()}:
            try:
                self._fetch(digest)
            except Damage:
                if not any(digest == snapshot.manifest for snapshot in self._state.snapshots()):
                    self._left.append(f"the blob {digest.hex()} of a space or an import is lost")

    def _aliases(self, snapshot: Snapshot) -> Iterator[Alias]:
        """The aliases of a snapshot in those of its pages that are left, in path order."""
        root = self._root_of(snapshot)
        stack = [] if root is None else [root]
        while stack:
            try:
                page = self._fetch(stack.pop())
                if level_of(page):
                    stack += [child.digest for child in decode_inner(page, self._repo.hash.size)][::-1]
                else:
                    yield from decode_leaf(page, self._repo.hash.size)
            except Damage:
                continue

    # Segments

    def _segment(self, path: Path) -> Segment | None:
        try:
            return Segment(path.parent, segment_ref(path))
        except (Damage, OSError, ValueError):
            return None

    def _segments(self) -> None:
        """Keep segments that are whole, and write those anew of which only some rows are left."""
        repo = self._repo
        folder = repo.layout.segments
        lists = dict(self._document.get("segments", {}))
        names = {ref.name for space in lists for ref in self._state.segments(space)}
        for space in self._state.spaces.values():
            refs: list[FileRef] = []
            stored = self._stored.setdefault(space.id, set())
            known = self._named.get(space.id, set())
            for ref in self._state.segments(space.id):
                self._progress.advance()
                if is_whole(folder, ref):
                    refs.append(ref)
                    stored.update(Segment(folder, ref).key_list())
                    continue
                left = remains(folder, ref, space.dim, repo.dtype, repo.hash.size, known)
                self._did(f"segments/{ref.name}: {len(left.keys)} of {ref.rows} rows are what was written")
                self._put_aside(folder / ref.name)
                stored.update(left.keys)
                if left.keys and not self._dry_run:
                    refs.append(
                        write_segment(
                            folder,
                            space.id,
                            left.keys,
                            left.blocks(),
                            space.dim,
                            repo.dtype,
                            left.time or int(time.time()),
                            "ingest",
                        )
                    )
            lists[space.id] = [ref.to_json() for ref in refs]
        self._document["segments"] = lists
        for path in _files(folder, _SEGMENT):
            if path.name not in names:
                self._adopt_segment(path)

    def _adopt_segment(self, path: Path) -> None:
        """Take in a segment that no record names, if it holds what is lost, or what a lost record may have named."""
        segment = self._segment(path)
        if segment is None or not is_whole(path.parent, segment.ref):
            return
        space, footer = segment.footer.space.hex(), segment.footer
        entry = self._state.spaces.get(space)
        fits = entry and (footer.dim, footer.dtype, footer.key_size) == (
            entry.dim,
            self._repo.dtype,
            self._repo.hash.size,
        )
        if not fits:
            return
        stored = self._stored.setdefault(space, set())
        new = set(segment.key_list()) - stored
        if new if self._gap else new & self._named.get(space, set()):
            stored.update(new)
            self._list_segment(space, segment.ref)
            self._did(f"segments/{path.name}: {len(new)} vectors found again in a file that no record named")

    def _list_segment(self, space: str, ref: FileRef) -> None:
        lists = dict(self._document.get("segments", {}))
        lists[space] = [*lists.get(space, []), ref.to_json()]
        self._document["segments"] = lists

    # Vectors that are nowhere

    def _find_lost(self) -> None:
        """Vectors that snapshots need and no segment has: from journals, then from the pictures themselves."""
        self._repo.tip = self._tip._replace(state=self._state)
        for path in journals(self._repo.layout.journal) if self._repo.layout.journal.is_dir() else ():
            self._take_journal(path)
        for space in self._state.spaces.values():
            lost = self._named.get(space.id, set()) - self._stored.get(space.id, set())
            if lost:
                self._recompute(space, lost)

    def _take_journal(self, path: Path) -> None:
        try:
            journal = Journal(path)
        except (ValueError, OSError):
            return  # the next sync removes it: it never held a frame that could be read
        space = self._state.spaces.get(journal.space)
        if space is None:
            return
        repo = self._repo
        if (journal.dim, journal.dtype, journal.key_size) != (space.dim, repo.dtype, repo.hash.size):
            self._aside.append(path)
            self._done.append(f"journal/{path.name} does not fit its space")
            return
        lost = self._named.get(space.id, set()) - self._stored[space.id]
        found = {key for _, key in journal.frames()} & lost
        if found:
            self._stored[space.id].update(found)
            self._did(f"{len(found)} vectors found again in a journal")
            if not self._dry_run:
                ref = segment_of(repo, path, lambda key: key in found)
                assert ref is not None
                self._list_segment(space.id, ref)

    def _recompute(self, space: Space, lost: set[bytes]) -> None:
        """Embed lost pictures that are still there, under any path that a snapshot knew them by."""
        if not self._embed:
            return
        try:
            recipe = json.loads(self._read(space.recipe))
        except Damage:
            return
        embedder: Embedder | None = None
        keeper: Keeper | None = None
        batch: list[tuple[bytes, Image]] = []
        found = 0
        self._progress.stage("embed what was lost", len(lost))
        pictures = self._pictures(lost, recipe.get("prepare", {}).get("max_side", 512))
        try:
            while True:
                item = next(pictures, None)
                if item is not None:
                    batch.append(item)
                    self._progress.advance()
                if batch and (item is None or len(batch) == _BATCH):
                    if embedder is None and not self._dry_run:
                        embedder = self._embedder(space, recipe)
                        keeper = Keeper(self._repo, space.id, space.dim)
                        self._keepers.append(keeper)
                    found += len(self._embed_batch(space, embedder, keeper, batch))
                    batch = []
                if item is None:
                    break
        except (ModelError, MissingPackage, Damage) as err:  # Damage: the probes that would prove it are lost
            self._left.append(
                f"{len(lost)} pictures of the space {space.name} have no vector, and its model cannot be used "
                f"({err.message}); {err.next_step or 'install it'} and repair again, or let them go with --no-embed"
            )
            self._stored[space.id].update(lost)  # nothing is taken from a snapshot that may yet be made whole
            return
        if keeper is not None:
            for ref in keeper.write():
                self._list_segment(space.id, ref)
        if found:
            self._embedded += found
            self._did(f"{found} vectors computed anew from pictures that are still there")

    def _embedder(self, space: Space, recipe: Recipe) -> Embedder:
        if self._load is not None:
            return self._load(recipe)
        from vstore import spaces
        from vstore.embed.place import Settings

        return spaces.load(self._repo, space, Settings())

    def _embed_batch(
        self, space: Space, embedder: Embedder | None, keeper: Keeper | None, batch: list[tuple[bytes, Image]]
    ) -> list[bytes]:
        keys = [key for key, _ in batch]
        if embedder is not None and keeper is not None:
            import numpy as np

            rows = embedder.embed_images([picture for _, picture in batch])
            norms = np.linalg.norm(rows.astype(np.float64), axis=1)
            good = np.isfinite(norms) & (norms > 0)
            keys = [key for key, fine in zip(keys, good, strict=True) if fine]
            if keys:
                keeper.keep(keys, (rows[good] / norms[good, None]).astype(np.float32))
        self._stored[space.id].update(keys)
        return keys

    def _pictures(self, lost: set[bytes], side: int) -> Iterator[tuple[bytes, Image]]:
        """The lost pictures that are found on disk, prepared; each once."""
        left = set(lost)
        tried: set[bytes] = set()
        for snapshot in self._state.snapshots():
            for path, key in self._aliases(snapshot):
                if key not in left or path in tried:
                    continue
                tried.add(path)
                file = self._repo.file_of(path)
                if file is None:
                    continue
                try:
                    with open(file, "rb") as opened:
                        data = opened.read()
                    if self._repo.hash.digest(data) == key:
                        picture, _ = prepare(data, Preparation(max_side=side))
                        left.discard(key)
                        yield key, picture
                except (OSError, PictureFailure):
                    continue

    # What cannot be made whole

    def _degrade(self) -> None:
        """Let snapshots name only what is there, and say that they hold less than they did."""
        hash = self._repo.hash
        for snapshot in self._state.snapshots():
            stored = self._stored.get(snapshot.space, set())
            lost_keys = self._named.get(snapshot.space, set()) - stored
            if snapshot.name not in self._broken and not lost_keys:
                continue
            aliases = dict(self._aliases(snapshot))
            kept = {path: key for path, key in aliases.items() if key in stored}
            if snapshot.name not in self._broken and len(kept) == len(aliases):
                continue
            tree = Tree.empty(hash, self._fetch).edited(kept)
            images = len(set(kept.values()))
            root = tree.root
            manifest = Manifest(
                snapshot.name, snapshot.space, root, len(kept), images, snapshot.time, snapshot.message,
                snapshot.parent, snapshot.partial,
            )  # fmt: skip
            data = manifest.to_bytes()
            self._fresh |= {digest: page for digest, page in tree.fresh.items() if digest not in self._listed}
            self._fresh[hash.digest(data)] = data
            self._put_snapshot(
                snapshot._replace(
                    id=manifest.content_id(hash),
                    manifest=hash.digest(data),
                    paths=len(kept),
                    images=images,
                    degraded=True,
                )
            )
            gone = sorted(path for path in aliases if path not in kept)
            loss = Loss(snapshot.name, max(snapshot.paths - len(kept), len(gone)), tuple(gone[:_PATHS]))
            self._degraded.append(loss)
            self._did(f"{snapshot.name} has {loss.lost} paths less than it had, and is marked degraded")

    def _choose_current(self) -> None:
        """Let `current`, tags and the hold name snapshots that there are."""
        kept = [snapshot.name for snapshot in self._state.snapshots()]
        current = self._state.current
        if (current is not None or self._gap) and current not in kept and kept:
            self._document["current"] = kept[0]
            self._did(f"{kept[0]} is current now")
        elif current is not None and not kept:
            del self._document["current"]
        self._document["tags"] = {tag: name for tag, name in self._state.tags.items() if name in kept}
        if self._state.hold is not None and self._state.hold not in kept:
            del self._document["hold"]

    # Making it true

    def _write(self, format_is_sound: bool) -> None:
        repo, layout = self._repo, self._repo.layout
        if not format_is_sound:
            if layout.format.exists():
                durable.set_aside(layout.format, layout.quarantine)
            form = Form(repo.store_id, repo.hash.name, repo.dtype)
            durable.publish(layout.format, form.to_bytes(), "ingest")
        if self._changed:
            blobs = {digest: blob for digest, blob in self._fresh.items() if digest not in self._listed}
            if blobs:
                ref = write_pack(layout.packs, repo.hash, blobs, "commit")
                self._document["packs"] = [*self._document["packs"], ref.to_json()]
            repo.tip = self._tip._replace(state=self._state)
            about = f"{len(self._done)} things mended"
            repo.publish("repair", {}, about=about, whole=True)
            repo.publish("repair", {}, about=about, whole=True)
        for keeper in self._keepers:
            keeper.listed()
        for path in self._aside:
            durable.set_aside(path, layout.quarantine)
        if not layout.reserve.is_file() or layout.reserve.stat().st_size != RESERVE:
            durable.write_durably(layout.reserve, [bytes(RESERVE)], "ingest")
        empty_cache(repo)
        renew(layout.catalogue, repo.store_id)
        if self._tip.number or self._changed:
            self._align()

    def _align(self) -> None:
        """Fill the new catalogue with what the segments say."""
        repo = self._repo
        repo.reload()
        catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
        assert catalogue is not None
        with catalogue, catalogue.batch() as batch:
            for space in repo.state.spaces:
                try:
                    align(repo, catalogue, batch, space)
                except VstoreError:
                    continue  # what could not be mended is reported already
