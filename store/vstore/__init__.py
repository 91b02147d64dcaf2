"""vstore: the content-addressed, versioned index store for pictures.

What this module exports is stable. Everything else is private.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vstore._version import __version__

if TYPE_CHECKING:
    from vstore.approximate.summary import IndexStatus as IndexStatus
    from vstore.browse.entries import Details as Details
    from vstore.browse.entries import Entries as Entries
    from vstore.browse.entries import PathEntry as PathEntry
    from vstore.browse.find import FindReport as FindReport
    from vstore.browse.ls import LsReport as LsReport
    from vstore.browse.show import Name as Name
    from vstore.browse.show import Neighbour as Neighbour
    from vstore.browse.show import ShowReport as ShowReport
    from vstore.browse.show import SpaceOf as SpaceOf
    from vstore.browse.spans import SnapshotSpan as SnapshotSpan
    from vstore.check.findings import Problem as Problem
    from vstore.check.reembed import ReembedReport as ReembedReport
    from vstore.check.report import CheckReport as CheckReport
    from vstore.check.trials import Trial as Trial
    from vstore.decide.report import Decided as Decided
    from vstore.decide.report import DecidedPicture as DecidedPicture
    from vstore.decide.report import DecisionRow as DecisionRow
    from vstore.decide.report import DecisionsReport as DecisionsReport
    from vstore.disk.thumbs import Thumb as Thumb
    from vstore.disk.typed_words import UserWords as UserWords
    from vstore.doctor.report import DoctorReport as DoctorReport
    from vstore.doctor.report import Finding as Finding
    from vstore.embed.embedder import Embedder as Embedder
    from vstore.embed.recommended import RecommendedModel as RecommendedModel
    from vstore.embed.typed_words import ModelWords as ModelWords
    from vstore.errors import AmbiguousSnapshot as AmbiguousSnapshot
    from vstore.errors import CommitRace as CommitRace
    from vstore.errors import Damage as Damage
    from vstore.errors import DiskTrouble as DiskTrouble
    from vstore.errors import ForeignStore as ForeignStore
    from vstore.errors import FormatTooNew as FormatTooNew
    from vstore.errors import Interrupted as Interrupted
    from vstore.errors import LabelTaken as LabelTaken
    from vstore.errors import Locked as Locked
    from vstore.errors import LockLost as LockLost
    from vstore.errors import MigrationNeeded as MigrationNeeded
    from vstore.errors import MissingPackage as MissingPackage
    from vstore.errors import ModelError as ModelError
    from vstore.errors import NoStore as NoStore
    from vstore.errors import NothingToUndo as NothingToUndo
    from vstore.errors import ReadOnly as ReadOnly
    from vstore.errors import Refused as Refused
    from vstore.errors import SnapshotNotFound as SnapshotNotFound
    from vstore.errors import StoreClosed as StoreClosed
    from vstore.errors import StoreGone as StoreGone
    from vstore.errors import SystemLimit as SystemLimit
    from vstore.errors import Untrusted as Untrusted
    from vstore.errors import UsageError as UsageError
    from vstore.errors import VstoreError as VstoreError
    from vstore.export.run import ExportReport as ExportReport
    from vstore.facts.fill import FillWords as FillWords
    from vstore.facts.report import FactsReport as FactsReport
    from vstore.facts.report import Undecoded as Undecoded
    from vstore.fields.report import FieldRow as FieldRow
    from vstore.fields.report import FieldsCarried as FieldsCarried
    from vstore.fields.report import FieldsChanged as FieldsChanged
    from vstore.fields.report import FieldsExported as FieldsExported
    from vstore.fields.report import FieldsImported as FieldsImported
    from vstore.fields.report import UnknownRow as UnknownRow
    from vstore.format.list_columns import KeptField as KeptField
    from vstore.format.list_columns import LeftColumn as LeftColumn
    from vstore.format.usual_words import UsualWords as UsualWords
    from vstore.gallery.previews import Previews as Previews
    from vstore.gallery.thumbnails import Missing as Missing
    from vstore.gallery.thumbnails import Shown as Shown
    from vstore.gallery.write import GalleryReport as GalleryReport
    from vstore.gc.run import GcReport as GcReport
    from vstore.importing.options import ImportWords as ImportWords
    from vstore.importing.report import ImportRefused as ImportRefused
    from vstore.importing.report import ImportReport as ImportReport
    from vstore.importing.report import Row as Row
    from vstore.importing.report import Waiting as Waiting
    from vstore.indexing.run import IndexBuilt as IndexBuilt
    from vstore.indexing.run import IndexDropped as IndexDropped
    from vstore.migrate import MigrateReport as MigrateReport
    from vstore.models.report import ConvertedFile as ConvertedFile
    from vstore.models.report import ModelAdded as ModelAdded
    from vstore.models.report import ModelAllowed as ModelAllowed
    from vstore.models.report import ModelConverted as ModelConverted
    from vstore.models.report import ModelDetail as ModelDetail
    from vstore.models.report import ModelDropped as ModelDropped
    from vstore.models.report import ModelRow as ModelRow
    from vstore.models.report import ModelServed as ModelServed
    from vstore.models.report import ModelUsed as ModelUsed
    from vstore.plans.report import DupesApplied as DupesApplied
    from vstore.plans.report import DupesPlanned as DupesPlanned
    from vstore.plans.report import DupesRestored as DupesRestored
    from vstore.plans.report import Unmoved as Unmoved
    from vstore.progress import Progress as Progress
    from vstore.progress import Stage as Stage
    from vstore.progress import Watching as Watching
    from vstore.repair.report import Loss as Loss
    from vstore.repair.report import RepairReport as RepairReport
    from vstore.repository.acquaintance import PictureSource as PictureSource
    from vstore.repository.candidates import Candidate as Candidate
    from vstore.repository.cut_picture import Truncated as Truncated
    from vstore.repository.files import Files as Files
    from vstore.repository.init import InitReport as InitReport
    from vstore.repository.running import Running as Running
    from vstore.roots.report import RootRemoved as RootRemoved
    from vstore.roots.report import RootRenamed as RootRenamed
    from vstore.roots.report import RootRow as RootRow
    from vstore.search.decided import Verdict as Verdict
    from vstore.search.dupes import DupesReport as DupesReport
    from vstore.search.group_files import GroupFile as GroupFile
    from vstore.search.groups import Group as Group
    from vstore.search.groups import Picture as Picture
    from vstore.search.hit import Hit as Hit
    from vstore.search.keep_best import Best as Best
    from vstore.search.model_diff_report import ChangedPicture as ChangedPicture
    from vstore.search.model_diff_report import ComparedSpace as ComparedSpace
    from vstore.search.model_diff_report import ModelDiffReport as ModelDiffReport
    from vstore.search.model_diff_report import NearPicture as NearPicture
    from vstore.search.operand import Operand as Operand
    from vstore.search.report import SearchReport as SearchReport
    from vstore.search.typed_words import SearchWords as SearchWords
    from vstore.search.view import Selection as Selection
    from vstore.search.view import View as View
    from vstore.stats import Part as Part
    from vstore.stats import RootStats as RootStats
    from vstore.stats import SpaceStats as SpaceStats
    from vstore.stats import StatsReport as StatsReport
    from vstore.stop import Stop as Stop
    from vstore.store import Store as Store
    from vstore.sync.report import Failure as Failure
    from vstore.sync.report import PassedOver as PassedOver
    from vstore.sync.report import SyncReport as SyncReport
    from vstore.sync.typed_words import FirstSyncWords as FirstSyncWords
    from vstore.sync.typed_words import SyncWords as SyncWords
    from vstore.trust import TrustedStore as TrustedStore
    from vstore.trust import TrustReport as TrustReport
    from vstore.vectors.report import Embedded as Embedded
    from vstore.vectors.report import VectorIndex as VectorIndex
    from vstore.vectors.report import Vectors as Vectors
    from vstore.versions.diff import DiffReport as DiffReport
    from vstore.versions.diff_fields import FieldDiff as FieldDiff
    from vstore.versions.diff_stat import FolderDiff as FolderDiff
    from vstore.versions.forget import ForgetReport as ForgetReport
    from vstore.versions.forget import Kept as Kept
    from vstore.versions.log import LogRow as LogRow
    from vstore.versions.moves import MoveReport as MoveReport
    from vstore.versions.moves import Moves as Moves
    from vstore.versions.names import Names as Names
    from vstore.versions.policy import KeepWords as KeepWords
    from vstore.versions.show import SnapshotDetail as SnapshotDetail
    from vstore.versions.show import SnapshotRow as SnapshotRow
    from vstore.versions.tags import TagReport as TagReport
    from vstore.watch.report import Watched as Watched
    from vstore.watch.typed_words import WatchWords as WatchWords

# Importing vstore costs nothing: a name is imported when it is first used. tests/store/test_face.py compares this table
# with the imports above, which are for type checkers.
_HOMES = {
    "vstore.approximate.summary": "IndexStatus",
    "vstore.browse.entries": "Details Entries PathEntry",
    "vstore.browse.find": "FindReport",
    "vstore.browse.ls": "LsReport",
    "vstore.browse.show": "Name Neighbour ShowReport SpaceOf",
    "vstore.browse.spans": "SnapshotSpan",
    "vstore.check.findings": "Problem",
    "vstore.check.reembed": "ReembedReport",
    "vstore.check.report": "CheckReport",
    "vstore.check.trials": "Trial",
    "vstore.decide.report": "Decided DecidedPicture DecisionRow DecisionsReport",
    "vstore.disk.thumbs": "Thumb",
    "vstore.disk.typed_words": "UserWords",
    "vstore.doctor.report": "DoctorReport Finding",
    "vstore.embed.embedder": "Embedder",
    "vstore.embed.recommended": "RecommendedModel",
    "vstore.embed.typed_words": "ModelWords",
    "vstore.errors": (
        "AmbiguousSnapshot CommitRace Damage DiskTrouble ForeignStore FormatTooNew Interrupted LabelTaken LockLost "
        "Locked MigrationNeeded MissingPackage ModelError NoStore NothingToUndo ReadOnly Refused SnapshotNotFound "
        "StoreClosed StoreGone SystemLimit Untrusted UsageError VstoreError"
    ),
    "vstore.export.run": "ExportReport",
    "vstore.facts.fill": "FillWords",
    "vstore.facts.report": "FactsReport Undecoded",
    "vstore.format.usual_words": "UsualWords",
    "vstore.gallery.previews": "Previews",
    "vstore.gallery.thumbnails": "Missing Shown",
    "vstore.gallery.write": "GalleryReport",
    "vstore.gc.run": "GcReport",
    "vstore.indexing.run": "IndexBuilt IndexDropped",
    "vstore.fields.report": "FieldRow FieldsCarried FieldsChanged FieldsExported FieldsImported UnknownRow",
    "vstore.format.list_columns": "KeptField LeftColumn",
    "vstore.importing.options": "ImportWords",
    "vstore.importing.report": "ImportRefused ImportReport Row Waiting",
    "vstore.migrate": "MigrateReport",
    "vstore.models.report": "ConvertedFile ModelAdded ModelAllowed ModelConverted ModelDetail ModelDropped ModelRow "
    "ModelServed ModelUsed",
    "vstore.plans.report": "DupesApplied DupesPlanned DupesRestored Unmoved",
    "vstore.progress": "Progress Stage Watching",
    "vstore.repair.report": "Loss RepairReport",
    "vstore.repository.acquaintance": "PictureSource",
    "vstore.repository.candidates": "Candidate",
    "vstore.repository.cut_picture": "Truncated",
    "vstore.repository.files": "Files",
    "vstore.repository.init": "InitReport",
    "vstore.repository.running": "Running",
    "vstore.roots.report": "RootRemoved RootRenamed RootRow",
    "vstore.search.decided": "Verdict",
    "vstore.search.dupes": "DupesReport",
    "vstore.search.group_files": "GroupFile",
    "vstore.search.groups": "Group Picture",
    "vstore.search.hit": "Hit",
    "vstore.search.keep_best": "Best",
    "vstore.search.model_diff_report": "ChangedPicture ComparedSpace ModelDiffReport NearPicture",
    "vstore.search.operand": "Operand",
    "vstore.search.report": "SearchReport",
    "vstore.search.typed_words": "SearchWords",
    "vstore.search.view": "Selection View",
    "vstore.stats": "Part RootStats SpaceStats StatsReport",
    "vstore.stop": "Stop",
    "vstore.store": "Store",
    "vstore.sync.report": "Failure PassedOver SyncReport",
    "vstore.sync.typed_words": "FirstSyncWords SyncWords",
    "vstore.trust": "TrustReport TrustedStore",
    "vstore.vectors.report": "Embedded VectorIndex Vectors",
    "vstore.versions.diff": "DiffReport",
    "vstore.versions.diff_fields": "FieldDiff",
    "vstore.versions.diff_stat": "FolderDiff",
    "vstore.versions.forget": "ForgetReport Kept",
    "vstore.versions.log": "LogRow",
    "vstore.versions.moves": "MoveReport Moves",
    "vstore.versions.names": "Names",
    "vstore.versions.policy": "KeepWords",
    "vstore.versions.show": "SnapshotDetail SnapshotRow",
    "vstore.versions.tags": "TagReport",
    "vstore.watch.report": "Watched",
    "vstore.watch.typed_words": "WatchWords",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'vstore' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next use finds it there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
