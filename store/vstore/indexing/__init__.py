"""Indexing: the approximate index of a space, built, described and deleted."""
