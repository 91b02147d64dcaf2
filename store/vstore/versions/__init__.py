"""Snapshots: list, show, compare, tag, roll back, undo, forget."""
