"""FORMAT.md: its text, and the tables that are marked as tested."""

from __future__ import annotations

from pathlib import Path

from support.tables import Tables

TEXT = (Path(__file__).parents[2] / "store/FORMAT.md").read_text(encoding="utf-8")
LINES = TEXT.split("\n")

# What stands in the line of every table that is marked as tested, and in no other line.
ANCHORS = {
    "folder": "## 2. The folder",
    "format": "`FORMAT` is canonical JSON and a newline",
    "record": "A record is one line of canonical JSON",
    "state": "The state *(tested)*;",
    "root": "A *root* *(tested)*",
    "retired": "that a label meant *(tested)*",
    "space": "A *space* *(tested)*",
    "import": "What an *import* left over *(tested)*",
    "snapshot": "A *snapshot* *(tested)*",
    "operations": "**Operations** *(tested)*",
    "footer": "The footer *(tested)*",
    "pack": "## 6. Packs",
    "manifest": "- **manifests**: canonical JSON *(tested)*",
    "journal": "The head *(tested)*",
    "recipe": "Fields of every recipe *(tested)*",
    "prepare": "`prepare` of policy 1 *(tested)*",
    "prepare 2": "`prepare` of policy 2 *(tested)*",
    "catalogue": "The first byte of an LMDB key is its table *(tested)*",
    "states": "States *(tested)*",
    "cache": "checksum means that it is not there. *(tested)*",
    "locks": "freed by the kernel when the process ends, however it ends. *(tested)*",
    "holder": "writes JSON into it, for people *(tested)*",
    "differences": "What differs *(tested)*",
    "kinds of pages": "a tree is named by the digest of its root. *(tested)*",
    "table leaf": "**A leaf of a table** *(tested)*",
    "snapshot key": "Its key *(tested)*",
    "field values": "The value of a field *(tested)*",
    "decision": "The value of a decision *(tested)*",
    "line": "A line of the log is a list *(tested)*",
    "facts leaf": "**A leaf of facts** *(tested)*",
    "column types": "Types of columns *(tested)*",
    "columns": "Columns of facts *(tested)*",
    "part": "A part *(tested)*",
    "sizes": "its size is looked at before a byte is read *(tested)*",
    "refusals": "**All of it in one table** *(tested)*",
    "plan": "**A plan** is one JSON object *(tested)*",
    "head of moves": "The first line *(tested)* is a head",
    "move": "A move is *(tested)*",
    "part head": "The head of a part is canonical JSON *(tested)*",
    "edges": "Parameters of edges *(tested)*",
    "edges payload": "Payload of edges *(tested)*",
    "centroids": "Parameters of centroids *(tested)*",
    "lists": "Parameters of inverted lists *(tested)*",
    "lists payload": "Payload of inverted lists *(tested)*",
    "recall": "Parameters of recall *(tested)*",
    "recall payload": "Payload of recall *(tested)*",
}

FORMAT = Tables(TEXT, ANCHORS)
table, fields, rows_after = FORMAT.table, FORMAT.fields, FORMAT.rows_after
