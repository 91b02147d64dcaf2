"""The verbs on snapshots: list, show, diff, tag, roll back, undo, forget. Import each from its module."""
