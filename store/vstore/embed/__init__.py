"""Embedders: what turns prepared pictures into vectors."""
