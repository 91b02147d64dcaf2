"""Garbage collection: what no snapshot uses, and how it is deleted."""
