"""Garbage collection: deletes data that no snapshot uses. Import `run`, `plan` and `unlisted`."""
