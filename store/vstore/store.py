"""A store as a program uses it: one object, one method per command."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from vstore.embed.model_words import Settings, Words
from vstore.errors import UsageError
from vstore.format.recipes import space_id
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.check.reembed import Sample
    from vstore.check.report import CheckReport
    from vstore.doctor import DoctorReport
    from vstore.embed.embedder import Embedder
    from vstore.export import ExportReport
    from vstore.format.recipes import Recipe
    from vstore.gc.run import GcReport
    from vstore.importing.report import ImportReport
    from vstore.migrate import MigrateReport
    from vstore.models import ModelAdded, ModelDetail, ModelDropped, ModelRow, ModelUsed
    from vstore.progress import Progress
    from vstore.repair.report import RepairReport
    from vstore.search.dupes import DupesReport
    from vstore.search.search import Operand, SearchReport
    from vstore.stats import StatsReport
    from vstore.sync.report import SyncReport
    from vstore.versions.diff import DiffReport
    from vstore.versions.forget import ForgetReport
    from vstore.versions.log import LogRow
    from vstore.versions.moves import MoveReport
    from vstore.versions.show import SnapshotDetail, SnapshotRow
    from vstore.versions.tags import TagReport

    AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

T = TypeVar("T")


class InitReport(NamedTuple):
    """A store that was made."""

    store: str
    id: str
    hash: str
    dtype: str
    space: str
    space_name: str

    def to_json(self) -> dict[str, Any]:
        return {
            "store": self.store,
            "id": self.id,
            "hash": self.hash,
            "dtype": self.dtype,
            "space": self.space,
            "space_name": self.space_name,
        }


class Store:
    """An open store. Usable as a context manager; two of one folder may be open in a process."""

    def __init__(
        self,
        folder: AnyPath,
        *,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        damaged: bool = False,
    ) -> None:
        """damaged: open it although files that the log names are missing, for `check`.

        Raises: NoStore, FormatTooNew, Damage.
        """
        self._repo = Repository(Path(os.fsdecode(os.path.abspath(os.fsdecode(folder)))), damaged=damaged)
        self._given = load_embedder

    @classmethod
    def init(
        cls,
        folder: AnyPath,
        *,
        hash: str = "xxh3_128",
        store_dtype: str = "float16",
        recipe: Mapping[str, Any] | None = None,
        name: str | None = None,
        model: str | None = None,
        adapter: str | None = None,
        revision: str | None = None,
        compute: str | None = None,
        max_side: int | None = None,
        prompt: str | None = None,
        pooling: str | None = None,
        trust_remote_code: bool | None = None,
        device: str = "auto",
        note: Callable[[str], None] = lambda text: None,
    ) -> InitReport:
        """Make an empty store for one embedding space: the built-in one, unless a recipe or a model says otherwise.

        model, adapter: a folder or a hub id. note: told of what was done that nobody asked for.
        Raises: UsageError if there is one already; ModelError, and nothing is made then.
        """
        from vstore.embed.builtin import DEFAULT_RECIPE

        words = Words(model, adapter, revision, compute, max_side, prompt, pooling, trust_remote_code)
        path = Path(os.path.abspath(os.fsdecode(folder)))
        made = None
        if model is not None or adapter is not None:
            from vstore.repository import spaces

            Repository.refuse_existing(path)
            name = spaces.name_for(words, name)
            made = spaces.make(words, Settings(device), note)
        elif words != Words():
            options = ", ".join(f"--{option.replace('_', '-')}" for option in words.to_json())
            raise UsageError(f"{options} without a model", "name one with --model NAME_OR_DIR")
        repo = Repository.create(path, hash, store_dtype)
        try:
            if made is not None:
                assert name is not None
                spaces.add(repo, name, made)
            else:
                chosen = DEFAULT_RECIPE if recipe is None else recipe
                repo.add_space(chosen, name or str(chosen["name"]))
            space = next(iter(repo.state.spaces.values()))
            return InitReport(str(repo.layout.folder), repo.store_id, repo.hash.name, repo.dtype, space.id, space.name)
        finally:
            repo.close()

    def _load(self, recipe: Recipe, settings: Settings | None = None) -> Embedder:
        if self._given is not None:
            return self._given(recipe)
        from vstore.repository import spaces

        return spaces.load(self._repo, self._repo.state.spaces[space_id(recipe)], settings or Settings())

    def _load_on_all(self, recipe: Recipe, settings: Settings) -> Embedder:
        if self._given is not None:
            return self._given(recipe)
        from vstore.repository import spaces

        return spaces.load_on_all(self._repo, self._repo.state.spaces[space_id(recipe)], settings)

    @property
    def folder(self) -> Path:
        return self._repo.layout.folder

    @property
    def complaint(self) -> str | None:
        """Why the newest record of the log cannot be used; what is answered comes from an older one then."""
        return self._repo.tip.complaint

    # Bringing up to date

    def sync(
        self,
        paths: Sequence[AnyPath] = (),
        *,
        dry_run: bool = False,
        message: str = "",
        exclude: Sequence[str] = (),
        no_exclude: Sequence[str] = (),
        include: Sequence[str] = (),
        exclude_from: AnyPath | None = None,
        files_from: AnyPath | None = None,
        follow_symlinks: bool | None = None,
        one_file_system: bool | None = None,
        ignore_inode: bool | None = None,
        ignore_ctime: bool | None = None,
        as_label: str | None = None,
        space: str | None = None,
        wait: bool = False,
        allow_mass_delete: bool = False,
        max_file_size: int = 256 << 20,
        max_pixels: int | None = None,
        commit_every: float = 1800.0,
        batch_size: int | None = None,
        compile: bool = False,
        device: str = "auto",
        isolate_decoding: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Embed what is new in folders, and write a snapshot if anything changed.

        paths:        folders to take in, or parts of known ones; none means all known folders.
        commit_every: seconds of embedding after which a partial snapshot is written.
        batch_size:   pictures that a model is given at once; None finds a good number.
        device:       auto, cpu, cuda, cuda:1, mps, or several (`cuda:0,cuda:1`): a worker process each. auto and cuda
                      are all CUDA GPUs. Whatever else takes a device runs the model on the first, in this process.
        compile:      let torch compile the model first: slower to start, quicker where there is much to embed.
        isolate_decoding: decode in worker processes with limits of time and memory: for pictures of strangers.
        stop:         set by somebody else, ends the run after the batch at hand, with a partial snapshot.
        Raises:       UsageError, LabelTaken, Refused, Locked, Damage, ModelError, MissingPackage, DiskTrouble.
        """
        from vstore.pictures.scan_options import OptionEdits
        from vstore.sync.run import Options, Run

        named = [os.fsencode(path) for path in paths]
        if files_from is not None:
            listed = _lines(files_from)
            if not listed:  # no path at all would mean every known root
                raise UsageError(f"{os.fsdecode(files_from)} names no path", "list one a line, or end each with a NUL")
            named += listed
        excludes = [*exclude, *(os.fsdecode(line) for line in (_lines(exclude_from) if exclude_from else ()))]
        edits = OptionEdits(
            tuple(excludes),
            tuple(no_exclude),
            tuple(include),
            follow_symlinks,
            one_file_system,
            ignore_inode,
            ignore_ctime,
        )
        options = Options(
            message,
            as_label,
            space,
            wait,
            allow_mass_delete,
            max_file_size,
            max_pixels,
            commit_every,
            isolate_decoding,
            edits,
        )
        settings = Settings(device, batch_size, compile)
        run = Run(self._repo, options, lambda recipe: self._load_on_all(recipe, settings), progress, stop)
        if dry_run:
            self._repo.reload()
            return self._repo.reading(lambda: run.look(named))
        return run.sync(named)

    def status(self, paths: Sequence[AnyPath] = (), *, progress: Progress | None = None) -> SyncReport:
        """What a sync would do, and how long it would take. Writes nothing."""
        return self.sync(paths, dry_run=True, progress=progress)

    # Other tools' indexes

    def import_index(
        self,
        *,
        faiss: AnyPath | None = None,
        metadata: AnyPath | None = None,
        embeddings: AnyPath | None = None,
        clip_retrieval: AnyPath | None = None,
        rclip: AnyPath | None = None,
        root: AnyPath | None = None,
        recipe: Mapping[str, Any] | None = None,
        model: str | None = None,
        adapter: str | None = None,
        revision: str | None = None,
        compute: str | None = None,
        max_side: int | None = None,
        prompt: str | None = None,
        pooling: str | None = None,
        trust_remote_code: bool | None = None,
        as_label: str | None = None,
        as_space: str | None = None,
        path_field: str | None = None,
        rows_by: str | None = None,
        trust_edited: bool = False,
        force: bool = False,
        dry_run: bool = False,
        report: AnyPath | None = None,
        resume: str | None = None,
        message: str = "",
        wait: bool = False,
        max_file_size: int = 256 << 20,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> ImportReport:
        """Take an old index in: its rows meet the files under a root, the files' bytes give keys, and nothing is
        embedded.

        recipe:  of the model that made the vectors, where it is known; the space is only *claimed* to be that.
        model, adapter: the same, by a folder or a hub id; its files are read, it is not loaded.
        resume:  the id of an import: what it left over is looked for anew.
        Raises:  UsageError, ImportRefused, Locked, MissingPackage, Damage, DiskTrouble; the store is as it was then.
        """
        from vstore.importing.old import Named
        from vstore.importing.options import ImportOptions
        from vstore.importing.run import ImportRun

        words = Words(model, adapter, revision, compute, max_side, prompt, pooling, trust_remote_code)
        recipe, place = self._declared(words, recipe)
        named = Named(*(_path(path) for path in (faiss, metadata, embeddings, clip_retrieval, rclip)))
        options = ImportOptions(
            named, None if root is None else os.fsencode(root), recipe, place, as_label, as_space, path_field, rows_by,
            trust_edited, force, dry_run, _path(report), resume, message, wait, max_file_size,
        )  # fmt: skip
        run = ImportRun(self._repo, options, progress, stop or threading.Event())
        if dry_run:
            self._repo.reload()
            return self._repo.reading(run.run)
        return run.run()

    @classmethod
    def import_new(
        cls, folder: AnyPath, *, hash: str | None = None, store_dtype: str | None = None, **options: Any
    ) -> ImportReport:
        """Make a store by an import: options are those of `import_index`. If the import fails, or with `dry_run`,
        no store is left behind.

        hash, store_dtype: as `vstore.json` says where the import has one, else xxh3_128 and float16.
        """
        from vstore.importing.founding import import_new

        def work(made: Path, options: Mapping[str, Any]) -> ImportReport:
            with cls(made) as store:
                return store.import_index(**options)

        return import_new(work, Path(os.path.abspath(os.fsdecode(folder))), hash, store_dtype, options)

    # Searching

    def search(
        self,
        operands: Sequence[Operand],
        *,
        k: int = 10,
        at: str | None = None,
        under: AnyPath | None = None,
        min_score: float | None = None,
        new_since: str | None = None,
        device: str = "auto",
    ) -> SearchReport:
        """Find the k pictures of a snapshot that look most like the operands. See `vstore.search.search.search`."""
        from vstore.search.search import search

        self._repo.reload()
        return search(
            self._repo,
            operands,
            k=k,
            at=at,
            under=None if under is None else os.fsencode(under),
            min_score=min_score,
            new_since=new_since,
            load_embedder=lambda recipe: self._load(recipe, Settings(device)),
        )

    def dupes(
        self,
        *,
        at: str | None = None,
        under: AnyPath | None = None,
        verify: bool = False,
        near: float | Literal["auto"] | None = None,
        progress: Progress | None = None,
    ) -> DupesReport:
        """Groups of identical pictures, or (near) of pictures that look alike. See `vstore.search.dupes.dupes`."""
        from vstore.search.dupes import dupes

        below = None if under is None else os.fsencode(under)
        return self._read(lambda repo: dupes(repo, at=at, under=below, verify=verify, near=near, progress=progress))

    # Versions

    def snapshot_list(self) -> list[SnapshotRow]:
        """All kept snapshots, newest first."""
        from vstore.versions.show import snapshot_list

        return self._read(snapshot_list)

    def snapshot_show(self, snap: str = "current") -> SnapshotDetail:
        """One snapshot. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        from vstore.versions.show import snapshot_show

        return self._read(lambda repo: snapshot_show(repo, snap))

    def snapshot_diff(self, a: str, b: str = "current") -> DiffReport:
        """How snapshot b differs from a."""
        from vstore.versions.diff import snapshot_diff

        return self._read(lambda repo: snapshot_diff(repo, a, b))

    def snapshot_tag(self, snap: str, name: str) -> TagReport:
        """Give a snapshot a name of its own."""
        from vstore.versions.tags import snapshot_tag

        return snapshot_tag(self._repo, snap, name)

    def snapshot_untag(self, name: str) -> TagReport:
        """Take a tag away."""
        from vstore.versions.tags import snapshot_untag

        return snapshot_untag(self._repo, name)

    def snapshot_forget(
        self,
        snaps: Sequence[str] = (),
        *,
        keep_last: int | None = None,
        keep_hourly: int | None = None,
        keep_daily: int | None = None,
        keep_weekly: int | None = None,
        keep_monthly: int | None = None,
        keep_yearly: int | None = None,
        keep_within: str | None = None,
        keep_tag: Sequence[str] = (),
        dry_run: bool = False,
    ) -> ForgetReport:
        """Forget the snapshots that are named, or those that a policy does not keep. Undone by `undo` until gc.

        Raises: UsageError for an empty policy, or a snapshot that must stay.
        """
        from vstore.versions.forget import snapshot_forget
        from vstore.versions.policy import Policy

        policy = Policy(
            keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, keep_within, tuple(keep_tag)
        )
        self._repo.reload()
        return snapshot_forget(self._repo, snaps, policy, dry_run=dry_run)

    def snapshot_export(self, snap: str, out: AnyPath, *, format: str = "jsonl") -> ExportReport:
        """Write a snapshot's pictures and vectors to a file that other tools read."""
        from vstore.export import snapshot_export

        return self._read(lambda repo: snapshot_export(repo, snap, Path(os.fsdecode(out)), format))

    def export(
        self,
        out: AnyPath,
        *,
        format: str = "triple",
        at: str | None = None,
        operands: Sequence[Operand] = (),
        k: int = 10,
        under: AnyPath | None = None,
        min_score: float | None = None,
        new_since: str | None = None,
    ) -> ExportReport:
        """Write a snapshot as other tools keep it (see `vstore.export.snapshot_export`), or, with the format `links`,
        a folder of links to the pictures of a search, whose words are those of `search`."""
        from vstore.export import LINKS, export_links, snapshot_export

        target = Path(os.fsdecode(out))
        if format == LINKS:
            found = self.search(operands, k=k, at=at, under=under, min_score=min_score, new_since=new_since)
            return export_links(found.snapshot, [(hit.score, hit.files) for hit in found.hits], target)
        if operands or under is not None or min_score is not None or new_since is not None:
            raise UsageError("only links are of a search", "leave its words out, or add --format links")
        return self._read(lambda repo: snapshot_export(repo, at or "current", target, format))

    def rollback(self, snap: str | None = None, *, hold: bool = False, release: bool = False) -> MoveReport:
        """Make a snapshot current, or let held syncs go on. Files are not touched."""
        from vstore.versions.moves import rollback

        return rollback(self._repo, snap, hold=hold, release=release)

    def undo(self) -> MoveReport:
        """Take back the newest operation in force. Raises: NothingToUndo."""
        from vstore.versions.moves import undo

        return undo(self._repo)

    def redo(self) -> MoveReport:
        """Bring back what the newest undo took. Raises: NothingToUndo."""
        from vstore.versions.moves import redo

        return redo(self._repo)

    def log(self, limit: int | None = None) -> list[LogRow]:
        """The operations, newest first."""
        from vstore.versions.log import log

        return self._read(lambda repo: log(repo, limit))

    @property
    def why_log_is_cut(self) -> str | None:
        """Why `log` tells less than was done, where a record that is lost hides what lies before it."""
        from vstore.versions.log import why_log_is_cut

        return self._read(why_log_is_cut)

    # Embedding spaces

    def model_list(self) -> list[ModelRow]:
        """All embedding spaces."""
        from vstore.models import model_list

        return self._read(model_list)

    def model_show(self, space: str) -> ModelDetail:
        """One embedding space, with its recipe. Raises: UsageError."""
        from vstore.models import model_show

        return self._read(lambda repo: model_show(repo, space))

    def model_add(
        self,
        name: str,
        *,
        model: str | None = None,
        adapter: str | None = None,
        revision: str | None = None,
        compute: str | None = None,
        max_side: int | None = None,
        prompt: str | None = None,
        pooling: str | None = None,
        trust_remote_code: bool | None = None,
        device: str = "auto",
        note: Callable[[str], None] = lambda text: None,
    ) -> ModelAdded:
        """Add an embedding space; sync with `space=name` fills it. Raises: UsageError, ModelError."""
        from vstore.models import model_add

        self._repo.reload()
        words = Words(model, adapter, revision, compute, max_side, prompt, pooling, trust_remote_code)
        return model_add(self._repo, name, words, Settings(device), note)

    def model_use(self, space: str, *, message: str = "") -> ModelUsed:
        """Make a space current: a new snapshot of the current paths. Raises: UsageError, ModelError."""
        from vstore.models import model_use

        return model_use(self._repo, space, message)

    def model_drop(self, space: str, *, dry_run: bool = False) -> ModelDropped:
        """Forget a space that no kept snapshot needs. Raises: UsageError, Refused, Locked."""
        from vstore.models import model_drop

        return model_drop(self._repo, space, dry_run=dry_run)

    @staticmethod
    def doctor(folder: AnyPath | None = None) -> DoctorReport:
        """What is installed, what fits together, what would be used. folder: a store to look at too."""
        from vstore.doctor import doctor

        return doctor(None if folder is None else Path(os.path.abspath(os.fsdecode(folder))))

    # The store itself

    def stats(self) -> StatsReport:
        """Where the bytes are."""
        from vstore.stats import stats

        return self._read(stats)

    def check(
        self,
        *,
        read_data: bool = False,
        read_data_subset: str | None = None,
        max_duration: float | None = None,
        source: bool = False,
        reembed: int | None = None,
        recipe: Mapping[str, Any] | None = None,
        model: str | None = None,
        adapter: str | None = None,
        revision: str | None = None,
        compute: str | None = None,
        max_side: int | None = None,
        prompt: str | None = None,
        pooling: str | None = None,
        trust_remote_code: bool | None = None,
        device: str = "auto",
        adopt: str | None = None,
        progress: Progress | None = None,
    ) -> CheckReport:
        """Prove the store whole, or say what is not. Damage is reported, not raised.

        read_data_subset: `1/7` or `10%`; max_duration: seconds; see `vstore.check.run.check`.
        source:  read the pictures too, and find those whose bytes changed although their size and times did not.
        reembed: so many pictures are embedded anew, by the current space's model or that of `recipe`, and compared with
                 what is stored; what fits makes a claimed space verified. adopt: see `vstore.check.reembed.reembed`.
        """
        from vstore.check.run import check

        words = Words(model, adapter, revision, compute, max_side, prompt, pooling, trust_remote_code)
        return check(
            self._repo,
            read_data=read_data,
            subset=read_data_subset,
            max_duration=max_duration,
            source=source,
            sample=self._sample(reembed, words, recipe, adopt, Settings(device)),
            progress=progress,
        )

    def _sample(
        self, count: int | None, words: Words, recipe: Mapping[str, Any] | None, adopt: str | None, settings: Settings
    ) -> Sample | None:
        if count is None:
            if recipe is not None or adopt is not None or words != Words():
                raise UsageError("a model is tried on a sample", "say of how many pictures: --reembed 32")
            return None
        from vstore.check.reembed import Sample

        recipe, place = self._declared(words, recipe)
        return Sample(count, self._loader(place, settings), recipe, place, adopt)

    def migrate(self, *, dry_run: bool = False) -> MigrateReport:
        """Bring an older format up to this version's. See `vstore.migrate.migrate`."""
        from vstore.migrate import migrate

        return migrate(self._repo, dry_run=dry_run)

    def gc(self, *, dry_run: bool = False, drop_unnamed: bool = False, wait: bool = False) -> GcReport:
        """Free what no kept snapshot names. It is the end of undo. See `vstore.gc.run.gc`.

        Raises: Damage, Locked, DiskTrouble.
        """
        from vstore.gc.run import gc

        self._repo.reload()
        return gc(self._repo, dry_run=dry_run, drop_unnamed=drop_unnamed, wait=wait)

    @classmethod
    def repair(
        cls,
        folder: AnyPath,
        *,
        dry_run: bool = False,
        no_embed: bool = False,
        wait: bool = False,
        load_embedder: Callable[[Recipe], Embedder] | None = None,
        progress: Progress | None = None,
    ) -> RepairReport:
        """Mend a store, which may be too damaged to be opened. See `vstore.repair.run.repair`."""
        from vstore.repair.run import repair

        path = Path(os.path.abspath(os.fsdecode(folder)))
        return repair(path, load_embedder, dry_run=dry_run, embed=not no_embed, wait=wait, progress=progress)

    def _declared(
        self, words: Words, recipe: Mapping[str, Any] | None
    ) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
        """The recipe that was given, or that of the model which was named, and where that lies."""
        if words == Words():
            return recipe, {}
        if recipe is not None or (words.model is None and words.adapter is None):
            raise UsageError("these options say how a model is used, and none was named", "name it with --model")
        from vstore.importing.declared import declared

        return declared(words, self._repo.layout.cache)

    def _loader(self, place: Mapping[str, Any], settings: Settings) -> Callable[[Recipe], Embedder]:
        """Loads spaces of this store, and what is like the current one, or lies at `place`, but for its recipe."""

        def load(recipe: Recipe) -> Embedder:
            from vstore.embed.hf.digests import Digests
            from vstore.embed.load import load_embedder

            state = self._repo.state
            if self._given is not None or (not place and space_id(recipe) in state.spaces):
                return self._load(recipe, settings)
            words = place or state.spaces[self._repo.snapshot("current").space].place
            digests = Digests(self._repo.layout.cache)
            found = load_embedder(recipe, Words.from_json(words), settings, digests)
            digests.keep()
            return found

        return load

    def _read(self, operation: Callable[[Repository], T]) -> T:
        self._repo.reload()
        return self._repo.reading(lambda: operation(self._repo))

    # Life

    def close(self) -> None:
        self._repo.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(os.fsdecode(path))


def _lines(path: AnyPath) -> list[bytes]:
    """The lines of a file, or what NULs part in it; blank ones and those that begin with # are left out.

    Raises: UsageError if it cannot be read.
    """
    try:
        data = Path(os.fsdecode(path)).read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read {os.fsdecode(path)}: {err.strerror or err}", "name a file of lines") from err
    if b"\0" in data:
        return [part for part in data.split(b"\0") if part]
    return [line for line in (raw.rstrip(b"\r") for raw in data.split(b"\n")) if line and not line.startswith(b"#")]
